"""What rejections of operators' and rails' commands say, and those of exchanges: what is wrong, and the field."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from schemas.topics import ASSETS, FX_RATES
from tests.ledger.bank import RATE, Bank, limits
from tests.ledger.commands import Json, command, credit, debit, fraud, operator, set_state, transfer

Asked = Callable[[Bank], Json]


@pytest.fixture
def bank() -> Bank:
    """Carl's wallet is closed."""
    bank = Bank()
    bank.ask(set_state(bank.carl, "closed"))
    return bank


def adjust(from_account: str, to_account: str = "system/fees", asset: str = "EUR", minor: int = 1) -> Asked:
    """`adjust`; of the accounts' wallets `anna` is the one of the bank."""

    def asked(bank: Bank) -> Json:
        accounts = {"from_account": from_account, "to_account": to_account}
        accounts = {name: account.replace("anna/", f"{bank.anna}/") for name, account in accounts.items()}
        return operator("adjust", bank.anna, **accounts, amount_minor=minor, asset=asset)

    return asked


def on(operation: str, begin: Callable[[Bank], str], make: Callable[..., Json] = command, **fields: Any) -> Asked:
    return lambda bank: make(operation, bank.anna, transaction_id=begin(bank), **fields)


def paid_out(bank: Bank) -> str:
    paid = bank.ask(debit(bank.anna, 5, rail="sepa"))
    bank.on("submit", paid, batch_id="b1")
    return paid


def received(bank: Bank) -> str:
    got = bank.ask(credit(bank.anna, 5))
    bank.on("dispute", got, reason="fraud")
    return got


def convert(minor: int, to_asset: str = "USD", **fields: Any) -> Asked:
    money: Json = {"amount_minor": minor, "asset": "EUR", "to_asset": to_asset}
    return lambda bank: command("convert", bank.anna, **money, **fields)


UNEVEN = "is no account that is adjusted: its transactions would not come out even"
UNDER_WAY = "is not adjusted: what it holds belongs to transactions that are under way"
REJECTIONS: list[tuple[Asked, str, str | None, str]] = [
    (adjust("system/transit"), "illegal_transition", "from_account", f"system/transit {UNEVEN}"),
    (adjust("system/fees", "system/transit"), "illegal_transition", "to_account", f"system/transit {UNEVEN}"),
    (adjust("anna/main/held"), "illegal_transition", "from_account", f"anna/main/held {UNDER_WAY}"),
    (
        adjust("system/fees", "anna/main/disputed"),
        "illegal_transition",
        "to_account",
        f"anna/main/disputed {UNDER_WAY}",
    ),
    (
        adjust("gone/main/available"),
        "wallet_not_found",
        "from_account",
        "no wallet of this partition has the id 'gone'",
    ),
    (adjust("anna/gone/available"), "sub_wallet_not_found", "from_account", "the wallet has no sub-wallet 'gone'"),
    (adjust("anna/main/available", asset="CHF"), "asset_not_enabled", "asset", "the wallet does not hold CHF"),
    (adjust("anna/main/available", asset="XXX"), "asset_unknown", "asset", "no asset 'XXX' is known"),
    (adjust("system/fees", "system/fx", "XXX"), "asset_unknown", "asset", "no asset 'XXX' is known"),
    # What comes first in the order of the codes is said, whichever account it is of.
    (
        adjust("system/transit", "gone/main/available"),
        "wallet_not_found",
        "to_account",
        "no wallet of this partition has the id 'gone'",
    ),
    (
        adjust("anna/main/available", minor=10_001),
        "insufficient_funds",
        "amount_minor",
        "available 10000, needed 10001",
    ),
    (
        on("resolve_dispute", received, operator, won=True),
        "illegal_transition",
        "transaction_id",
        "resolve_dispute names the dispute, not the transaction that it is about",
    ),
    (on("submit", paid_out, batch_id="b2"), "illegal_transition", "batch_id", "it was submitted in batch b1 before"),
    (
        on("cancel", paid_out),
        "illegal_transition",
        "transaction_id",
        "cancel is not possible: it was submitted to its rail in batch b1",
    ),
    (
        lambda bank: operator("set_tier", bank.anna, tier="gold"),
        "illegal_transition",
        "tier",
        "no tier 'gold' is configured; write it to the topic tiers first",
    ),
    (lambda bank: operator("set_tier", bank.carl, tier="gold"), "wallet_closed", None, "the wallet is closed"),
    (lambda bank: limits(bank.carl), "wallet_closed", None, "the wallet is closed"),
    (
        lambda bank: operator("set_limits", bank.anna, limits={"XXX": {}}),
        "asset_unknown",
        "limits",
        "no asset 'XXX' is known",
    ),
    (lambda bank: fraud("lock", bank.carl), "wallet_closed", None, "the wallet is closed"),
    (lambda bank: fraud("require_step_up", bank.carl), "wallet_closed", None, "the wallet is closed"),
    (convert(100, "GBP"), "asset_not_enabled", "to_asset", "the wallet does not hold GBP"),
    (
        convert(100, rate_id="r9"),
        "rate_unavailable",
        "rate_id",
        "the rate 'r9' of EUR to USD is not known, or not valid now",
    ),
    (
        lambda bank: transfer(bank.anna, bank.bert, 1, to_asset="CHF"),
        "rate_unavailable",
        "to_asset",
        "a rate of EUR to CHF is not known, or not valid now",
    ),
    (
        convert(100, min_to_amount_minor=111),
        "rate_moved",
        "min_to_amount_minor",
        "the amount gives 110 USD now, asked for at least 111",
    ),
    (
        convert(100, min_to_amount_minor=2**63),
        "amount_out_of_range",
        "min_to_amount_minor",
        "min_to_amount_minor is between 1 and 2^63 - 1",
    ),
    (
        lambda bank: command("convert", bank.anna, amount_minor=1, asset="USD", to_asset="EUR"),
        "insufficient_funds",
        "amount_minor",
        "available 0, needed 1",
    ),
]


