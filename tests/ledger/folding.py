"""Tables to fold events into, and events and entries with what most tests of `apply` need."""

from __future__ import annotations

from typing import Any

from agents.ledger.apply import apply
from agents.ledger.machine import LedgerMachine
from agents.ledger.state import DAY_MS, LedgerState, first_events_table, transactions_table
from schemas.events import Cause, Entry, LedgerEvent, encode_event
from streams.overlay import Overlay
from tests.ledger.store import DictStore

AT = "2026-01-01T00:00:00.000Z"
AT_MS = 1_767_225_600_000
RETAINED_MS = 50_000


def empty_state() -> LedgerState:
    """Tables with nothing in them."""
    transactions, table = transactions_table(540 * DAY_MS), first_events_table(RETAINED_MS)
    tables = (*LedgerMachine().tables[:-2], transactions, table)
    return LedgerState(Overlay(tables, DictStore()), transactions, table)


def event(type_: str = "transaction.settled", **fields: Any) -> LedgerEvent:
    """An event on wallet `w` with what most tests need."""
    given = {"wallet_id": "w", "code": "ok", "recorded_at": AT, "cause": Cause("t", 0, 7), "transaction_id": "x"}
    return LedgerEvent(type=type_, **{**given, **fields})


def fold(state: LedgerState, one: LedgerEvent) -> bytes:
    """Apply an event as it would be written, and return that."""
    written = encode_event(one)
    apply(state, one, written)
    return written


def dr(account: str, minor: int, asset: str = "EUR") -> Entry:
    return Entry(account, asset, debit_minor=minor)


def cr(account: str, minor: int, asset: str = "EUR") -> Entry:
    return Entry(account, asset, credit_minor=minor)
