"""Reads the books of a period from `ledger-events`: committed records only, each partition up to the end of the period.

Memory is bounded by system accounts and assets. What is read is a consistent cut: a journal is one event of one
partition, so that whatever the cut is, every journal is in it whole or not at all.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

import msgspec

from agents.reconciliation.proofs.books import DayTotals, PartitionBooks
from agents.reconciliation.proofs.postings import Posting, decode_posting
from ops.consuming import Bounds, Record, place_of
from ops.errors import OperationError
from ops.reading import OnProgress, TopicReader
from ops.reconcile.days import Period
from ops.verify.idle import what_waits
from schemas.topics import LEDGER_EVENTS

#: A record that is appended after a day's end by this clock may still carry a stamp of that day for so long: brokers'
#: clocks differ, and a transaction shows its records only once it is committed, 15 minutes later at most.
SETTLED_AFTER_S: Final = 20 * 60

#: Called with the partition and each posting of the period that has entries.
OnPosting = Callable[[int, Posting], None]


class Cut(NamedTuple):
    """How far a partition was read."""

    partition: int
    #: The next offset that would have been read.
    offset: int
    last_sequence: int
    #: When the last event of the period was recorded; empty where there is none.
    recorded_at: str
    seal_hash: str
    #: Nothing can be recorded on these days any more.
    is_over: bool
    #: Why not, in words.
    reason: str

    @property
    def line(self) -> str:
        """For people."""
        at = self.recorded_at or "nothing yet"
        state = "over" if self.is_over else f"not over: {self.reason}"
        return f"partition {self.partition}: to offset {self.offset}, sequence {self.last_sequence}, {at}, {state}"


class Books(NamedTuple):
    """The books of all partitions over a period."""

    period: Period
    parts: tuple[DayTotals, ...]
    cuts: tuple[Cut, ...]
    #: Sentences on what does not hold.
    problems: tuple[str, ...]
    #: Events that were read.
    events: int
    seconds: float

    @property
    def is_over(self) -> bool:
        """Nothing can be recorded on these days any more, in any partition."""
        return all(cut.is_over for cut in self.cuts)


async def read_books(
    reader: TopicReader,
    period: Period,
    *,
    on_posting: OnPosting | None = None,
    on_progress: OnProgress | None = None,
    now_s: float | None = None,
) -> Books:
    """Fold all partitions from their beginning to the end of the period.

    Raises:
        OperationError: the log cannot be read, or is none: its beginning is gone, or a sequence is missing.
    """
    began = time.perf_counter()
    now_s = time.time() if now_s is None else now_s
    # Asked before the ends of the log are: what did not wait then is in the log up to those.
    is_late = now_s >= period.ends_at_s + SETTLED_AFTER_S
    waiting = await what_waits(reader) if is_late else {}
    bounds = await reader.whole_bounds(LEDGER_EVENTS)
    total = sum(found.end for found in bounds.values())
    parts, cuts, problems, events, done = [], [], list[str](), 0, 0
    for partition, found in sorted(bounds.items()):
        one = _Partition(partition, period, on_posting)

        def tell(offset: int, before: int = done) -> None:
            if on_progress is not None:
                on_progress(before + offset, total)

        await one.read(reader, found, tell)
        done += found.end
        parts.append(one.totals())
        cuts.append(one.cut(is_late, waiting))
        problems += one.books.problems
        events += one.events
    if on_progress is not None:
        on_progress(total, total)
    return Books(period, tuple(parts), tuple(cuts), tuple(problems), events, time.perf_counter() - began)


class _Partition:
    def __init__(self, partition: int, period: Period, on_posting: OnPosting | None):
        self.books = PartitionBooks(partition)
        self.events = 0
        self._period, self._on_posting = period, on_posting
        self._offset = 0
        self._recorded_at = ""
        self._has_begun = self._has_ended = False

    async def read(self, reader: TopicReader, bounds: Bounds, tell: Callable[[int], None]) -> None:
        if bounds.start > 0:
            raise OperationError(
                f"{LEDGER_EVENTS}/{self.books.partition} begins at offset {bounds.start}: what was posted before is "
                "gone, and no balance can be told without it; it has to be kept for ever"
            )
        stream = reader.stream(LEDGER_EVENTS, self.books.partition, *bounds)
        try:
            while not self._has_ended and (records := await stream.next()) is not None:
                for record in records:
                    if not self._take(record):
                        break
                tell(records[-1].offset + 1)
            if not self._has_ended:
                self._offset = bounds.end
        finally:
            await stream.close()

    def _take(self, record: Record) -> bool:
        """The next record; False where it is of a later day, so that reading is over."""
        try:
            posting = decode_posting(record.value or b"")
            if posting.day > self._period.last:
                self._has_ended, self._offset = True, record.offset
                return False
            if not self._has_begun and posting.day >= self._period.first:
                self._begin()
            self.books.take(posting)
        except (msgspec.MsgspecError, ValueError) as error:
            place = place_of(record)
            raise OperationError(f"{place} is not the next event ({error}); run `walletstream verify`") from error
        self.events += 1
        self._recorded_at = posting.recorded_at
        if self._has_begun and posting.entries and self._on_posting is not None:
            self._on_posting(self.books.partition, posting)
        return True

    def _begin(self) -> None:
        self.books.begin()
        self._has_begun = True

    def totals(self) -> DayTotals:
        if not self._has_begun:
            self._begin()
        return self.books.totals(self._period.last)

    def cut(self, is_late: bool, waiting: Mapping[str, int]) -> Cut:
        books = self.books
        reason = "" if self._has_ended else _why_open(books.partition, is_late, waiting)
        return Cut(
            books.partition,
            self._offset,
            books.last_sequence,
            self._recorded_at,
            books.seal_hash,
            not reason,
            reason,
        )


def _why_open(partition: int, is_late: bool, waiting: Mapping[str, int]) -> str:
    """Why a partition may yet record something on these days; empty where it may not."""
    if not is_late:
        return f"nothing later is recorded, and the days are not over for {SETTLED_AFTER_S // 60} minutes"
    of = sorted(place for place in waiting if place.endswith(f"/{partition}"))
    if not of:
        return ""
    return f"{', '.join(of)} waits to be decided; is a worker running, and no transaction of a producer left open?"
