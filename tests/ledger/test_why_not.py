"""What is said of commands on transactions that are refused: why, and in which field."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.ledger.bank import Bank
from tests.ledger.commands import command, credit, debit, fraud, operator
from tests.ledger.world import Json

UNKNOWN = "f" * 32


def held(bank: Bank) -> str:
    """An authorization of 100 that ends after a minute."""
    return bank.ask(command("authorize", bank.anna, amount_minor=100, asset="EUR", expires_in_s=60))


def expired(bank: Bank) -> str:
    """One whose minute is over."""
    hold = held(bank)
    bank.world.wait(60_000)
    return hold


def paid(bank: Bank) -> str:
    """A debit of 100, of which 60 is refunded."""
    of = bank.ask(debit(bank.anna, 100))
    bank.on("refund", of, amount_minor=60)
    return of


def unknown(_bank: Bank) -> str:
    """Nothing."""
    return UNKNOWN


def received(bank: Bank) -> str:
    """A credit of 100."""
    return bank.ask(credit(bank.anna, 100))


NOT_FOUND = "the wallet has no transaction of this id"
OVER_WIRE = "payments over the rail wire are screened: release what is held, and ask for a debit"
CASES: list[tuple[Callable[[Bank], str], str, Json, tuple[str, str, str]]] = [
    (unknown, "release", {}, ("transaction_not_found", "transaction_id", NOT_FOUND)),
    (
        *(unknown, "refund", {}),
        (
            *("transaction_not_found", "transaction_id"),
            f"{NOT_FOUND}; a transfer is taken back of under its payee's wallet",
        ),
    ),
    (held, "capture", {"rail": "wire"}, ("illegal_transition", "rail", OVER_WIRE)),
    (expired, "capture", {}, ("hold_expired", "transaction_id", "the authorization has expired")),
    (
        *(expired, "release", {}),
        ("illegal_transition", "transaction_id", "release is not possible: authorize is canceled"),
    ),
    (
        *(received, "refund", {}),
        ("illegal_transition", "transaction_id", "refund is not possible: credit is settled"),
    ),
    (paid, "refund", {"amount_minor": 41}, ("exceeds_remaining", "amount_minor", "of the transaction 40 is left")),
]


@pytest.mark.parametrize("case", [pytest.param(case, id=f"{case[1]} of {case[0].__name__}") for case in CASES])
def test_a_command_on_a_transaction_that_is_refused_says_why(
    case: tuple[Callable[[Bank], str], str, Json, tuple[str, str, str]],
) -> None:
    begin, operation, fields, said = case
    bank = Bank()
    answer = bank.world.submit(command(operation, bank.anna, transaction_id=begin(bank), **fields))
    assert (answer["code"], answer["field"], answer["message"]) == said


def test_a_command_that_contradicts_the_ledger_is_answered_with_all_that_it_said() -> None:
    """Though it is kept as a dead letter, as what cannot be read."""
    bank = Bank()
    asked = command("refund", bank.anna, transaction_id=paid(bank), sub_wallet="savings", request_id="r-1")
    at = bank.world.put(asked)
    bank.world.settle()
    answer, (event,) = bank.world.answer(at), bank.world.events_of(at)
    assert (answer["code"], event["type"]) == ("malformed", "request.dead_lettered")
    for name in ("wallet_id", "operation", "idempotency_key", "request_id"):
        assert answer[name] == asked[name]
    assert (event["wallet_id"], event["operation"]) == (bank.anna, "refund")


@pytest.mark.parametrize("partition", [0, 1])
def test_what_a_reversal_does_to_its_original_came_from_where_it_was_asked_for(partition: int) -> None:
    bank = Bank()
    asked = operator("reverse", bank.anna, transaction_id=paid(bank))
    at = bank.world.put(asked, partition=partition)
    bank.world.settle()
    assert bank.world.answer(at)["code"] == "ok"
    *_, reversal, original, _seal = bank.world.events
    assert (reversal["operation"], original["type"]) == ("reverse", "transaction.reversed")
    origin = {} if partition == bank.world.owner(bank.anna) else {"origin": at._asdict()}
    place = {name: reversal["cause"][name] for name in ("topic", "partition", "offset")}
    assert original["cause"] == place | origin


def test_a_payment_that_is_denied_says_by_which_rules() -> None:
    bank = Bank()
    paid = bank.ask(debit(bank.anna, 1, rail="wire"))
    bank.ask(fraud("screening_verdict", bank.anna, transaction_id=paid, verdict="deny"))
    (update,) = bank.world.updates(paid)
    assert (update["code"], update["message"]) == ("screening_denied", "denied by velocity-out")
    bank.audit()
