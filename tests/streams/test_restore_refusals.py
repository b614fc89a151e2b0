"""Restoring: which logs and states are refused."""

from __future__ import annotations

import pytest

from streams.errors import ChainBroken, Refused, StoreError
from streams.overlay import Overlay
from tests.simulation import toy
from tests.simulation.toy import ToyMachine
from tests.streams.event_logs import Disk, Log, restored


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
    with pytest.raises(ChainBroken, match="seal at offset 2: 1 events are there, it seals 2: events were lost"):
        restored(disk, log)


def test_an_event_that_was_added_is_refused() -> None:
    disk, log = Disk(), Log()
    log.append(toy._json(toy.Event(type="done", topic="requests", offset=0, at_ms=0)))
    log.batch(1)
    with pytest.raises(ChainBroken, match=r"seal at offset 2: 2 events are there, it seals 1: events were .* added"):
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


@pytest.mark.parametrize("error", [StoreError("disk"), MemoryError()])
def test_what_is_no_fault_of_an_event_refuses_nothing(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is restored once more; a refusal would end the process until somebody acts."""

    def fold(_machine: ToyMachine, _state: Overlay, _value: bytes) -> None:
        raise error

    monkeypatch.setattr(ToyMachine, "fold", fold)
    disk, log = Disk(), Log()
    log.batch(1)
    with pytest.raises(type(error)):
        restored(disk, log)
    assert not disk.is_open


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
