"""Files from the rail: each is read once, by its SHA-256, and its answers are told until they are acknowledged.

Answers are kept on disk before a file leaves the inbox: a crash in between only finds the file again. What cannot be
read is moved to `refused` with the reason beside it, and may come back under the same hash once that is mended.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
import stat
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import msgspec

from agents.settlement.rails.disk import append_durably, locked, make_folder, move_durably, write_durably
from agents.settlement.rails.files.arrived import Arrived
from agents.statements.refusal import Refusal
from schemas.rail_batches import RailAnswer
from streams import metrics
from streams.logs import fields

log = logging.getLogger(__name__)

#: Ends of the names under which files are being written by somebody else.
_UNFINISHED: Final = (".part", ".partial", ".filepart", ".tmp", ".temp", ".swp", "~")
_UNFIT: Final = re.compile(r"[^A-Za-z0-9._-]+")
_MOST_NAME: Final = 120
#: Stands for the hash of what was not read.
_UNREAD: Final = "0" * 64


class _Held(msgspec.Struct):
    """The answers of a file, until all are acknowledged."""

    file: str
    #: When it was last changed, in Unix milliseconds: earlier files are told first.
    changed_ms: int
    answers: list[RailAnswer]


class Inbox:
    """The inbox of one rail. Any number of processes may use the same folder, within one file system."""

    def __init__(
        self,
        rail: str,
        folder: Path,
        read: Callable[[Arrived], Sequence[RailAnswer]],
        clock_ms: Callable[[], int],
        quiet_ms: int,
        max_bytes: int,
    ):
        """
        Args:
            rail: its name.
            folder: has `inbox`, `processed` and `refused` in it.
            read: the answers of a file, under the same ids whenever it is read; raises `Refusal` where it is none.
            clock_ms: Unix milliseconds.
            quiet_ms: a file that was changed since is left alone, for somebody may be writing it.
            max_bytes: a larger file is refused unread.
        """
        self._rail = rail
        self._read = read
        self._clock_ms = clock_ms
        self._quiet_ms = quiet_ms
        self._max_bytes = max_bytes
        self.inbox = folder / "inbox"
        self.processed = folder / "processed"
        self.refused = folder / "refused"
        self._answers = folder / "state" / "answers"
        self._seen = folder / "state" / "seen"
        self._lock = folder / "state" / "inbox.lock"
        #: Answer id -> the file that it is held in, as of the last `collect`.
        self._held_in: dict[str, Path] = {}

    def collect(self) -> list[RailAnswer]:
        """Read what has arrived; returns all answers that are not acknowledged, file by file.

        Raises:
            RailUnavailable: another process holds the folder's lock for too long.
            OSError: the disk refuses.
        """
        for folder in (self.inbox, self.processed, self.refused, self._answers, self._seen):
            make_folder(folder)
        with locked(self._lock):
            for path in sorted(self.inbox.iterdir(), key=lambda one: one.name):
                if not path.name.startswith(".") and not path.name.lower().endswith(_UNFINISHED):
                    self._take(path)
            left = [(path, *self._left(path)) for path in self._answers.glob("*.json")]
        left.sort(key=lambda one: (one[1].changed_ms, one[1].file))
        self._held_in = {answer.answer_id: path for path, _, answers in left for answer in answers}
        return [answer for _, _, answers in left for answer in answers]

    def acknowledge(self, answer_id: str) -> None:
        """Do not tell this answer again.

        Raises:
            RailUnavailable: another process holds the folder's lock for too long.
            OSError: the disk refuses; it will be told again.
        """
        path = self._held_in.pop(answer_id, None)
        if path is None:
            return
        with locked(self._lock):
            if path.exists():
                append_durably(_acknowledged_of(path), f"{answer_id}\n".encode())
            if path not in self._held_in.values():
                self._left(path)

    # ---- one file ----------------------------------------------------------------------------------------

    def _take(self, path: Path) -> None:
        try:
            facts = path.lstat()
        except FileNotFoundError:  # taken back by whoever wrote it
            return
        # Of the inode, by this machine's clock: whoever writes the file cannot set it.
        if self._quiet_ms and self._clock_ms() - facts.st_ctime_ns // 1_000_000 < self._quiet_ms:
            return
        if not stat.S_ISREG(facts.st_mode):
            self._refuse(path, _UNREAD, "it is no regular file")
        elif facts.st_size > self._max_bytes:
            why = f"it has {facts.st_size:,} bytes, and at most {self._max_bytes:,} are read"
            self._refuse(path, _UNREAD, why)
        else:
            try:
                content = _content(path, self._max_bytes)
            except OSError as error:
                # Whoever put it there may yet give us the right to it: it stays, and holds up none of the others.
                log.error("a file cannot be opened: %s", error, extra=fields(rail=self._rail, file=path.name))
                return
            self._take_content(path, content, facts.st_mtime_ns // 1_000_000)

    def _take_content(self, path: Path, content: bytes, changed_ms: int) -> None:
        sha256 = hashlib.sha256(content).hexdigest()
        if self._was_seen(sha256):
            move_durably(path, self.processed / _name(sha256, path))
            metrics.RAIL_FILES.labels(self._rail, "repeated").inc()
            log.info("file seen before", extra=fields(rail=self._rail, file=path.name, sha256=sha256))
            return
        try:
            answers = self._read(Arrived(path.name, content, sha256, changed_ms))
        except Refusal as refusal:
            line = "" if refusal.line_number is None else f"line {refusal.line_number}: "
            self._refuse(path, sha256, f"{line}{refusal.detail} ({refusal.reason})")
            return
        except Exception as error:
            log.exception("reading a file has failed", extra=fields(rail=self._rail, file=path.name))
            self._refuse(path, sha256, f"reading it failed, which is a bug: {error!r}")
            return
        held = _Held(path.name, changed_ms, list(answers))
        write_durably(self._answers / f"{sha256}.json", msgspec.json.encode(held))
        move_durably(path, self.processed / _name(sha256, path))
        metrics.RAIL_FILES.labels(self._rail, "processed").inc()
        where = fields(rail=self._rail, file=path.name, sha256=sha256, answers=len(answers))
        log.info("file processed", extra=where)

    def _refuse(self, path: Path, sha256: str, why: str) -> None:
        target = self.refused / _name(sha256, path)
        write_durably(target.with_name(f"{target.name}.reason"), f"{why}\n".encode())
        move_durably(path, target)
        metrics.RAIL_FILES.labels(self._rail, "refused").inc()
        log.error("file refused: %s", why, extra=fields(rail=self._rail, file=path.name, sha256=sha256))

    def _was_seen(self, sha256: str) -> bool:
        return (self._answers / f"{sha256}.json").exists() or (self._seen / f"{sha256}.json").exists()

    def _left(self, path: Path) -> tuple[_Held, list[RailAnswer]]:
        """What a file holds, and those answers that are not acknowledged; without any, only its hash is remembered."""
        if not path.exists():
            return _Held("", 0, []), []
        held = _decode_held(path.read_bytes())
        acknowledged = _acknowledged(path)
        left = [answer for answer in held.answers if answer.answer_id not in acknowledged]
        if not left:
            write_durably(self._seen / path.name, msgspec.json.encode({"file": held.file}))
            path.unlink()
            _acknowledged_of(path).unlink(missing_ok=True)
        return held, left


_decode_held: Final = msgspec.json.Decoder(_Held).decode


def _acknowledged_of(path: Path) -> Path:
    """Beside the answers: the ids of those that are acknowledged, a line for each."""
    return path.with_suffix(".acknowledged")


def _acknowledged(path: Path) -> set[str]:
    beside = _acknowledged_of(path)
    return set(beside.read_text().split()) if beside.exists() else set()


def _name(sha256: str, path: Path) -> str:
    """Name of a file outside the inbox: there may be several of one name."""
    return f"{sha256[:16]}-{_UNFIT.sub('_', path.name)[-_MOST_NAME:]}"


def _content(path: Path, max_bytes: int) -> bytes:
    """A file's bytes, of one that has grown meanwhile the first of them; a link in its place is not followed."""
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    with os.fdopen(handle, "rb") as file:
        return file.read(max_bytes)