@pytest.mark.parametrize("case", [pytest.param(case, id=f"{case[1]}: {case[3]}") for case in REJECTIONS])
def test_a_rejection_says_why(bank: Bank, case: tuple[Asked, str, str | None, str]) -> None:
    asked, code, field, message = case
    answer = bank.world.submit(asked(bank))
    assert (answer["code"], answer.get("field"), answer["message"].replace(bank.anna, "anna")) == (code, field, message)


def test_an_amount_that_gives_nothing_is_out_of_range(bank: Bank) -> None:
    bank.ask(command("convert", bank.anna, amount_minor=100, asset="EUR", to_asset="USD"))
    answer = bank.world.submit(command("convert", bank.anna, amount_minor=1, asset="USD", to_asset="EUR"))
    said = (answer["code"], answer["field"], answer["message"])
    assert said == (
        "amount_out_of_range",
        "amount_minor",
        "the amount gives nothing of EUR, or more than can be booked",
    )


@pytest.mark.parametrize("assets", [("EUR", "POINTS"), ("POINTS", "EUR")])
def test_what_is_no_asset_any_more_has_no_rate(bank: Bank, assets: tuple[str, str]) -> None:
    """Whoever holds it holds it still."""
    machine, (from_, to) = bank.world.machine, assets
    machine.refer(ASSETS, "POINTS", json.dumps({"code": "POINTS", "exponent": 0, "kind": "points"}).encode())
    machine.refer(FX_RATES, "r2", json.dumps({**RATE, "rate_id": "r2", "quote": "POINTS"}).encode())
    bank.ask(command("enable_asset", bank.anna, asset="POINTS"))
    bank.ask(credit(bank.anna, 1_000, "POINTS"))
    asked: Json = {"amount_minor": 1_000, "asset": from_, "to_asset": to}
    bank.ask(command("convert", bank.anna, **asked))
    bank.ask(credit(bank.anna, 1_000, "POINTS"))
    machine.refer(ASSETS, "POINTS", None)
    answer = bank.world.submit(command("convert", bank.anna, **asked))
    said = (answer["code"], answer["field"], answer["message"])
    assert said == ("rate_unavailable", "to_asset", f"a rate of {from_} to {to} is not known, or not valid now")
    bank.audit()


def test_a_wallet_that_is_disabled_is_not_locked(bank: Bank) -> None:
    bank.ask(set_state(bank.anna, "disabled"))
    answer = bank.world.submit(fraud("lock", bank.anna))
    said = (answer["code"], answer["message"])
    assert said == ("wallet_disabled", "the wallet is disabled, which is stricter than locked")
    bank.ask(fraud("require_step_up", bank.anna))


def test_money_is_adjusted_between_wallets_of_a_partition() -> None:
    bank = Bank()
    to = f"{bank.carl}/main/available"
    bank.ask(adjust("anna/main/available", to, minor=7)(bank))
    assert (bank.has(), bank.has(wallet_id=bank.carl)) == (9_993, 7)
    answer = bank.world.submit(adjust("anna/main/available", to.replace("main", "gone"))(bank))
    said = (answer["code"], answer["field"], answer["message"])
    assert said == ("sub_wallet_not_found", "to_account", "the wallet has no sub-wallet 'gone'")
    bank.audit()
