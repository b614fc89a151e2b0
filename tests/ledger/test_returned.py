"""What a rail takes back: what is said of it, what of it is forced, and what operators can reverse after it."""

from __future__ import annotations

from typing import Any

import pytest

from schemas.money import INT64_MAX
from tests.ledger.bank import Bank, limits
from tests.ledger.commands import command, credit, debit, operator, set_state, transfer

BACK: dict[str, Any] = {"rail_reference": "back", "code": "MD06"}


def said_of(bank: Bank) -> str:
    """The message of the latest event."""
    return str(bank.world.events[-2]["message"])


def test_it_says_what_the_rail_has_said() -> None:
    bank = Bank()
    paid = bank.ask(debit(bank.anna, 100, rail="sepa"))
    bank.on("settle", paid, rail_reference="there")
    bank.on("return", paid, amount_minor=40, **BACK)
    assert said_of(bank) == "returned by the rail: MD06"


@pytest.mark.parametrize("verb", ["settle", "return"])
def test_it_says_what_it_contradicts(verb: str) -> None:
    bank = Bank()
    paid = bank.ask(debit(bank.anna, 100, rail="sepa"))
    bank.on("fail", paid, code="AC04")
    if verb == "settle":
        bank.on("settle", paid, rail_reference="there")
    else:
        bank.on("return", paid, amount_minor=40, **BACK)
    what = "settled" if verb == "settle" else "returned"
    assert said_of(bank) == f"{what} by the rail, but failed here: booked against suspense"
    bank.audit()


@pytest.mark.parametrize("has_failed", [False, True])
def test_more_than_suspense_can_hold_is_out_of_range(has_failed: bool) -> None:
    bank = Bank()
    paid = bank.payout(has_failed=has_failed)
    bank.on("return", paid, amount_minor=INT64_MAX, **BACK)
    again = {"rail_reference": "again", "code": "MD06"}
    bank.on("return", paid, "amount_out_of_range", amount_minor=INT64_MAX, **again)
    bank.audit()


@pytest.mark.parametrize(("credit_minor", "is_forced"), [(99, True), (100, False)])
def test_it_is_forced_where_it_takes_more_than_the_wallet_may_owe(credit_minor: int, is_forced: bool) -> None:
    bank = Bank()
    bank.ask(command("open_sub_wallet", bank.carl, sub_wallet="savings", kind="savings"))
    bank.ask(limits(bank.carl, credit_limit_minor=credit_minor))
    got = bank.ask(credit(bank.carl, 100, rail="card"))
    bank.ask(debit(bank.carl, 100))
    bank.on("return", got, wallet_id=bank.carl, amount_minor=100, **BACK)
    assert any(event.get("forced") for event in bank.world.events) is is_forced
    bank.audit()


def test_a_return_that_is_booked_proves_nothing_of_what_is_left() -> None:
    bank = Bank()
    paid = bank.ask(debit(bank.anna, 100, rail="card"))
    bank.on("return", paid, amount_minor=40, **BACK)
    answer = bank.world.submit(operator("reverse", bank.anna, transaction_id=paid, rail_reference="back"))
    assert (answer["code"], answer["field"]) == ("illegal_transition", "rail_reference")
    assert answer["message"] == "the rail's return under this reference is booked: it proves nothing of what is left"
    bank.ask(operator("reverse", bank.anna, transaction_id=paid))
    assert (bank.has(), bank.of_system("rail:card"), bank.of_system("adjustments")) == (10_000, 60, -60)
    bank.audit()


def test_a_reversal_asks_no_payer_whether_he_takes_it() -> None:
    bank = Bank()
    paid = bank.ask(transfer(bank.anna, bank.carl, 100))
    bank.ask(set_state(bank.anna, "disabled"))
    bank.on("refund", paid, "payee_refused", wallet_id=bank.carl, amount_minor=1)
    bank.ask(operator("reverse", bank.carl, transaction_id=paid))
    assert (bank.has(), bank.has(wallet_id=bank.carl)) == (10_000, 0)
    bank.audit()


@pytest.mark.parametrize("has_failed", [False, True])
def test_a_settlement_says_what_the_rail_has_said(has_failed: bool) -> None:
    bank = Bank()
    paid = bank.ask(debit(bank.anna, 100, rail="sepa"))
    if has_failed:
        bank.on("fail", paid, code="AC04")
    bank.on("settle", paid, rail_reference="there", rail_fee_minor=2, value_date="2026-01-02")
    event = bank.world.events[-2]
    facts = {"rail_reference": "there", "rail_fee_minor": 2}
    assert event["rail_facts"] == (facts if has_failed else {**facts, "value_date": "2026-01-02"})
    assert has_failed or "message" not in event, "nothing of it is left unsettled"
    bank.audit()


def test_more_settled_of_what_has_failed_than_suspense_can_hold_is_out_of_range() -> None:
    bank = Bank()
    paid = bank.ask(debit(bank.anna, 100, rail="sepa"))
    bank.on("fail", paid, code="AC04")
    bank.on("settle", paid, rail_reference="there", settled_minor=INT64_MAX)
    bank.on("settle", paid, "amount_out_of_range", rail_reference="again", settled_minor=INT64_MAX)
    bank.audit()


def test_a_rail_fee_that_the_books_cannot_hold_is_out_of_range() -> None:
    bank = Bank()
    paid = bank.ask(debit(bank.anna, 100, rail="sepa"))
    bank.on("settle", paid, "amount_out_of_range", rail_reference="there", rail_fee_minor=INT64_MAX)
    bank.on("settle", paid, rail_reference="there", rail_fee_minor=INT64_MAX - 100)
    assert (bank.of_system("rail:sepa"), bank.of_system("fees")) == (INT64_MAX, 100 - INT64_MAX)
    bank.audit()


def test_a_capture_that_a_rail_settles_after_it_has_failed_is_booked_against_suspense() -> None:
    bank = Bank()
    hold = bank.ask(command("authorize", bank.anna, amount_minor=100, asset="EUR", expires_in_s=60))
    taken = bank.on("capture", hold, rail="sepa")
    bank.on("fail", taken, code="AC04")
    bank.on("settle", taken, rail_reference="there")
    assert (bank.of_system("rail:sepa"), bank.of_system("suspense")) == (100, -100)
    bank.audit()


def test_a_rail_may_settle_a_single_minor_unit() -> None:
    bank = Bank()
    paid = bank.ask(debit(bank.anna, 100, rail="sepa"))
    bank.on("settle", paid, rail_reference="there", settled_minor=1)
    assert bank.has() == 9_999
    bank.audit()
