"""The exact fraction of a rate between minor units may be larger than any amount, as with assets of many decimals."""

from __future__ import annotations

import json

import pytest

from schemas.topics import ASSETS, FX_RATES
from tests.ledger.bank import RATE, Bank
from tests.ledger.commands import command, operator, transfer

ETHER = {"code": "ETH", "exponent": 18, "kind": "currency"}
#: A cent is 10^22 / 3206123457 of its smallest units, in lowest terms.
PRICE = {**RATE, "rate_id": "r2", "base": "ETH", "quote": "EUR", "bid": "3205.123456", "ask": "3206.123457"}
OF_A_CENT = 10**22 // 3_206_123_457


@pytest.fixture
def bank() -> Bank:
    bank = Bank()
    bank.world.machine.refer(ASSETS, "ETH", json.dumps(ETHER).encode())
    bank.world.machine.refer(FX_RATES, "r2", json.dumps(PRICE).encode())
    for wallet_id in (bank.anna, bank.bert, bank.carl):
        bank.ask(command("enable_asset", wallet_id, asset="ETH"))
    return bank


def _ether(bank: Bank, wallet_id: str) -> int:
    return bank.world.balance(f"{wallet_id}/main/available", "ETH")


def test_it_is_exchanged_within_a_wallet_and_back(bank: Bank) -> None:
    bought = bank.ask(command("convert", bank.anna, amount_minor=1, asset="EUR", to_asset="ETH"))
    assert (bank.has(), _ether(bank, bank.anna)) == (9_999, OF_A_CENT)
    bank.ask(operator("reverse", bank.anna, transaction_id=bought))
    assert (bank.has(), _ether(bank, bank.anna)) == (10_000, 0)
    bank.audit()


@pytest.mark.parametrize("payee", ["carl", "bert"])
def test_it_is_exchanged_on_the_way_to_a_payee_and_back(bank: Bank, payee: str) -> None:
    """In the same partition, and in another one."""
    to = getattr(bank, payee)
    paid = bank.ask(transfer(bank.anna, to, 1, to_asset="ETH"))
    assert (bank.has(), _ether(bank, to)) == (9_999, OF_A_CENT)
    bank.on("refund", paid, wallet_id=to)
    assert (bank.has(), _ether(bank, to)) == (10_000, 0)
    bank.audit()
