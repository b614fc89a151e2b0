"""What rails have done: it is booked once, with the rail that has done it, whatever became of the transaction."""

from __future__ import annotations

import pytest

from schemas.clock import rfc3339
from schemas.topics import LEDGER_EVENTS
from tests.ledger.bank import Bank
from tests.ledger.commands import command, operator
from tests.ledger.world import DAY_MS, START_MS


@pytest.mark.parametrize("operation", ["credit", "debit"])
def test_a_return_that_is_booked_proves_no_reversal_of_the_rest(operation: str) -> None:
    bank = Bank()
    moved = bank.ask(command(operation, bank.anna, amount_minor=100, asset="EUR", rail="card"))
    bank.on("return", moved, amount_minor=40, rail_reference="back", code="x")
    refused = operator("reverse", bank.anna, transaction_id=moved, rail_reference="back", approved_by="olga")
    answer = bank.world.submit(refused)
    assert (answer["code"], answer["field"]) == ("illegal_transition", "rail_reference")
    assert abs(bank.of_system("rail:card")) == 60
    bank.ask(operator("reverse", bank.anna, transaction_id=moved, rail_reference="another"))
    assert (bank.of_system("rail:card"), bank.has()) == (0, 10_000)
    bank.audit()


def test_the_auditor_finds_a_reversal_that_a_booked_return_proves() -> None:
    bank = Bank()
    moved = bank.ask(command("debit", bank.anna, amount_minor=100, asset="EUR", rail="card"))
    bank.on("return", moved, amount_minor=40, rail_reference="back", code="x")
    bank.ask(operator("reverse", bank.anna, transaction_id=moved, rail_reference="another"))
    log = bank.world.written[LEDGER_EVENTS, 0]
    log[:] = [one._replace(value=(one.value or b"").replace(b'"another"', b'"back"')) for one in log]
    with pytest.raises(AssertionError, match="reference_twice"):
        bank.world.verify()


@pytest.mark.parametrize("becomes", ["initiated", "canceled", "failed"])
@pytest.mark.parametrize("operation", ["credit", "debit"])
def test_what_was_scheduled_and_is_settled_all_the_same_is_booked_with_its_rail(operation: str, becomes: str) -> None:
    bank = Bank()
    later = {"amount_minor": 10_001, "asset": "EUR", "rail": "sepa", "execute_at": rfc3339(START_MS + DAY_MS)}
    asked = bank.ask(command(operation, bank.anna, None, **later))
    if becomes == "canceled":
        bank.on("cancel", asked)
    elif becomes == "failed":
        bank.ask(operator("set_limits", bank.anna, limits={"EUR": {"balance_cap_minor": 1}}))
        bank.world.wait(DAY_MS)
    answer = bank.world.submit(command("settle", bank.anna, transaction_id=asked, rail_reference="there"))
    assert (answer["code"], answer["state"]) == ("ok", becomes)
    sign = 1 if operation == "debit" else -1
    moved = bank.of_system("rail:sepa"), bank.of_system("rail:instant"), bank.of_system("suspense")
    assert moved == (sign * 10_001, -10_000, -sign * 10_001)
    bank.audit()


@pytest.mark.parametrize("becomes", ["canceled", "failed"])
@pytest.mark.parametrize("operation", ["credit", "debit"])
def test_what_has_ended_unsettled_and_comes_back_all_the_same_is_booked_with_its_rail(
    operation: str, becomes: str
) -> None:
    bank = Bank()
    asked = bank.ask(command(operation, bank.anna, None, amount_minor=100, asset="EUR", rail="sepa"))
    if becomes == "canceled":
        bank.on("cancel", asked)
    else:
        bank.on("fail", asked, code="AC04")
    back = {"transaction_id": asked, "amount_minor": 130, "rail_reference": "back", "code": "MD06"}
    has, sign = bank.has(), -1 if operation == "debit" else 1
    for key in ("one", "another"):
        answer = bank.world.submit(command("return", bank.anna, key, **back))
        assert (answer["code"], answer["state"]) == ("ok", becomes)
        assert (bank.of_system("rail:sepa"), bank.of_system("suspense")) == (sign * 130, -sign * 130)
    assert bank.has() == has
    bank.audit()


def test_what_was_refused_settled_and_returned_leaves_nothing_in_suspense() -> None:
    bank = Bank()
    asked = bank.ask(command("debit", bank.anna, None, amount_minor=100, asset="EUR", rail="sepa"))
    bank.on("fail", asked, code="AC04")
    bank.on("settle", asked, rail_reference="there")
    bank.on("return", asked, amount_minor=100, rail_reference="back", code="MD06")
    assert (bank.of_system("rail:sepa"), bank.of_system("suspense")) == (0, 0)
    bank.audit()
