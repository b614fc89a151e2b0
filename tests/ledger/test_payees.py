"""What a payer is told of a payee who cannot take the money: the same of one who lives elsewhere."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from schemas.money import INT64_MAX
from tests.ledger.bank import Bank, limits
from tests.ledger.commands import command, operator, set_state, transfer
from tests.ledger.ward import quarantined


def full(bank: Bank, payee: str) -> None:
    to = f"{payee}/main/available"
    accounts = {"from_account": "system/suspense", "to_account": to}
    bank.ask(operator("adjust", payee, amount_minor=INT64_MAX, asset="EUR", **accounts))


def open_points(bank: Bank, payee: str) -> None:
    bank.ask(command("open_sub_wallet", payee, sub_wallet="points", kind="loyalty"))


def disable_with_limits(bank: Bank, payee: str) -> None:
    bank.ask(limits(payee, balance_cap_minor=1_000))
    bank.ask(set_state(payee, "disabled"))


#: Why a payee refuses, and how he comes to; the sub-wallet that is named.
REFUSES: dict[str, tuple[Callable[[Bank, str], object], str]] = {
    "sub_wallet_not_found": (lambda _bank, _payee: None, "gone"),
    "asset_not_enabled": (open_points, "points"),
    "wallet_disabled": (lambda bank, payee: bank.ask(set_state(payee, "disabled")), "main"),
    "wallet_disabled, with limits": (disable_with_limits, "main"),
    "wallet_closed": (lambda bank, payee: bank.ask(set_state(payee, "closed")), "main"),
    "limit_exceeded": (lambda bank, payee: bank.ask(limits(payee, balance_cap_minor=49)), "main"),
    "amount_out_of_range": (full, "main"),
}


@pytest.mark.parametrize("reason", REFUSES)
@pytest.mark.parametrize("payee", ["carl", "bert"])
@pytest.mark.parametrize("operation", ["transfer", "capture"])
def test_a_payer_is_told_who_refuses_and_why(operation: str, payee: str, reason: str) -> None:
    bank = Bank()
    to, (refuse, sub_wallet) = getattr(bank, payee), REFUSES[reason]
    refuse(bank, to)
    asked = transfer(bank.anna, to, 50, to_sub_wallet=sub_wallet)
    if operation == "capture":
        hold = bank.ask(command("authorize", bank.anna, amount_minor=50, asset="EUR", expires_in_s=60))
        asked = command("capture", bank.anna, transaction_id=hold, to_wallet_id=to, to_sub_wallet=sub_wallet)
    answer = bank.world.submit(asked)
    told = answer if payee == "carl" else bank.world.updates(answer["transaction_id"])[-1]
    said = (told["code"], told["state"], told["message"])
    assert said == ("payee_refused", "failed", f"the payee's wallet answered {reason.partition(',')[0]}")
    first = next(event for event in bank.world.events if event.get("transaction_id") == answer["transaction_id"])
    assert first["counterparty"]["wallet_id"] == to
    assert first["counterparty"]["sub_wallet"] == sub_wallet
    assert (first["amount_minor"], first["asset"]) == (50, "EUR")
    assert bank.has() + bank.has("held") == 10_000


@pytest.mark.parametrize("operation", ["transfer", "capture"])
def test_a_payee_under_quarantine_is_named_too(operation: str) -> None:
    bank = Bank()
    quarantined(bank.world, bank.carl)
    asked = transfer(bank.anna, bank.carl, 50)
    if operation == "capture":
        hold = bank.ask(command("authorize", bank.anna, amount_minor=50, asset="EUR", expires_in_s=60))
        asked = command("capture", bank.anna, transaction_id=hold, to_wallet_id=bank.carl)
    answer = bank.world.submit(asked)
    said = (answer["code"], answer["state"], answer["message"])
    assert said == ("payee_refused", "failed", "the payee's wallet answered wallet_quarantined")
    (event,) = [one for one in bank.world.events if one.get("transaction_id") == answer["transaction_id"]]
    assert event["counterparty"] == {"wallet_id": bank.carl, "sub_wallet": "main"}
