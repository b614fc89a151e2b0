"""The codes that each operation is documented to be rejected with are those that the scenarios show."""

from __future__ import annotations

from schemas.codes import Code
from schemas.commands import OPERATIONS
from schemas.rejections import OF_EVERY_COMMAND, codes_of, own_codes_of
from tests.scenarios.test_scenarios import commands_in_scenarios


def shown() -> dict[str, set[Code]]:
    """Operation -> the codes that scenarios have it rejected with."""
    found: dict[str, set[Code]] = {operation: set() for operation in OPERATIONS}
    for row in commands_in_scenarios():
        code = row.cells.get("code", "*")
        operation = row.cells["operation"]
        if operation in found and code not in ("*", ".", "ok"):
            found[operation].add(Code(code))
    return found


def test_every_rejection_in_a_scenario_is_documented() -> None:
    undocumented = {operation: codes - set(codes_of(operation)) for operation, codes in shown().items()}
    assert {operation: codes for operation, codes in undocumented.items() if codes} == {}


def test_every_documented_rejection_is_in_a_scenario() -> None:
    unshown = {operation: own_codes_of(operation) - codes for operation, codes in shown().items()}
    assert {operation: codes for operation, codes in unshown.items() if codes} == {}


def test_what_every_command_can_be_answered_is_shown_of_some() -> None:
    assert OF_EVERY_COMMAND - set().union(*shown().values()) == set()


def test_codes_are_in_order_of_precedence_and_none_is_to_come() -> None:
    order = list(Code)
    for operation in OPERATIONS:
        places = [order.index(code) for code in codes_of(operation)]
        assert places == sorted(set(places))
        assert not {Code.OK} & set(codes_of(operation))
