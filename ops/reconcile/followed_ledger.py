"""The books of all partitions day by day, and lines on rails and banks, as the log goes on: each event is read once."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Final

import msgspec

from agents.reconciliation.proofs.books import RunningBooks
from agents.reconciliation.proofs.collecting import CollectedDays, CompleteDay
from agents.reconciliation.proofs.postings import SEAL, decode_posting
from ops.consuming import Bounds, Record, place_of
from ops.errors import OperationError
from ops.reading import TopicReader
from ops.reconcile.gl_log import SETTLED_AFTER_S
from ops.reconcile.open_items import OwnLine, has_cash, own_lines
from ops.verify.idle import what_waits
from schemas.topics import LEDGER_EVENTS

_DAY_S: Final = 86_400
#: Events that are folded before others on the same loop have their turn: a few milliseconds.
_SLICE: Final = 250


class FollowedLedger:
    """Folds `ledger-events` from its beginning, as far as it is committed.

    Memory is that of the general ledger, and of the lines on rails and banks, which statements are compared with.
    """

    def __init__(self, partitions: int):
        self.lines: list[OwnLine] = []
        #: The last day that was told; empty before the first.
        self.last_day = ""
        self._books = [RunningBooks(partition) for partition in range(partitions)]
        self._offsets = [0] * partitions
        self._collected = CollectedDays(partitions)

    async def advance(self, reader: TopicReader, now_s: float) -> list[CompleteDay]:
        """Read on to the end; every day that is over in all partitions with it, oldest first, each told once.

        After an error it cannot be gone on with: follow anew.

        Raises:
            OperationError: the log cannot be read, or is not the one that was followed.
        """
        past = last_day_past(now_s)
        # Asked before the ends of the log are: what did not wait then is in the log up to those.
        waiting = await what_waits(reader) if self.last_day < past else None
        found: list[CompleteDay] = []
        for partition, bounds in sorted((await reader.whole_bounds(LEDGER_EVENTS)).items()):
            found += await self._read(reader, partition, bounds)
            if waiting is not None and not any(place.endswith(f"/{partition}") for place in waiting):
                found += self._pass_over(partition, past)
        if found:
            self.last_day = found[-1].day
        return found

    async def _read(self, reader: TopicReader, partition: int, bounds: Bounds) -> list[CompleteDay]:
        offset, found = self._offsets[partition], list[CompleteDay]()
        if bounds.start > offset or bounds.end < offset:
            raise OperationError(
                f"{LEDGER_EVENTS}/{partition} goes from offset {bounds.start} to {bounds.end}, but it was read up to "
                f"{offset}: it was truncated or made anew, and no balance can be told from what is left"
            )
        if bounds.end == offset:
            return found
        stream = reader.stream(LEDGER_EVENTS, partition, offset, bounds.end)
        try:
            while (records := await stream.next()) is not None:
                for start in range(0, len(records), _SLICE):
                    for record in records[start : start + _SLICE]:
                        found += self._take(partition, record)
                    await asyncio.sleep(0)
        finally:
            await stream.close()
        self._offsets[partition] = bounds.end
        return found

    def _take(self, partition: int, record: Record) -> list[CompleteDay]:
        try:
            posting = decode_posting(record.value or b"")
            ended = self._books[partition].take(posting)
        except (msgspec.MsgspecError, ValueError) as error:
            place = place_of(record)
            raise OperationError(f"{place} is not the next event ({error}); run `walletstream verify`") from error
        if posting.type != SEAL and self._collected.is_over(partition, posting.day):
            raise OperationError(
                f"{place_of(record)} is of {posting.day}, which was taken to be over: a clock was wrong, this one or a "
                "broker's; set it right, proofs of that day are revised with the next look"
            )
        if has_cash(record):
            self.lines += own_lines(posting, partition)
        return [] if ended is None else self._collected.take(ended)

    def _pass_over(self, partition: int, past: str) -> list[CompleteDay]:
        """Nothing waits that could still be stamped with a day that is past."""
        open_day, found = self._books[partition].so_far(), list[CompleteDay]()
        if open_day.day and open_day.day <= past:
            found += self._collected.take(open_day)
        return found + self._collected.pass_over(partition, past)

    def problems(self) -> list[str]:
        """Sentences on journals that do not balance."""
        return [problem for books in self._books for problem in books.problems]


def last_day_past(now_s: float) -> str:
    """The last day that nothing can be stamped with any more, whatever clocks differ."""
    return datetime.fromtimestamp(now_s - SETTLED_AFTER_S - _DAY_S, UTC).date().isoformat()
