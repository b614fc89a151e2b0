"""Every event that has cost a fee names its schedule and what was paid, wherever the money goes."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.ledger.bank import Bank
from tests.ledger.commands import command, credit, debit, transfer
from tests.ledger.world import Json


def costs(operation: str) -> Json:
    """Three of each that is done in EUR, not given back."""
    priced: Json = {"name": f"{operation}-eur", "version": 7, "operation": operation, "asset": "EUR"}
    return {**priced, "tiers": [{"flat_minor": 3, "basis_points": 0}], "refundable": False}


def held(bank: Bank) -> str:
    return bank.ask(command("authorize", bank.anna, amount_minor=50, asset="EUR", expires_in_s=60))


def paid_back(bank: Bank, payer: str) -> str:
    """A refund of anna's, of what another wallet has paid her."""
    bank.ask(credit(payer, 50))
    return bank.on("refund", bank.ask(transfer(payer, bank.anna, 50)))


DOES: dict[str, tuple[str, Callable[[Bank], str]]] = {
    "credit": ("credit", lambda bank: bank.ask(credit(bank.anna, 50))),
    "debit": ("debit", lambda bank: bank.ask(debit(bank.anna, 50))),
    "debit, deferred": ("debit", lambda bank: bank.ask(debit(bank.anna, 50, rail="sepa"))),
    "transfer, here": ("transfer", lambda bank: bank.ask(transfer(bank.anna, bank.carl, 50))),
    "transfer, away": ("transfer", lambda bank: bank.ask(transfer(bank.anna, bank.bert, 50))),
    "transfer, exchanged here": ("transfer", lambda bank: bank.ask(transfer(bank.anna, bank.carl, 50, to_asset="USD"))),
    "transfer, exchanged away": ("transfer", lambda bank: bank.ask(transfer(bank.anna, bank.bert, 50, to_asset="USD"))),
    "authorize": ("authorize", held),
    "capture": ("capture", lambda bank: bank.on("capture", held(bank))),
    "capture, deferred": ("capture", lambda bank: bank.on("capture", held(bank), rail="sepa")),
    "capture, here": ("capture", lambda bank: bank.on("capture", held(bank), to_wallet_id=bank.carl)),
    "capture, away": ("capture", lambda bank: bank.on("capture", held(bank), to_wallet_id=bank.bert)),
    "refund": ("refund", lambda bank: bank.on("refund", bank.ask(debit(bank.anna, 50)))),
    "refund, here": ("refund", lambda bank: paid_back(bank, bank.carl)),
    "refund, away": ("refund", lambda bank: paid_back(bank, bank.bert)),
    "dispute": ("dispute", lambda bank: bank.on("dispute", bank.ask(credit(bank.anna, 50)), reason="x")),
    "convert": (
        "convert",
        lambda bank: bank.ask(command("convert", bank.anna, amount_minor=50, asset="EUR", to_asset="USD")),
    ),
}


@pytest.mark.parametrize("name", DOES)
def test_its_event_names_the_fee(name: str) -> None:
    operation, do = DOES[name]
    bank = Bank(costs(operation))
    before = bank.of_system("fees")
    done = do(bank)
    first = next(event for event in bank.world.events if event.get("transaction_id") == done)
    assert first["operation"] == operation
    fee = {name: first["fee"][name] for name in ("schedule", "version", "asset", "amount_minor")}
    assert fee == {"schedule": f"{operation}-eur", "version": 7, "asset": "EUR", "amount_minor": 3}
    assert bank.of_system("fees") - before == 3
    bank.audit()


@pytest.mark.parametrize("rail", ["instant", "card"])
def test_what_costs_something_comes_over_its_own_rail(rail: str) -> None:
    bank = Bank(costs("credit"))
    before = bank.of_system(f"rail:{rail}")
    bank.ask(credit(bank.carl, 50, rail=rail))
    assert (bank.has(wallet_id=bank.carl), bank.of_system(f"rail:{rail}") - before) == (47, -50)
    bank.audit()


MONEY: Json = {"amount_minor": 50, "asset": "EUR"}
#: Commands of carl's that cost something beside the 50 that they take.
TAKES: dict[str, Callable[[Bank], Json]] = {
    "debit": lambda bank: debit(bank.carl, 50),
    "transfer": lambda bank: transfer(bank.carl, bank.anna, 50),
    "authorize": lambda bank: command("authorize", bank.carl, **MONEY, expires_in_s=60),
    "convert": lambda bank: command("convert", bank.carl, **MONEY, to_asset="USD"),
}


@pytest.mark.parametrize("operation", TAKES)
def test_what_it_costs_has_to_be_there_too(operation: str) -> None:
    bank = Bank(costs(operation))
    bank.ask(credit(bank.carl, 52))
    refused = bank.world.submit(TAKES[operation](bank))
    said = (refused["code"], refused["field"], refused["message"])
    assert said == ("insufficient_funds", "amount_minor", "available 52, needed 53")
    bank.ask(credit(bank.carl, 1))
    bank.ask(TAKES[operation](bank))
    assert bank.has(wallet_id=bank.carl) == 0
    bank.audit()


@pytest.mark.parametrize(("amount_minor", "has_minor", "code"), [(50, 2, "insufficient_funds"), (50, 3, "ok")])
def test_what_a_capture_costs_is_paid_from_what_is_available(amount_minor: int, has_minor: int, code: str) -> None:
    bank = Bank(costs("capture"))
    bank.ask(credit(bank.carl, amount_minor + has_minor))
    hold = bank.ask(command("authorize", bank.carl, **MONEY, expires_in_s=60))
    bank.on("capture", hold, code, wallet_id=bank.carl)
    bank.audit()
