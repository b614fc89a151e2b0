"""The outbox: a file gets there once, whatever the moment of a crash and whoever has taken it away."""

from __future__ import annotations

import threading
from pathlib import Path

import msgspec
import pytest

from agents.settlement.rails.files.outbox import Outbox
from agents.settlement.rails.files.written import Written
from agents.settlement.rails.port import RailMisconfigured
from schemas.rail_batches import InstructionAnswer, RailBatch
from tests.settlement.rails.batches import batch
from tests.settlement.rails.files.faults import PowerCut, failing_disk

CONTENT = b"pay them"
#: Changes that a hand-over makes: the prepared file, the known one, the move.
CHANGES = 3


def write(_batch: RailBatch) -> Written:
    return Written(CONTENT)


def outbox(folder: Path) -> Outbox:
    return Outbox("sim", folder, ".xml")


def uploaded(folder: Path) -> list[bytes]:
    """What somebody finds in the outbox and takes away."""
    found = sorted((folder / "outbox").glob("*")) if (folder / "outbox").exists() else []
    contents = [path.read_bytes() for path in found]
    for path in found:
        path.unlink()
    return contents


def test_a_batch_is_written_once_also_after_it_was_taken_away(tmp_path: Path) -> None:
    one = outbox(tmp_path)
    assert one.sent(batch().batch_id) is None
    sent = one.hand_over(batch(), write)
    assert sent.batch == batch()
    assert sent.answer().state == "received"
    assert [path.name for path in (tmp_path / "outbox").iterdir()] == [f"{batch().batch_id}.xml"]
    assert uploaded(tmp_path) == [CONTENT]
    for again in (one, outbox(tmp_path)):
        assert again.hand_over(batch(attempt=2), write) == sent
        assert again.sent(batch().batch_id) == sent
    assert uploaded(tmp_path) == []


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("cut_at", range(CHANGES))
@pytest.mark.parametrize("taken_away", [False, True])
def test_a_crash_at_any_change_sends_once(tmp_path: Path, cut_at: int, after: bool, taken_away: bool) -> None:
    with failing_disk(cut_at, after=after) as disk, pytest.raises(PowerCut):
        outbox(tmp_path).hand_over(batch(), write)
    assert disk.changes == cut_at + 1
    was_there = list((tmp_path / "outbox").glob("[!.]*"))
    contents = uploaded(tmp_path) if taken_away else []
    again = outbox(tmp_path)
    assert (again.sent(batch().batch_id) is not None) == bool(was_there), "what is said to be sent was sent"
    # A later attempt may have another day.
    later = msgspec.structs.replace(batch(attempt=2), execution_date="2026-11-24")
    again.hand_over(later, write)
    assert [*contents, *uploaded(tmp_path)] == [CONTENT]
    assert again.sent(batch().batch_id) is not None


def test_there_are_no_more_changes_than_are_tried(tmp_path: Path) -> None:
    with failing_disk(99, after=False) as disk:
        outbox(tmp_path).hand_over(batch(), write)
    assert disk.changes == CHANGES


@pytest.mark.parametrize("cut_at", range(CHANGES))
def test_a_crash_before_the_settings_change_forgets_nothing(tmp_path: Path, cut_at: int) -> None:
    with failing_disk(cut_at, after=False), pytest.raises(PowerCut):
        outbox(tmp_path).hand_over(batch(), write)
    other = Outbox("sim", tmp_path, ".csv")
    assert other.sent(batch().batch_id) is None
    other.hand_over(batch(), write)
    assert [path.name for path in (tmp_path / "outbox").iterdir()] == [f"{batch().batch_id}.csv"]


def test_a_batch_under_a_known_id_with_other_instructions_is_refused(tmp_path: Path) -> None:
    one = outbox(tmp_path)
    one.hand_over(batch(count=3), write)
    with pytest.raises(RailMisconfigured, match="was written with other instructions"):
        one.hand_over(batch(count=2), write)


@pytest.mark.parametrize("batch_id", ["../x", "a/b", "", ".", "x" * 36, "a b", "a\n"])
def test_an_id_that_is_no_file_name_is_refused(tmp_path: Path, batch_id: str) -> None:
    with pytest.raises(RailMisconfigured, match="cannot be a file's name"):
        outbox(tmp_path).hand_over(msgspec.structs.replace(batch(), batch_id=batch_id), write)
    assert outbox(tmp_path).sent(batch_id) is None
    assert not list(tmp_path.rglob("*.xml"))


def test_what_cannot_be_written_is_refused_and_remembered(tmp_path: Path) -> None:
    refused = tuple(InstructionAnswer(one.end_to_end_id, "rejected", code="AC01") for one in batch().instructions)
    sent = outbox(tmp_path).hand_over(batch(), lambda _batch: Written(None, refused))
    assert (sent.answer().state, sent.answer().instructions) == ("rejected", refused)
    assert outbox(tmp_path).hand_over(batch(), write) == sent, "it was answered so, and is not sent after all"
    assert uploaded(tmp_path) == []
    some = outbox(tmp_path).hand_over(batch(2), lambda _batch: Written(CONTENT, refused[:1]))
    assert (some.answer().state, some.answer().instructions) == ("received", refused[:1])


def test_who_fails_to_write_has_sent_nothing(tmp_path: Path) -> None:
    def fail(_batch: RailBatch) -> Written:
        raise RailMisconfigured("no")

    with pytest.raises(RailMisconfigured):
        outbox(tmp_path).hand_over(batch(), fail)
    assert outbox(tmp_path).sent(batch().batch_id) is None


def test_many_at_once_write_each_once(tmp_path: Path) -> None:
    def work(numbers: list[int]) -> None:
        for number in numbers:
            outbox(tmp_path).hand_over(batch(number), write)

    numbers = list(range(12))
    threads = [threading.Thread(target=work, args=(order,)) for order in (numbers, numbers[::-1], numbers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert uploaded(tmp_path) == [CONTENT] * 12


def test_two_file_systems_are_refused(tmp_path: Path) -> None:
    other = Path("/dev/shm")
    if not other.exists() or other.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is only one file system here")
    one = outbox(tmp_path)
    one.check()
    one.outbox.rmdir()
    one.outbox.symlink_to(other)
    with pytest.raises(RailMisconfigured, match="are on two file systems"):
        one.check()
