"""Rewards that come back by way of another transaction, and what another partition takes back."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from schemas.money import INT64_MAX
from tests.ledger.bank import Bank
from tests.ledger.commands import command, debit, operator, set_state, transfer
from tests.ledger.world import DAY_MS, Json


def refunded_capture(bank: Bank, hold: str) -> None:
    bank.on("refund", bank.on("capture", hold, wallet_id=bank.carl), wallet_id=bank.carl)


def refunded_before_it_is_over(bank: Bank, hold: str) -> None:
    taken = bank.on("capture", hold, wallet_id=bank.carl, amount_minor=20)
    bank.on("refund", taken, wallet_id=bank.carl)
    bank.on("release", hold, wallet_id=bank.carl)


def failed_capture(bank: Bank, hold: str) -> None:
    bank.on("fail", bank.on("capture", hold, wallet_id=bank.carl, rail="sepa"), wallet_id=bank.carl, code="AC01")


def failed_before_it_is_over(bank: Bank, hold: str) -> None:
    taken = bank.on("capture", hold, wallet_id=bank.carl, rail="sepa", amount_minor=20)
    bank.on("fail", taken, wallet_id=bank.carl, code="AC01")
    bank.on("release", hold, wallet_id=bank.carl)


def refused_capture(bank: Bank, hold: str) -> None:
    bank.on("capture", hold, wallet_id=bank.carl, to_wallet_id=bank.world.name_in(1, "nobody"))


def won_capture(bank: Bank, hold: str) -> None:
    taken = bank.on("capture", hold, wallet_id=bank.carl)
    contested = bank.on("dispute", taken, wallet_id=bank.carl, reason="no parcel")
    bank.ask(operator("resolve_dispute", bank.carl, transaction_id=contested, won=True))


def returned_capture(bank: Bank, hold: str) -> None:
    taken = bank.on("capture", hold, wallet_id=bank.carl, rail="sepa")
    bank.on("settle", taken, wallet_id=bank.carl, rail_reference="out", settled_minor=50)
    bank.on("return", taken, wallet_id=bank.carl, amount_minor=50, rail_reference="back", code="AC04")


def reversed_capture(bank: Bank, hold: str) -> None:
    taken = bank.on("capture", hold, wallet_id=bank.carl)
    bank.ask(operator("reverse", bank.carl, transaction_id=taken))


@pytest.mark.parametrize(
    "way",
    [
        *(refunded_capture, refunded_before_it_is_over, failed_capture, failed_before_it_is_over),
        *(refused_capture, won_capture, returned_capture, reversed_capture),
    ],
)
def test_a_reward_that_was_held_and_captured_comes_back_as_a_reward(way: Callable[[Bank, str], None]) -> None:
    bank = Bank()
    bank.ask(command("reward", bank.carl, amount_minor=100, asset="EUR", code="welcome", expires_in_s=100))
    way(bank, bank.ask(command("authorize", bank.carl, amount_minor=60, asset="EUR", expires_in_s=60)))
    assert bank.has(wallet_id=bank.carl) == 100
    bank.world.wait(7 * DAY_MS)
    bank.ask(debit(bank.carl, 1), "insufficient_funds")
    assert (bank.has(wallet_id=bank.carl), bank.of_system("rewards")) == (0, 0)
    bank.audit()


@pytest.mark.parametrize("is_captured", [False, True])
@pytest.mark.parametrize("payee", ["bert", "carl"])
def test_who_paid_is_told_of_a_reversal_wherever_the_payee_lives(payee: str, is_captured: bool) -> None:
    bank = Bank()
    to = getattr(bank, payee)
    if is_captured:
        hold = bank.ask(command("authorize", bank.anna, amount_minor=100, asset="EUR", expires_in_s=60))
        asked = command("capture", bank.anna, transaction_id=hold, to_wallet_id=to)
    else:
        asked = transfer(bank.anna, to, 100)
    paid = bank.ask(asked)
    bank.on("refund", paid, wallet_id=to, amount_minor=30)
    bank.ask(operator("reverse", to, transaction_id=paid))
    assert bank.told(paid)[-1] == ("reversed", "ok")
    again = bank.world.submit(asked)
    assert (again["replayed"], again["current_state"]) == (True, "reversed")
    bank.ask(operator("reverse", to, transaction_id=paid), "illegal_transition")
    assert bank.has() == 10_000
    bank.audit()


def test_who_paid_is_told_nothing_where_a_refund_is_refused_and_something_is_left() -> None:
    """The refund is under way when the rest is reversed: what it could not give back is still the payee's."""
    bank = Bank()
    paid = bank.ask(transfer(bank.anna, bank.bert, 100))
    bank.ask(set_state(bank.anna, "disabled"))
    for asked in (
        command("refund", bank.bert, transaction_id=paid, amount_minor=30),
        operator("reverse", bank.bert, transaction_id=paid),
    ):
        bank.world.put(asked)
        bank.world.decide(1)
    bank.world.settle()
    assert [state for state, _ in bank.told(paid)] == ["settled"]
    assert (bank.has(), bank.has(wallet_id=bank.bert)) == (10_000 - 30, 30)
    bank.ask(operator("reverse", bank.bert, transaction_id=paid))
    assert [state for state, _ in bank.told(paid)] == ["settled", "reversed"]
    bank.audit()


@pytest.mark.parametrize("operation", ["refund", "reverse"])
@pytest.mark.parametrize("payee", ["bert", "carl"])
def test_a_reward_comes_back_as_a_reward_wherever_the_payee_lives(payee: str, operation: str) -> None:
    bank = Bank()
    bank.ask(command("reward", bank.anna, amount_minor=100, asset="EUR", code="welcome", expires_in_s=100))
    to = getattr(bank, payee)
    paid = bank.ask(transfer(bank.anna, to, 60))
    fields: Json = {"transaction_id": paid}
    bank.ask(command("refund", to, **fields) if operation == "refund" else operator("reverse", to, **fields))
    assert bank.has() == 10_100
    bank.world.wait(7 * DAY_MS)
    bank.ask(debit(bank.anna, 10_001), "insufficient_funds")
    assert (bank.has(), bank.of_system("rewards")) == (10_000, 0)
    bank.audit()


def test_a_rail_settles_what_was_refused_when_its_verdict_had_come() -> None:
    bank = Bank()
    paid = bank.ask(debit(bank.anna, 100, rail="wire"))
    bank.ask(set_state(bank.anna, "locked"))
    bank.on("screening_verdict", paid, verdict="allow", rule_ids=["ok"])
    assert bank.told(paid) == [("failed", "wallet_locked")]
    bank.on("settle", paid, rail_reference="out")
    assert (bank.of_system("suspense"), bank.of_system("rail:wire"), bank.has()) == (-100, 100, 10_000)
    bank.audit()


def test_a_reward_may_come_back_more_often_than_its_amounts_fit_int64() -> None:
    """A rail returns refund after refund of the largest payment there is."""
    bank = Bank()
    bank.ask(debit(bank.anna, 10_000))
    bank.ask(command("reward", bank.anna, amount_minor=INT64_MAX, asset="EUR", code="x", expires_in_s=60))
    paid = bank.ask(debit(bank.anna, INT64_MAX, rail="sepa"))
    bank.on("settle", paid, rail_reference="out")
    for number in range(3):
        back = bank.on("refund", paid)
        bank.on("settle", back, rail_reference=f"in-{number}")
        bank.on("return", back, amount_minor=INT64_MAX, rail_reference="gone", code="AC04")
    assert bank.has() == 0
    bank.audit()
