"""Sub-wallets: what is one wallet's, and what each of them keeps for itself."""

from __future__ import annotations

import pytest

from schemas.money import INT64_MAX
from tests.ledger.bank import Bank, limits
from tests.ledger.commands import command, credit, operator, transfer
from tests.ledger.world import Json


def _escrow(bank: Bank, payee: str) -> None:
    bank.ask(command("open_sub_wallet", bank.anna, sub_wallet="deposit", kind="escrow", payee_wallet_id=payee))


@pytest.mark.parametrize("place", ["carl", "bert"])
def test_an_escrow_pays_what_was_put_into_it_whatever_the_credit_of_its_wallet(place: str) -> None:
    bank = Bank()
    payee: str = getattr(bank, place)
    _escrow(bank, payee)
    bank.ask(limits(bank.anna, credit_limit_minor=1_000))
    bank.ask(transfer(bank.anna, bank.anna, 300, to_sub_wallet="deposit"))
    bank.ask(transfer(bank.anna, payee, 301, sub_wallet="deposit"), "insufficient_funds")
    bank.ask(transfer(bank.anna, payee, 300, sub_wallet="deposit"))
    bank.ask(transfer(bank.anna, payee, 10_700))
    assert bank.has() == -1_000, "the credit is there for what else the wallet pays"
    bank.audit()


@pytest.mark.parametrize(("below_zero", "code"), [(False, "insufficient_funds"), (True, "ok")])
def test_a_refund_that_takes_an_escrow_below_zero_is_forced(below_zero: bool, code: str) -> None:
    bank = Bank()
    _escrow(bank, bank.carl)
    agreed: Json = {"limits": {"EUR": {"credit_limit_minor": 1_000}}, "refunds_below_zero": below_zero}
    bank.ask(operator("set_limits", bank.anna, **agreed))
    paid = bank.ask(transfer(bank.anna, bank.anna, 300, to_sub_wallet="deposit"))
    bank.ask(transfer(bank.anna, bank.carl, 300, sub_wallet="deposit"))
    bank.on("refund", paid, code)
    forced = [event["transaction_id"] for event in bank.world.events if event.get("forced")]
    assert len(forced) == below_zero
    bank.audit()


def test_a_cap_says_int64_at_most_of_what_a_wallet_holds() -> None:
    """Each of its accounts fits that, all of them together may not."""
    bank = Bank()
    for number, rail in enumerate(("instant", "card")):
        name = f"purse-{number}"
        bank.ask(command("open_sub_wallet", bank.anna, sub_wallet=name, kind="savings"))
        bank.ask(credit(bank.anna, INT64_MAX - 10_000, rail=rail, sub_wallet=name))
    bank.ask(limits(bank.anna, balance_cap_minor=INT64_MAX))
    refused = bank.world.submit(credit(bank.anna, 1))
    assert (refused["code"], refused["limit"]["used"]) == ("limit_exceeded", INT64_MAX)
    assert refused["message"].endswith(f"the wallet holds {INT64_MAX}")
    bank.audit()
