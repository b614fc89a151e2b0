"""Captures to the payer's own wallet: into another of its sub-wallets, never into the one that the money is held in."""

from __future__ import annotations

import pytest

from tests.ledger.bank import Bank, limits
from tests.ledger.commands import command, transfer
from tests.ledger.world import Json


@pytest.fixture
def bank() -> Bank:
    """Anna has 9,900 in `main` and 100 in `savings`."""
    bank = Bank()
    bank.ask(command("open_sub_wallet", bank.anna, sub_wallet="savings", kind="savings"))
    bank.ask(transfer(bank.anna, bank.anna, 100, to_sub_wallet="savings"))
    return bank


def hold(bank: Bank, sub_wallet: str = "main") -> str:
    money: Json = {"amount_minor": 60, "asset": "EUR", "sub_wallet": sub_wallet}
    return bank.ask(command("authorize", bank.anna, **money, expires_in_s=60))


def within(bank: Bank, name: str, bucket: str = "available") -> int:
    return bank.world.balance(f"{bank.anna}/{name}/{bucket}", "EUR")


@pytest.mark.parametrize(("held_in", "to"), [("main", None), ("main", "main"), ("savings", "savings")])
@pytest.mark.parametrize("has_ended", [False, True])
def test_what_is_held_is_not_captured_to_where_it_is_held(
    bank: Bank, held_in: str, to: str | None, has_ended: bool
) -> None:
    authorized = hold(bank, held_in)
    if has_ended:
        bank.on("release", authorized)
    named: Json = {"transaction_id": authorized, "to_wallet_id": bank.anna}
    refused = bank.world.submit(command("capture", bank.anna, **named, **({"to_sub_wallet": to} if to else {})))
    said = (refused["code"], refused["field"], refused["message"])
    assert said == ("malformed", "to_sub_wallet", "payer and payee are the same sub-wallet")
    assert within(bank, held_in, "held") == (0 if has_ended else 60)


@pytest.mark.parametrize(("held_in", "to"), [("main", "savings"), ("savings", "main"), ("savings", None)])
def test_what_is_held_is_captured_to_another_sub_wallet_whatever_the_cap(
    bank: Bank, held_in: str, to: str | None
) -> None:
    bank.ask(limits(bank.anna, balance_cap_minor=10_000))
    before_minor = within(bank, to or "main")
    fields: Json = {"to_wallet_id": bank.anna} | ({"to_sub_wallet": to} if to else {})
    bank.on("capture", hold(bank, held_in), **fields)
    assert within(bank, to or "main") == before_minor + 60
    assert within(bank, "main") + within(bank, "savings") == 10_000
    bank.audit()


def test_of_a_transaction_that_there_is_none_of_nothing_is_captured(bank: Bank) -> None:
    bank.on("capture", "0" * 32, "transaction_not_found", to_wallet_id=bank.anna)
