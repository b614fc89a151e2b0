"""Restoring: comparing the local state with the log, and folding what it misses."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

import pytest

from schemas.clock import rfc3339, unix_ms
from streams import restore
from streams.batch import Progress
from streams.errors import ChainBroken, HeldUp, Refused, StoreError
from streams.overlay import Overlay
from streams.ports import Bounds, Mark
from streams.restore import Restored, Restorer, progress_at
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


def test_an_empty_log_restores_to_nothing() -> None:
    disk = Disk()
    result = restored(disk, Log())
    assert (result.progress, result.rebuilt) == (Progress(), False)
    assert result.store.mark() is None
    assert disk.is_open


def test_a_log_whose_end_an_open_transaction_hides_is_not_taken_for_shorter() -> None:
    """The store is ahead of what can be read: it would be rebuilt, and what is hidden decided again."""
    disk, log = Disk(), Log()
    log.batch(1, 2)
    restored(disk, log).store.close()
    log.hidden = 1
    with pytest.raises(HeldUp, match="can be read up to 4 only, of 5: somebody has a transaction open on it"):
        restored(disk, log)
    assert not disk.is_open
    log.hidden = 0
    assert not restored(disk, log).rebuilt
    assert disk.total() == 3


def test_what_is_committed_while_the_end_is_asked_for_is_not_taken_for_hidden() -> None:
    class Growing(Log):
        async def bounds(self) -> Bounds:
            bounds = await super().bounds()
            self.batch(1)
            return bounds

        async def high_watermark(self) -> int:
            end = await super().high_watermark()
            self.batch(1)
            return end

    disk = Disk()
    restored(disk, Growing())
    assert disk.total() == 1


def test_an_empty_store_is_filled_from_the_whole_log() -> None:
    disk, log, told = Disk(), Log(), list[tuple[int, int]]()
    log.batch(1, 2)
    seal_at = log.batch(4)
    result = restored(disk, log, told=told)
    assert disk.total() == 7
    progress = result.progress
    assert (progress.sequence, progress.hash, progress.seal_offset, progress.next_offset) == (
        4,
        log.hash,
        seal_at,
        seal_at + 1,
    )
    assert progress.time_ms == AT_MS + 4
    assert progress.positions == {"requests": 5}
    assert result.store.mark() == Mark(seal_at, log.records[seal_at])
    assert not result.rebuilt
    assert told[-1] == (seal_at + 1, log.end)
    assert disk.writes == 1
    # The overlay reads on from what was written.
    assert result.state.table(toy.COUNTERS).get("a") == 7


def test_only_what_is_missing_is_read() -> None:
    disk, log = Disk(), Log()
    seal_at = log.batch(1)
    restored(disk, log).store.close()
    assert restored_at(disk, log) == progress_at(Mark(seal_at, log.records[seal_at]), unix_ms)
    log.batch(2)
    result = restored(disk, log)
    assert log.reads == [0, seal_at + 1, seal_at + 1]
    assert disk.total() == 3
    assert not result.rebuilt


def restored_at(disk: Disk, log: Log) -> Progress:
    result = restored(disk, log)
    result.store.close()
    return result.progress


def test_a_state_that_is_ahead_of_the_log_is_rebuilt() -> None:
    disk, log, shorter = Disk(), Log(), Log()
    for each in (log, shorter):
        each.batch(1)
    log.batch(2)
    restored(disk, log).store.close()
    result = restored(disk, shorter)
    assert result.rebuilt
    assert disk.total() == 1
    assert disk.is_open


def test_a_seal_of_the_same_sequence_at_the_same_offset_is_compared_to_the_last_byte() -> None:
    disk, log, other = Disk(), Log(), Log()
    log.batch(1)
    other.batch(2)
    assert log.end == other.end
    restored(disk, log).store.close()
    result = restored(disk, other)
    assert result.rebuilt
    assert disk.total() == 2


def test_a_state_in_tables_of_another_version_is_rebuilt() -> None:
    disk, log = Disk(), Log()
    log.batch(1)
    restored(disk, log).store.close()
    disk.files[0].tables["counters-v0"] = disk.files[0].tables.pop("counters")
    result = restored(disk, log)
    assert result.rebuilt
    assert disk.total() == 1
    assert "counters-v0" not in disk.files[0].tables


def test_the_overlay_is_settled_now_and_then_on_the_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(restore, "_WRITE_EVERY_EVENTS", 4)
    disk, log = Disk(), Log()
    for amount in range(6):
        log.batch(amount)
    result = restored(disk, log)
    assert disk.writes == 3
    assert disk.total() == 15
    assert result.store.mark() == Mark(log.end - 2, log.records[log.end - 2])
    log.batch(1)
    result.store.close()
    restored(disk, log)
    assert disk.writes == 4


def test_nothing_is_written_where_the_last_write_was_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(restore, "_WRITE_EVERY_EVENTS", 2)
    disk, log = Disk(), Log()
    log.batch(1)
    log.batch(1)
    restored(disk, log)
    assert disk.writes == 2


def test_old_buckets_are_dropped_in_a_restore() -> None:
    disk, log = Disk(), Log()
    log.batch(1)
    files = disk.files[0] = Files()
    files.tables = {"keys@1": {"k": b"\xa2ok"}}
    result = restored(disk, log)
    assert "keys@1" not in result.store.tables()


def test_a_log_whose_beginning_was_deleted_is_refused() -> None:
    disk, log = Disk(), Log()
    log.batch(1)
    log.start = 1
    with pytest.raises(ChainBroken, match=r"events 0 to 0 of partition 0 were deleted .* restore it from a backup"):
        restored(disk, log)
    assert not disk.is_open


def test_a_state_that_is_the_last_copy_is_not_deleted() -> None:
    disk, log = Disk(), Log()
    seal_at = log.batch(1)
    restored(disk, log).store.close()
    log.batch(2)
    log.start = seal_at + 1
    with pytest.raises(ChainBroken):
        restored(disk, log)
    assert disk.total() == 1
    del log.records[seal_at]
    with pytest.raises(ChainBroken):
        restored(disk, log)
    assert disk.total() == 1
    assert not disk.is_open


def test_a_state_within_what_the_log_still_holds_goes_on() -> None:
    disk, log = Disk(), Log()
    seal_at = log.batch(1)
    restored(disk, log).store.close()
    log.batch(2)
    log.start = seal_at
    assert not restored(disk, log).rebuilt
    assert disk.total() == 3


@pytest.mark.parametrize("local", [False, True])
def test_another_partition_count_is_refused(local: bool) -> None:
    disk, log = Disk(), Log()
    log.batch(1)
    if local:
        restored(disk, log).store.close()
    with pytest.raises(Refused, match=r"with 1 partitions, now there are 3: .* set WALLETSTREAM_PARTITIONS back"):
        restored(disk, log, partitions=3)
    assert not disk.is_open


def test_events_that_no_seal_covers_are_refused() -> None:
    disk, log = Disk(), Log()
    log.batch(1)
    log.append(toy._json(toy.Event(type="done", topic="requests", offset=0, at_ms=0)))
    with pytest.raises(ChainBroken, match="ends with 1 events without a seal after sequence 1: somebody else wrote"):
        restored(disk, log)
    assert not disk.is_open


def test_a_gap_in_the_sequence_is_refused() -> None:
    disk, log = Disk(), Log()
    log.batch(1)
    log.sequence += 1
    log.batch(1)
    with pytest.raises(ChainBroken, match=r"seal at offset 4: sequence 3 does not follow 1"):
        restored(disk, log)


def test_a_seal_that_begins_elsewhere_than_its_events_is_refused() -> None:
    disk, log = Disk(), Log()
    log.batch(1)
    log.batch(1, says_first=3)
    with pytest.raises(ChainBroken, match=r"seal at offset 4: sequence 3 does not follow 1"):
        restored(disk, log)


def test_a_lost_event_is_refused() -> None:
    disk, log = Disk(), Log()
    log.batch(1, 2)
    del log.records[1]
    with pytest.raises(ChainBroken, match="sequence 0 does not follow -1"):
        restored(disk, log)


@pytest.mark.parametrize("forged", ["event", "chain"])
def test_a_hash_that_does_not_match_is_refused(forged: str) -> None:
    disk, log = Disk(), Log()
    log.batch(1)
    if forged == "event":
        log.records[0] = log.records[0].replace(b'["a",1]', b'["a",9]')
    else:
        log.hash = "f" * 64
        log.batch(1)
    with pytest.raises(ChainBroken, match="the hash does not match the events it seals"):
        restored(disk, log)
    assert not disk.is_open


def test_an_event_that_cannot_be_folded_is_refused_by_its_number(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would be tried again for ever, or the books would be others than the log's."""
    plainly = ToyMachine.fold

    def fold(machine: ToyMachine, state: Overlay, value: bytes) -> None:
        assert b'["a",5]' not in value
        plainly(machine, state, value)

    monkeypatch.setattr(ToyMachine, "fold", fold)
    disk, log = Disk(), Log()
    log.batch(1)
    restored(disk, log).store.close()
    log.batch(2, 5)
    with pytest.raises(Refused, match=r"partition 0, sequence 3 .* cannot fold the event .*; run the version that has"):
        restored(disk, log)
    assert not disk.is_open
    assert disk.total() == 1


def test_a_seal_that_cannot_be_read_is_refused() -> None:
    disk, log = Disk(), Log()
    seal_at = log.batch(1)
    log.records[seal_at] = log.records[seal_at].replace(b'"partition":', b'"part":')
    with pytest.raises(ChainBroken, match=r"seal at offset 1: this version cannot read it: .* run the one"):
        restored(disk, log)


def test_what_was_opened_is_closed_when_the_disk_is_full() -> None:
    disk, log, other = Disk(), Log(), Log()
    log.batch(1)
    other.batch(2)
    restored(disk, log).store.close()

    def full(what: str) -> None:
        if what == "store.write":
            raise StoreError("disk full")

    disk.fault = full
    with pytest.raises(StoreError, match="disk full"):
        restored(disk, other)
    assert not disk.is_open
    disk.fault = lambda _what: None
    assert restored(disk, other).progress.sequence == 1
    assert disk.total() == 2
