"""Restoring: comparing the local state with the log, and folding what it misses."""

from __future__ import annotations

import pytest

from schemas.clock import unix_ms
from streams import restore
from streams.batch import Progress
from streams.errors import HeldUp
from streams.ports import Bounds, Mark
from streams.restore import progress_at
from tests.simulation import toy
from tests.simulation.memory_store import Files
from tests.streams.event_logs import AT_MS, Disk, Log, restored


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
    progress = restored_at(disk, log)
    assert progress == progress_at(Mark(seal_at, log.records[seal_at]), unix_ms)
    assert (progress.sequence, progress.hash, progress.time_ms) == (1, log.hash, AT_MS + 1)
    assert progress.positions == {"requests": 1}
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


def test_old_buckets_are_dropped_in_a_restore_once_what_needed_them_is_written() -> None:
    disk, log, struck = Disk(), Log(), list[str]()
    disk.fault = struck.append
    log.batch(1)
    files = disk.files[0] = Files()
    files.tables = {"keys@1": {"k": b"\xa2ok"}}
    result = restored(disk, log)
    assert "keys@1" not in result.store.tables()
    assert [what for what in struck if what != "store.read"] == ["store.open", "store.write", "store.drop"]
