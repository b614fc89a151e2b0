"""What operators reverse: what its event says came back, what of it is forced, and that there is room for it."""

from __future__ import annotations

from typing import Any

import pytest

from schemas.money import INT64_MAX
from tests.ledger.bank import FEE, Bank, limits
from tests.ledger.commands import Json, command, credit, debit, operator

FX_FEE: Json = {**FEE, "name": "convert-eur", "operation": "convert"}


def reversal(bank: Bank, transaction_id: str, wallet_id: str) -> Json:
    """The event of a reversal."""
    at = bank.world.put(operator("reverse", wallet_id, transaction_id=transaction_id))
    bank.world.settle()
    event, *_ = bank.world.events_of(at)
    return dict(event)


@pytest.mark.parametrize(
    "asked",
    [{"operation": "convert", "to_asset": "USD"}, {"operation": "debit", "rail": "card"}],
    ids=["convert", "debit"],
)
def test_it_says_what_came_back(asked: dict[str, Any]) -> None:
    bank = Bank(FEE, FX_FEE)
    paid = bank.ask(command(wallet_id=bank.anna, amount_minor=100, asset="EUR", **asked))
    event = reversal(bank, paid, bank.anna)
    assert event["fee_returned_minor"] == 7
    assert event.get("exchange", {}).get("to_minor") == (100 if asked["operation"] == "convert" else None)
    assert bank.has() == 10_000
    bank.audit()


@pytest.mark.parametrize(("credit_minor", "is_forced"), [(99, True), (100, False)])
@pytest.mark.parametrize("what", ["credit", "reward"])
def test_it_is_forced_where_it_takes_more_than_the_wallet_may_owe(
    what: str, credit_minor: int, is_forced: bool
) -> None:
    bank = Bank()
    bank.ask(command("open_sub_wallet", bank.carl, sub_wallet="savings", kind="savings"))
    bank.ask(limits(bank.carl, credit_limit_minor=credit_minor))
    fields = {"rail": "card"} if what == "credit" else {"code": "x"}
    got = bank.ask(command(what, bank.carl, amount_minor=100, asset="EUR", **fields))
    bank.ask(debit(bank.carl, 100))
    assert reversal(bank, got, bank.carl).get("forced", False) is is_forced
    bank.audit()


@pytest.mark.parametrize("under_way_minor", [0, 1])
@pytest.mark.parametrize("what", ["fee", "debit"])
def test_there_is_room_for_it_and_for_what_may_come_back(what: str, under_way_minor: int) -> None:
    bank = Bank()
    bank.ask(credit(bank.carl, 10))
    fields = {"rail": "card"} if what == "debit" else {"code": "x"}
    paid = bank.ask(command(what, bank.carl, amount_minor=1, asset="EUR", **fields))
    if under_way_minor:
        bank.ask(command("authorize", bank.carl, amount_minor=under_way_minor, asset="EUR", expires_in_s=60))
    # The rail of the credits holds no more than the other wallet leaves it.
    bank.ask(debit(bank.anna, 10_000))
    bank.ask(debit(bank.carl, 9 - under_way_minor))
    bank.ask(credit(bank.carl, INT64_MAX - under_way_minor))
    bank.ask(operator("reverse", bank.carl, transaction_id=paid), "amount_out_of_range")
    bank.ask(debit(bank.carl, 1))
    bank.ask(operator("reverse", bank.carl, transaction_id=paid))
    bank.audit()
