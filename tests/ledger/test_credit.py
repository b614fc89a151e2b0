"""How far a wallet may go below zero: a credit limit is of all its sub-wallets together."""

from __future__ import annotations

import pytest

from tests.ledger.bank import Bank, limits
from tests.ledger.commands import command, credit, debit, operator, transfer
from tests.ledger.world import Json

#: What a refund costs.
REFUND_COSTS: Json = {
    "name": "refund-eur",
    "version": 1,
    "operation": "refund",
    "asset": "EUR",
    "tiers": [{"flat_minor": 7, "basis_points": 0}],
    "refundable": False,
}


def test_a_credit_limit_is_of_all_sub_wallets_together() -> None:
    bank = Bank()
    bank.ask(limits(bank.carl, credit_limit_minor=50))
    for name in ("savings", "trips"):
        bank.ask(command("open_sub_wallet", bank.carl, sub_wallet=name, kind="savings"))
    bank.ask(debit(bank.carl, 30))
    bank.ask(debit(bank.carl, 21, sub_wallet="savings"), "insufficient_funds")
    bank.ask(debit(bank.carl, 20, sub_wallet="savings"))
    bank.ask(command("authorize", bank.carl, amount_minor=1, asset="EUR", expires_in_s=9), "insufficient_funds")
    # What one has does not pay for what another owes.
    bank.ask(credit(bank.carl, 40, sub_wallet="trips"))
    bank.ask(debit(bank.carl, 1), "insufficient_funds")
    bank.ask(transfer(bank.carl, bank.carl, 40, sub_wallet="trips"))
    bank.ask(debit(bank.carl, 40))
    bank.audit()


def test_what_is_taken_beyond_the_credit_of_all_sub_wallets_is_forced() -> None:
    bank = Bank()
    bank.ask(limits(bank.carl, credit_limit_minor=50, day={"sum_minor": 100}))
    bank.ask(command("open_sub_wallet", bank.carl, sub_wallet="savings", kind="savings"))
    paid = [bank.ask(credit(bank.carl, 20, sub_wallet="savings", rail="card")) for _ in range(2)]
    bank.ask(debit(bank.carl, 45))
    bank.ask(debit(bank.carl, 40, sub_wallet="savings"))
    for one in paid:
        bank.on("dispute", one, wallet_id=bank.carl, amount_minor=5, reason="x")
    contested = [
        event
        for event in bank.world.events
        if event["type"] == "transaction.disputed" and event["operation"] == "dispute"
    ]
    assert [event.get("forced", False) for event in contested] == [False, True]
    bank.audit()


def test_of_credit_that_one_sub_wallet_has_used_up_nothing_is_left_to_another() -> None:
    bank = Bank()
    bank.ask(limits(bank.carl, credit_limit_minor=50))
    bank.ask(command("open_sub_wallet", bank.carl, sub_wallet="savings", kind="savings"))
    bank.ask(debit(bank.carl, 50))
    bank.ask(debit(bank.carl, 1, sub_wallet="savings"), "insufficient_funds")
    bank.ask(limits(bank.carl, credit_limit_minor=20))
    bank.ask(credit(bank.carl, 7, sub_wallet="savings"))
    bank.ask(debit(bank.carl, 8, sub_wallet="savings"), "insufficient_funds")
    bank.ask(debit(bank.carl, 7, sub_wallet="savings"))
    bank.audit()


def test_what_one_sub_wallet_gives_back_to_another_leaves_it_that_much_more_credit() -> None:
    """Together they owe as much as before."""
    bank = Bank()
    bank.ask(limits(bank.carl, credit_limit_minor=50))
    bank.ask(command("open_sub_wallet", bank.carl, sub_wallet="savings", kind="savings"))
    moved = bank.ask(transfer(bank.carl, bank.carl, 20, to_sub_wallet="savings"))
    bank.ask(debit(bank.carl, 20, sub_wallet="savings"))
    bank.ask(debit(bank.carl, 20))
    bank.ask(operator("reverse", bank.carl, transaction_id=moved))
    assert bank.world.balance(f"{bank.carl}/savings/available", "EUR") == bank.has(wallet_id=bank.carl) == -20
    assert not any(event.get("forced") for event in bank.world.events)
    bank.audit()


@pytest.mark.parametrize("is_forced", [False, True])
@pytest.mark.parametrize("of", ["debit", "transfer"])
def test_a_refund_is_forced_where_it_takes_more_than_all_sub_wallets_may_owe(of: str, is_forced: bool) -> None:
    bank = Bank(REFUND_COSTS)
    agreed: Json = {"limits": {"EUR": {"credit_limit_minor": 50}}, "refunds_below_zero": True}
    bank.ask(operator("set_limits", bank.carl, **agreed))
    bank.ask(command("open_sub_wallet", bank.carl, sub_wallet="savings", kind="savings"))
    if of == "debit":
        moved, left_minor = bank.ask(debit(bank.carl, 1)), -7
    else:
        moved, left_minor = bank.ask(transfer(bank.anna, bank.carl, 13)), -20
        bank.ask(debit(bank.carl, 13))
    bank.ask(debit(bank.carl, 50 + left_minor + is_forced, sub_wallet="savings"))
    bank.on("refund", moved, wallet_id=bank.carl)
    assert bank.has(wallet_id=bank.carl) == left_minor
    assert any(event.get("forced") for event in bank.world.events) is is_forced
    bank.audit()
