"""The inbox: each file once by its hash, answers until they are acknowledged, and what is no file of ours."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from agents.settlement.rails.files.arrived import Arrived
from agents.settlement.rails.files.inbox import Inbox
from agents.statements.refusal import Refusal
from schemas.rail_batches import RailAnswer, answer_id_of
from tests.settlement.rails.files.faults import PowerCut, failing_disk


def now_ms() -> int:
    return time.time_ns() // 1_000_000


class Box:
    """An inbox whose files have an answer for each line; `bad` is none, `bug` trips."""

    def __init__(self, folder: Path, quiet_ms: int = 0):
        self.folder = folder
        self.read: list[str] = []
        self.inbox = Inbox("sim", folder, self._read, now_ms, quiet_ms, max_bytes=1_000)
        (folder / "inbox").mkdir(parents=True, exist_ok=True)

    def _read(self, arrived: Arrived) -> Sequence[RailAnswer]:
        self.read.append(arrived.name)
        assert hashlib.sha256(arrived.content).hexdigest() == arrived.sha256
        if arrived.content == b"bad":
            raise Refusal("malformed", "nothing is right in it", 7)
        if arrived.content == b"bug":
            raise ZeroDivisionError
        return [
            RailAnswer(
                answer_id=answer_id_of("sim", arrived.sha256, str(number)),
                batch_id=line,
                rail="sim",
                state="settled",
                at="2026-11-23T04:50:00.000Z",
            )
            for number, line in enumerate(arrived.content.decode().split())
        ]

    def put(self, name: str, content: bytes) -> Path:
        path = self.folder / "inbox" / name
        path.write_bytes(content)
        return path

    def told(self) -> list[str]:
        return [answer.batch_id for answer in self.inbox.collect()]

    def names(self, folder: str) -> list[str]:
        return sorted(path.name.partition("-")[2] for path in (self.folder / folder).iterdir())


def test_answers_are_told_until_they_are_acknowledged(tmp_path: Path) -> None:
    box = Box(tmp_path)
    box.put("1.xml", b"a b")
    box.put("2.xml", b"c")
    assert box.told() == ["a", "b", "c"]
    assert (box.names("inbox"), box.names("processed")) == ([], ["1.xml", "2.xml"])
    assert Box(tmp_path).told() == ["a", "b", "c"], "another process tells them too"
    first, *_ = box.inbox.collect()
    box.inbox.acknowledge(first.answer_id)
    box.inbox.acknowledge(first.answer_id)
    box.inbox.acknowledge("never heard of")
    assert box.told() == ["b", "c"]
    for answer in box.inbox.collect():
        box.inbox.acknowledge(answer.answer_id)
    assert box.told() == []
    assert box.read == ["1.xml", "2.xml"]


def test_the_same_content_counts_once_whatever_its_name_and_however_late(tmp_path: Path) -> None:
    box = Box(tmp_path)
    box.put("1.xml", b"a")
    assert box.told() == ["a"]
    box.put("1-again.xml", b"a")
    assert box.told() == ["a"]
    (answer,) = box.inbox.collect()
    box.inbox.acknowledge(answer.answer_id)
    box.put("1.xml", b"a")
    assert box.told() == []
    assert box.read == ["1.xml"]
    assert box.names("processed") == ["1-again.xml", "1.xml"]
    box.put("1.xml", b"a ")
    assert box.told() == ["a"], "one byte makes another file"


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("cut_at", range(2))
def test_a_crash_at_any_change_loses_no_answer_and_doubles_none(tmp_path: Path, cut_at: int, after: bool) -> None:
    Box(tmp_path).put("1.xml", b"a b")
    with failing_disk(cut_at, after=after), pytest.raises(PowerCut):
        Box(tmp_path).told()
    again = Box(tmp_path)
    assert again.told() == ["a", "b"]
    assert again.told() == ["a", "b"]
    assert (again.names("inbox"), again.names("processed")) == ([], ["1.xml"])


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("cut_at", range(2))
def test_a_crash_while_acknowledging_tells_again_at_worst(tmp_path: Path, cut_at: int, after: bool) -> None:
    box = Box(tmp_path)
    box.put("1.xml", b"a")
    (answer,) = box.inbox.collect()
    with failing_disk(cut_at, after=after), pytest.raises(PowerCut):
        box.inbox.acknowledge(answer.answer_id)
    again = Box(tmp_path)
    assert again.told() in (["a"], [])
    for told in again.inbox.collect():
        again.inbox.acknowledge(told.answer_id)
    assert again.told() == []
    again.put("1.xml", b"a")
    assert again.told() == [], "it stays known"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"bad", "line 7: nothing is right in it (malformed)"),
        (b"bug", "reading it failed, which is a bug: ZeroDivisionError()"),
        (b"x" * 1_001, "it has 1,001 bytes, and at most 1,000 are read"),
    ],
)
def test_what_cannot_be_read_is_moved_away_with_the_reason_and_holds_up_nothing(
    tmp_path: Path, content: bytes, reason: str
) -> None:
    box = Box(tmp_path)
    box.put("1.xml", content)
    box.put("2.xml", b"a")
    assert box.told() == ["a"]
    assert box.names("refused") == ["1.xml", "1.xml.reason"]
    (path,) = (tmp_path / "refused").glob("*.reason")
    assert path.read_text() == f"{reason}\n"
    assert path.with_suffix("").read_bytes() == content


@pytest.mark.parametrize("error", [PermissionError(13, "Permission denied"), OSError(5, "Input/output error")])
def test_a_file_that_cannot_be_opened_yet_holds_up_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, error: OSError
) -> None:
    box = Box(tmp_path)
    box.put("1.xml", b"a")
    box.put("2.xml", b"b")
    opened = os.open

    def denied(path: os.PathLike[str] | str, *args: int) -> int:
        if Path(path).name == "1.xml":
            raise error
        return opened(path, *args)

    with monkeypatch.context() as patched:
        patched.setattr(os, "open", denied)
        assert box.told() == ["b"]
    assert str(error) in caplog.text
    assert (box.names("refused"), [path.name for path in (tmp_path / "inbox").iterdir()]) == ([], ["1.xml"])
    assert sorted(box.told()) == ["a", "b"]


def test_a_refused_file_may_come_back(tmp_path: Path) -> None:
    box = Box(tmp_path)
    box.put("1.xml", b"bug")
    assert box.told() == []
    box.put("1.xml", b"bug")
    assert box.told() == []
    assert box.read == ["1.xml", "1.xml"]


def test_what_is_no_regular_file_is_refused_and_not_followed(tmp_path: Path) -> None:
    box = Box(tmp_path)
    secret = tmp_path / "secret"
    secret.write_bytes(b"secret")
    (tmp_path / "inbox" / "link.xml").symlink_to(secret)
    (tmp_path / "inbox" / "folder.xml").mkdir()
    os.mkfifo(tmp_path / "inbox" / "pipe.xml")
    assert box.told() == []
    assert box.read == []
    assert [name for name in box.names("refused") if not name.endswith(".reason")] == [
        "folder.xml",
        "link.xml",
        "pipe.xml",
    ]
    assert secret.read_bytes() == b"secret"


@pytest.mark.parametrize("name", [".hidden", "1.xml.part", "1.xml.tmp", "1.xml.FILEPART", "1.xml~"])
def test_files_that_are_being_written_are_left_alone(tmp_path: Path, name: str) -> None:
    box = Box(tmp_path)
    path = box.put(name, b"a")
    assert box.told() == []
    path.rename(path.with_name("1.xml"))
    assert box.told() == ["a"]


def test_a_file_that_was_just_changed_is_left_alone(tmp_path: Path) -> None:
    box = Box(tmp_path, quiet_ms=100)
    path = box.put("1.xml", b"a")
    os.utime(path, (0, 0))
    assert box.told() == [], "an old time that was set does not count"
    time.sleep(0.15)
    assert box.told() == ["a"]


def test_names_of_others_do_not_leave_the_folder(tmp_path: Path) -> None:
    box = Box(tmp_path)
    box.put("a b;$(x)\n" + "y" * 200 + ".xml", b"a")
    assert box.told() == ["a"]
    (name,) = box.names("processed")
    assert set(name) <= set("abcdefghijklmnopqrstuvwxyz._-")
    assert len(name) <= 120


def test_earlier_files_are_told_first(tmp_path: Path) -> None:
    box = Box(tmp_path)
    os.utime(box.put("a.xml", b"second"), (2_000, 2_000))
    os.utime(box.put("b.xml", b"first 1st"), (1_000, 1_000))
    assert box.told() == ["first", "1st", "second"]
    box.inbox.acknowledge(box.inbox.collect()[0].answer_id)
    assert box.told() == ["1st", "second"]


def test_an_acknowledgement_that_was_cut_off_is_none(tmp_path: Path) -> None:
    box = Box(tmp_path)
    box.put("1.xml", b"a b")
    first, second = box.inbox.collect()
    box.inbox.acknowledge(first.answer_id)
    (path,) = (tmp_path / "state" / "answers").glob("*.acknowledged")
    path.write_bytes(path.read_bytes() + second.answer_id[:7].encode())
    assert box.told() == ["b"]
    box.inbox.acknowledge(second.answer_id)
    assert box.told() == []
    assert Box(tmp_path).told() == []
    assert not list((tmp_path / "state" / "answers").iterdir())
    assert len(list((tmp_path / "state" / "seen").iterdir())) == 1


def test_a_file_without_answers_is_remembered_too(tmp_path: Path) -> None:
    box = Box(tmp_path)
    for _ in range(2):
        box.put("1.xml", b" ")
        assert box.told() == []
    assert box.read == ["1.xml"]
