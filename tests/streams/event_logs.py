"""An event log of the toy machine in memory, and a disk to restore it to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

from schemas.clock import rfc3339, unix_ms
from streams.ports import Bounds
from streams.restore import Restored, Restorer
from streams.seal import GENESIS, Span, write_seal
from tests.simulation import toy
from tests.simulation.memory_store import Files, MemoryStores
from tests.simulation.toy import ToyMachine

AT_MS = 1_800_000_000_000


@dataclass
class Log:
    """An event log: records by offset."""

    records: dict[int, bytes] = field(default_factory=dict)
    start: int = 0
    #: Offsets at its end that nobody can read: behind the begin of a transaction that is open.
    hidden: int = 0
    end: int = 0
    sequence: int = -1
    hash: str = GENESIS
    reads: list[int] = field(default_factory=list)

    def batch(self, *amounts: int, partitions: int = 1, says_first: int | None = None) -> int:
        """Append a sealed batch that adds amounts to account `a`; returns the seal's offset.

        `says_first` is what the seal says of its first sequence, if not the truth.
        """
        events = []
        for amount in amounts:
            self.sequence += 1
            changes = (("a", amount), ("world", -amount))
            event = toy.Event(
                sequence=self.sequence, type="done", topic="requests", offset=0, changes=changes, at_ms=AT_MS
            )
            events.append(toy._json(event))
        self.sequence += 1
        seal, self.hash = write_seal(
            sequence=self.sequence,
            first_sequence=self.sequence - len(events) if says_first is None else says_first,
            inputs={"requests": Span(self.end, self.end + len(events))},
            partition=0,
            partitions=partitions,
            partition_time=rfc3339(AT_MS + self.sequence),
            previous_hash=self.hash,
            events=events,
        )
        for value in (*events, seal):
            self.append(value)
        self.end += 1  # the marker
        return self.end - 2

    def append(self, value: bytes) -> None:
        self.records[self.end] = value
        self.end += 1

    async def bounds(self) -> Bounds:
        return Bounds(self.start, self.end)

    async def high_watermark(self) -> int:
        return self.end + self.hidden

    async def record_at(self, offset: int) -> bytes | None:
        return self.records.get(offset)

    async def read(self, start: int, end: int) -> AsyncIterator[list[tuple[int, bytes]]]:
        self.reads.append(start)
        found = [(offset, value) for offset, value in self.records.items() if start <= offset < end]
        for at in range(0, len(found), 3):
            yield found[at : at + 3]

    async def close(self) -> None:
        """Nothing to close."""


class Disk:
    """Local files, and what strikes when they are used."""

    def __init__(self) -> None:
        self.files: dict[int, Files] = {}
        self.fault: Callable[[str], None] = lambda _what: None
        self.writes = 0
        self.stores = MemoryStores(self.files, self, self._struck, leaked=self._leaked)

    def _struck(self, what: str) -> None:
        self.writes += what == "store.write"
        self.fault(what)

    def _leaked(self, what: str) -> None:
        raise AssertionError(what)

    @property
    def is_open(self) -> bool:
        return self.files[0].held_by is not None

    def total(self) -> int:
        return toy.COUNTERS.decode(self.files[0].tables["counters"]["a"])


def restored(disk: Disk, log: Log, partitions: int = 1, told: list[tuple[int, int]] | None = None) -> Restored:
    progress = [] if told is None else told
    restorer = Restorer(ToyMachine(), 0, partitions, unix_ms, 10, lambda done, of: progress.append((done, of)))
    return asyncio.run(restorer.restore(disk.stores, log))
