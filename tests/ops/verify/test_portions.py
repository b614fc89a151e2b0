"""A release in portions: each applies the next parked records in order, and the last one all that is left."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson
import pytest

from agents.ledger.operations import release_quarantine
from ops.verify.findings import Check
from schemas import topics
from tests.ops.verify.honest import Ledger
from tests.ops.verify.story import HERE, PARTITIONS, THERE, UNLUCKY_MINOR, UnluckyMachine, audit
from tests.ops.verify.tamper import EVENTS, edit, locate, remove, reseal

PAYER, PAYEE = HERE[0], THERE[0]


@pytest.fixture
def ledger(monkeypatch: pytest.MonkeyPatch) -> Ledger:
    """A ledger whose operators have released a wallet with five parked legs, two at a time."""
    monkeypatch.setattr(release_quarantine, "PORTION", 2)
    machine = UnluckyMachine()
    ledger = Ledger(PARTITIONS, machine)
    for wallet in (PAYER, PAYEE):
        ledger.send(operation="open_wallet", wallet_id=wallet, owner_ref="o", assets=["EUR"])
    ledger.send(operation="credit", wallet_id=PAYER, amount_minor=100, asset="EUR")
    ledger.send(operation="credit", wallet_id=PAYEE, amount_minor=UNLUCKY_MINOR, asset="EUR")
    ledger.run()
    for amount_minor in range(1, 6):
        ledger.send(operation="transfer", wallet_id=PAYER, amount_minor=amount_minor, asset="EUR", to_wallet_id=PAYEE)
    ledger.run()
    operators: dict[str, Any] = {"requested_by": "ines", "approved_by": "omar", "reason_code": "mended"}
    ledger.send(topics.OPERATOR_COMMANDS, operation="release_quarantine", wallet_id=PAYEE, **operators)
    ledger.run()
    return ledger


def test_an_honest_release_in_portions_holds(ledger: Ledger) -> None:
    types = [orjson.loads(record.value or b"")["type"] for record in ledger.topics[EVENTS][1]]
    assert (types.count("wallet.releasing"), types.count("wallet.released")) == (2, 1)
    assert audit(ledger).counts == {}


def _swap(ledger: Ledger) -> None:
    partition, index = locate(ledger, EVENTS, type="wallet.releasing")
    records = ledger.topics[EVENTS][partition]
    first, second = records[index + 1], records[index + 2]
    records[index + 1] = first._replace(value=second.value)
    records[index + 2] = second._replace(value=first.value)


def _lose(ledger: Ledger) -> None:
    partition, index = locate(ledger, EVENTS, type="wallet.releasing")
    remove(ledger, EVENTS, (partition, index + 2))


def _lose_of_last(ledger: Ledger) -> None:
    partition, index = locate(ledger, EVENTS, type="wallet.released")
    remove(ledger, EVENTS, (partition, index + 1))


def _leave_more(ledger: Ledger) -> None:
    edit(ledger, EVENTS, locate(ledger, EVENTS, type="wallet.releasing"), wallet={"parked": 4})


@pytest.mark.parametrize("tamper", [_swap, _lose, _lose_of_last, _leave_more])
def test_a_portion_that_does_not_apply_what_is_due_is_found(ledger: Ledger, tamper: Callable[[Ledger], None]) -> None:
    tamper(ledger)
    reseal(ledger)
    assert Check.PARKED_LOST in audit(ledger).counts
