"""What would take a balance beyond int64 is out of range, to the last minor unit, whichever account it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import pytest

from schemas.money import INT64_MAX
from tests.ledger.bank import FEE, Bank, limits
from tests.ledger.commands import Json, command, credit, debit, operator


class Full(NamedTuple):
    """What is asked, and how the account that it adds to has room for so much."""

    asked: Callable[[Bank], Json]
    leave: Callable[[Bank, int], None]
    #: How much it adds.
    minor: int


def put(bank: Bank, account: str, left_minor: int, asset: str = "EUR") -> None:
    """Leave so much room in an account that is empty."""
    accounts: Json = {"from_account": "system/suspense", "to_account": account}
    bank.ask(operator("adjust", bank.anna, **accounts, amount_minor=INT64_MAX - left_minor, asset=asset))


def leave_own(asset: str = "EUR") -> Callable[[Bank, int], None]:
    """Room for so much in what anna has."""

    def leave(bank: Bank, left_minor: int) -> None:
        bank.ask(debit(bank.anna, bank.has()))
        put(bank, f"{bank.anna}/main/available", left_minor, asset)
        if asset != "EUR":
            bank.ask(credit(bank.anna, 1_000))

    return leave


def leave_held(bank: Bank, left_minor: int) -> None:
    """More than int64 can be held of a wallet with credit: that much is held of it."""
    bank.ask(limits(bank.anna, credit_limit_minor=1_000))
    bank.ask(debit(bank.anna, 10_000))
    put(bank, f"{bank.anna}/main/available", left_minor)
    held: Json = {"amount_minor": INT64_MAX - left_minor, "asset": "EUR", "expires_in_s": 60}
    bank.ask(command("authorize", bank.anna, **held))


def leave_beside_held(asset: str) -> Callable[[Bank, int], None]:
    """What is held may come back: all that anna has but what is put there."""

    def leave(bank: Bank, left_minor: int) -> None:
        if asset != "EUR":
            bank.ask(credit(bank.anna, 50, asset))
        held_minor = bank.world.balance(f"{bank.anna}/main/available", asset)
        bank.ask(command("authorize", bank.anna, amount_minor=held_minor, asset=asset, expires_in_s=60))
        put(bank, f"{bank.anna}/main/available", left_minor + held_minor, asset)

    return leave


def capture_over_card(bank: Bank) -> Json:
    hold = bank.ask(command("authorize", bank.anna, amount_minor=100, asset="EUR", expires_in_s=60))
    return command("capture", bank.anna, transaction_id=hold, rail="card")


def leave_rail(bank: Bank, left_minor: int) -> None:
    put(bank, "system/rail:card", left_minor)


MONEY: Json = {"amount_minor": 100, "asset": "EUR"}
FULL: dict[str, Full] = {
    "credit": Full(lambda bank: credit(bank.anna, 100), leave_own(), 100),
    "credit that costs": Full(lambda bank: credit(bank.anna, 100, rail="card"), leave_own(), 93),
    "credit that costs, where some is held": Full(
        lambda bank: credit(bank.anna, 100, rail="card"), leave_beside_held("EUR"), 93
    ),
    "reward": Full(lambda bank: command("reward", bank.anna, **MONEY, code="x"), leave_own(), 100),
    "reward, where some is held": Full(
        lambda bank: command("reward", bank.anna, **MONEY, code="x"), leave_beside_held("EUR"), 100
    ),
    "convert": Full(lambda bank: command("convert", bank.anna, **MONEY, to_asset="USD"), leave_own("USD"), 110),
    "convert, where some is held": Full(
        lambda bank: command("convert", bank.anna, **MONEY, to_asset="USD"), leave_beside_held("USD"), 110
    ),
    "authorize": Full(lambda bank: command("authorize", bank.anna, **MONEY, expires_in_s=60), leave_held, 100),
    "debit that waits for its verdict": Full(lambda bank: debit(bank.anna, 100, rail="wire"), leave_held, 100),
    "capture": Full(capture_over_card, leave_rail, 100),
    "debit": Full(lambda bank: debit(bank.anna, 100, rail="card"), leave_rail, 100),
}


@pytest.mark.parametrize("name", FULL)
def test_what_an_account_cannot_hold_is_out_of_range(name: str) -> None:
    full = FULL[name]
    costs = [FEE | {"name": "credit-eur", "operation": "credit"}] if name.startswith("credit that costs") else []
    bank = Bank(*costs)
    full.leave(bank, full.minor)
    bank.ask(full.asked(bank))
    bank = Bank(*costs)
    full.leave(bank, full.minor - 1)
    refused = bank.world.submit(full.asked(bank))
    said = (refused["code"], refused["field"], refused["message"])
    assert said == ("amount_out_of_range", "amount_minor", "a balance would leave int64")
