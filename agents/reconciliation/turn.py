"""What deciding one record has at hand. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from agents.reconciliation.apply import apply
from agents.reconciliation.followed import Followed
from agents.reconciliation.state import DAY_MS, ReconciliationState
from schemas.reconciliation_events import (
    ReconciliationCause,
    ReconciliationEvent,
    encode_reconciliation_event,
)
from streams.machine import Context, InputRecord, Output

_EPOCH_DAY: Final = date(1970, 1, 1).toordinal()


@dataclass(frozen=True, slots=True)
class Limits:
    """What settings say; see `streams.settings`."""

    #: After lines of the ledger have come, in ms.
    rematch_interval_ms: int = 60_000
    #: How long ended exceptions can be named, in ms.
    retention_ms: int = 400 * DAY_MS
    #: Most matches and exceptions that one record changes; what is left follows with a tick.
    changes_at_once: int = 5_000


class Turn:
    """State, books, and where to write."""

    def __init__(self, state: ReconciliationState, limits: Limits, followed: Followed):
        self.state = state
        self.limits = limits
        self.followed = followed
        self.context: Any = None
        self.out: Any = None
        self.record: Any = None

    def begin(self, record: InputRecord, context: Context, out: Output) -> None:
        """A record is decided from here on."""
        self.record, self.context, self.out = record, context, out

    @property
    def today(self) -> int:
        """Day of partition time in UTC, as `date.toordinal` has it."""
        return day_of_ms(self.context.recorded_at_ms)

    def event(self, type_: str, **fields: Any) -> ReconciliationEvent:
        """An event on the record that is being decided, not written yet."""
        context = self.context
        cause = ReconciliationCause(context.topic, context.partition, self.record.offset)
        return ReconciliationEvent(type=type_, cause=cause, recorded_at=context.recorded_at, **fields)

    def write(self, event: ReconciliationEvent) -> None:
        """Apply the next event and write it."""
        event.sequence = self.out.sequence + 1
        apply(self.state, event)
        key = None if event.book is None else event.book.encode()
        self.out.event(key, encode_reconciliation_event(event), (event.type, event.what or event.code))

    def due_by(self, book: str, at_ms: int) -> int | None:
        """What an event has to say for a book to be matched by then; None where it will be anyway."""
        held = self.state.books.get(book)
        return None if held is not None and 0 < held.due_ms <= at_ms else at_ms


def day_of_ms(ms: int) -> int:
    """Day in UTC of Unix milliseconds."""
    return ms // DAY_MS + _EPOCH_DAY


def ms_of_day(day: int) -> int:
    """Unix milliseconds at which a day begins in UTC."""
    return (day - _EPOCH_DAY) * DAY_MS


def day_of(text: str) -> int:
    """Day of `YYYY-MM-DD`.

    Raises:
        ValueError: there is no such day.
    """
    return date.fromisoformat(text[:10]).toordinal()


def date_of(day: int) -> str:
    """`YYYY-MM-DD` of a day."""
    return date.fromordinal(day).isoformat()
