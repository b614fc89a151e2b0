"""Transactions at rest: little is kept of each, nothing is lost of it, and it is forgotten in time."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from ops.verify.known import Known
from ops.verify.remembered import Remembered
from schemas.clock import rfc3339
from schemas.events import Counterparty, LedgerEvent

DAY_MS = 86_400_000


def _settled(number: int, at_ms: int = 0, **fields: object) -> LedgerEvent:
    known = {"operation": "credit", "wallet_id": f"w{number}", "sub_wallet": "main", "asset": "EUR", "rail": "instant"}
    event = LedgerEvent(type="transaction.settled", recorded_at=rfc3339(at_ms), to_state="settled", amount_minor=number)
    for name, value in {**known, "transaction_id": f"{number:032x}", **fields}.items():
        setattr(event, name, value)
    return event


def _fields(known: Known | None) -> tuple[object, ...]:
    assert known is not None
    own = (known.operation, known.leg, known.state, known.wallet_id, known.sub_wallet, known.amount_minor)
    return *own, known.asset, known.rail, known.other


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"amount_minor": 2**63 - 1, "asset": "JPY", "sub_wallet": "savings"},
        {"operation": "debit", "rail": "sepa"},
        {"operation": "transfer", "rail": None, "counterparty": Counterparty("w9", "shop")},
        {"operation": "transfer", "rail": None, "counterparty": Counterparty("w9", "shop"), "leg": "credit"},
    ],
)
def test_what_is_packed_comes_back(fields: dict[str, Any]) -> None:
    past = Remembered(540 * DAY_MS)
    event = _settled(7, **fields)
    assert past.keep_plain(_settled(6))
    assert past.keep_plain(event)
    expected = (event.operation, event.leg, "settled", "w7", event.sub_wallet, event.amount_minor)
    found = past.find(event.transaction_id or "", event.leg)
    assert _fields(found) == (*expected, event.asset, event.rail, event.counterparty)
    assert not past.keep_plain(event)


def test_what_was_taken_back_is_kept_as_it_is() -> None:
    past = Remembered(540 * DAY_MS)
    past.keep_plain(_settled(7))
    known = past.find(f"{7:032x}")
    assert known is not None
    known.counted().refunded_minor = 3
    past.keep(known, rfc3339(1))
    found = past.find(f"{7:032x}")
    assert found is known
    assert found.left_minor == 4


def test_a_transaction_is_forgotten_after_its_retention_and_not_before() -> None:
    past = Remembered(400 * DAY_MS)
    past.keep_plain(_settled(1, 0))
    past.refer("t", "settle:r1")
    past.keep_plain(_settled(2, 496 * DAY_MS))
    past.keep_plain(_settled(3, 504 * DAY_MS))
    assert f"{1:032x}" in past
    assert not past.refer("t", "settle:r1")
    past.keep_plain(_settled(4, 1008 * DAY_MS))
    assert f"{1:032x}" not in past
    assert f"{3:032x}" in past


def test_a_transaction_is_remembered_anew_from_its_last_change() -> None:
    past = Remembered(400 * DAY_MS)
    past.keep_plain(_settled(1, 0))
    past.keep_plain(_settled(2, 504 * DAY_MS))
    known = past.find(f"{1:032x}")
    assert known is not None
    known.counted().refunded_minor = 3
    past.keep(known, rfc3339(508 * DAY_MS))
    past.keep_plain(_settled(3, 1008 * DAY_MS))
    found = past.find(f"{1:032x}")
    assert found is known
    past.keep_plain(_settled(4, 1512 * DAY_MS))
    assert past.find(f"{1:032x}") is None


def test_a_short_retention_is_of_as_wide_buckets() -> None:
    past = Remembered(70 * DAY_MS)
    for number, day in enumerate((0, 86, 88, 215)):
        past.keep_plain(_settled(number, day * DAY_MS))
    assert f"{1:032x}" in past, "129 days ago, which the ledger may remember: 70 and a bucket of 60"
    past.keep_plain(_settled(4, 400 * DAY_MS))
    assert f"{1:032x}" not in past


def test_a_plain_transaction_takes_two_integers_and_a_place() -> None:
    past = Remembered(540 * DAY_MS)
    for number in range(10_000):
        past.keep_plain(_settled(number + 2**20, wallet_id=f"w{number % 100}"))
    kept = past._current
    entries = sum(sys.getsizeof(key) + sys.getsizeof(value) for key, value in kept.items())
    assert all(isinstance(value, int) for value in kept.values())
    assert (sys.getsizeof(kept) + entries) / len(kept) < 160
