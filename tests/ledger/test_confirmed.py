"""A rail that says again what is booked already is told why nothing happens."""

from __future__ import annotations

from typing import Any

import pytest

from schemas.clock import rfc3339
from tests.ledger.bank import Bank
from tests.ledger.commands import Json, command, debit, operator
from tests.ledger.expected import DEVICE, EXTRAS
from tests.ledger.world import DAY_MS, START_MS


def says(bank: Bank, verb: str, transaction_id: str, **fields: Any) -> tuple[str, str]:
    """State and message of what a rail is answered, which moves nothing."""
    before = bank.has(), bank.has("outgoing"), bank.of_system("rail:sepa"), bank.of_system("suspense")
    answer = bank.world.submit(command(verb, bank.anna, transaction_id=transaction_id, **fields))
    assert answer["code"] == "ok", answer
    after = bank.has(), bank.has("outgoing"), bank.of_system("rail:sepa"), bank.of_system("suspense")
    assert after == before
    return answer["state"], bank.world.events[-2]["message"]


@pytest.mark.parametrize("has_failed", [False, True])
def test_a_return(has_failed: bool) -> None:
    bank = Bank()
    paid = bank.payout(has_failed=has_failed)
    back: Json = {"amount_minor": 40, "rail_reference": "back", "code": "MD06"}
    bank.on("return", paid, **back)
    state = "failed" if has_failed else "settled"
    assert says(bank, "return", paid, **back) == (state, "the rail has returned it under this reference before")
    bank.audit()


def test_a_return_that_was_reversed_by_its_reference() -> None:
    bank = Bank()
    paid = bank.ask(debit(bank.anna, 100, rail="sepa"))
    bank.on("settle", paid, rail_reference="there")
    bank.ask(operator("reverse", bank.anna, transaction_id=paid, rail_reference="back"))
    back: Json = {"amount_minor": 100, "rail_reference": "back", "code": "MD06"}
    assert says(bank, "return", paid, **back) == ("reversed", "it was reversed under this reference before")
    bank.audit()


@pytest.mark.parametrize("waited", [False, True])
def test_a_settlement_of_what_had_not_begun(waited: bool) -> None:
    """It was booked against suspense then, and is not booked again where the transaction has begun meanwhile."""
    bank = Bank()
    at = rfc3339(START_MS + DAY_MS)
    paid = bank.ask(command("debit", bank.anna, amount_minor=100, asset="EUR", rail="sepa", execute_at=at))
    bank.on("settle", paid, rail_reference="there")
    if waited:
        bank.world.wait(DAY_MS)
        bank.ask(command("require_step_up", bank.anna, rule_ids=["r"]))
    state = "processed" if waited else "initiated"
    said = says(bank, "settle", paid, rail_reference="there")
    assert said == (state, "the rail has said so under this reference before")
    assert bank.of_system("rail:sepa") == 100
    bank.audit()


def test_what_was_submitted_in_the_same_batch() -> None:
    bank = Bank()
    paid = bank.ask(debit(bank.anna, 100, rail="sepa"))
    bank.on("submit", paid, batch_id="b1")
    assert says(bank, "submit", paid, batch_id="b1") == ("processed", "it was submitted in this batch before")
    bank.on("settle", paid, rail_reference="there")
    bank.audit()


@pytest.mark.parametrize("again", [False, True])
def test_what_it_says_beside_that_is_in_the_event_the_first_time_and_again(again: bool) -> None:
    bank = Bank()
    paid = bank.ask(debit(bank.anna, 100, rail="sepa"))
    if again:
        bank.on("settle", paid, rail_reference="out")
    bank.on("settle", paid, rail_reference="out", **EXTRAS)
    event = bank.world.events[-2]
    assert event["type"] == ("transaction.confirmed" if again else "transaction.settled")
    said = {name: event[name] for name in ("occurred_at", "device", "references", "metadata")}
    assert said == {**{name: EXTRAS[name] for name in said}, "device": DEVICE}
