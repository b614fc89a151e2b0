"""The simulated rail's books: a file with a JSON object in each line, which only grows. What it paid stands there.

It is the witness of crash tests: written by the rail alone, line by line and synced, under a lock that all processes
share. Nothing of the pipeline is read for it or written by it.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import msgspec

from agents.settlement.rails.disk import locked, make_folder, sync_folder
from agents.settlement.rails.simulated.behaviour import Payment
from schemas.rail_batches import RailBatch

FILE_NAME: Final = "journal.jsonl"


class Taken(msgspec.Struct, tag_field="kind", tag="taken", frozen=True, kw_only=True):
    """A batch was taken, and its instructions were executed as this says."""

    at_ms: int
    batch: RailBatch
    payments: tuple[Payment, ...]
    #: How often it had been taken before: more than 0 is a double payment.
    before: int = 0


class Repeated(msgspec.Struct, tag_field="kind", tag="repeated", frozen=True, kw_only=True):
    """A batch that the rail has was submitted again, and nothing was done."""

    at_ms: int
    batch_id: str


class TurnedAway(msgspec.Struct, tag_field="kind", tag="turned_away", frozen=True, kw_only=True):
    """A batch was not taken: the rail said that it is not available."""

    at_ms: int
    batch_id: str


class Acknowledged(msgspec.Struct, tag_field="kind", tag="acknowledged", frozen=True, kw_only=True):
    """An answer was acknowledged and is not told again."""

    at_ms: int
    answer_id: str


Line = Taken | Repeated | TurnedAway | Acknowledged

_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(Line).decode


@dataclass
class Totals:
    """What a journal says, summed up."""

    #: Batch id -> how often it was executed. Every one of them has to be 1.
    executed: Counter[str] = field(default_factory=Counter)
    #: Batch id -> how often it was submitted again and not executed.
    repeated: Counter[str] = field(default_factory=Counter)
    turned_away: Counter[str] = field(default_factory=Counter)
    #: End-to-end id -> every amount that was paid for it, in minor units. Each has to be one.
    paid: dict[str, list[int]] = field(default_factory=dict)
    acknowledged: set[str] = field(default_factory=set)
    batches: dict[str, Taken] = field(default_factory=dict)

    @property
    def paid_minor(self) -> int:
        """All that was paid."""
        return sum(sum(amounts) for amounts in self.paid.values())

    @property
    def paid_twice(self) -> list[str]:
        """End-to-end ids that money was moved for more than once, and batches that were executed more than once."""
        return sorted(
            [name for name, amounts in self.paid.items() if len(amounts) > 1]
            + [name for name, count in self.executed.items() if count > 1]
        )

    def take(self, line: Line) -> None:
        """Count one line."""
        match line:
            case Taken():
                self.executed[line.batch.batch_id] += 1
                self.batches.setdefault(line.batch.batch_id, line)
                for payment in line.payments:
                    if payment.amount_minor:
                        self.paid.setdefault(payment.end_to_end_id, []).append(payment.amount_minor)
            case Repeated():
                self.repeated[line.batch_id] += 1
            case TurnedAway():
                self.turned_away[line.batch_id] += 1
            case Acknowledged():
                self.acknowledged.add(line.answer_id)


def read_totals(folder: Path) -> Totals:
    """What the journal in this folder says; nothing where there is none. Needs no lock: whole lines are read."""
    totals = Totals()
    path = folder / FILE_NAME
    if path.exists():
        for line in _whole_lines(path.read_bytes())[0]:
            totals.take(line)
    return totals


class Journal:
    """The journal of one rail, for one process; any number of processes may have it open."""

    def __init__(self, folder: Path):
        self._path = folder / FILE_NAME
        self._lock_path = folder / "journal.lock"
        self._read_bytes = 0
        self.totals = Totals()

    @contextmanager
    def held(self) -> Iterator[Totals]:
        """Hold the lock, with what others have written meanwhile in the totals; `append` may only be called inside.

        Raises:
            RailUnavailable: another process holds the lock for too long.
            OSError: the disk refuses.
        """
        make_folder(self._path.parent)
        with locked(self._lock_path):
            self._catch_up()
            yield self.totals

    def append(self, lines: Sequence[Line]) -> None:
        """Write lines, all or none of them, and have them on disk.

        Raises:
            OSError: the disk refuses; whether they are written shows at the next `held`.
        """
        content = b"".join(_encode(line) + b"\n" for line in lines)
        is_new = not self._path.exists()
        handle = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o640)
        try:
            written = os.write(handle, content)
            if written < len(content):  # a full disk
                os.ftruncate(handle, self._read_bytes)
                raise OSError(f"{self._path} takes no more: {written} of {len(content)} bytes were written")
            os.fsync(handle)
        finally:
            os.close(handle)
        if is_new:
            sync_folder(self._path.parent)
        self._read_bytes += len(content)
        self._take(lines)

    def _catch_up(self) -> None:
        """Read what is new. A last line without its end is of a write that was cut off: it never happened."""
        if not self._path.exists():
            return
        with self._path.open("rb+") as file:
            file.seek(self._read_bytes)
            lines, length = _whole_lines(file.read())
            self._read_bytes += length
            file.truncate(self._read_bytes)
        self._take(lines)

    def _take(self, lines: Iterable[Line]) -> None:
        for line in lines:
            self.totals.take(line)


def _whole_lines(content: bytes) -> tuple[list[Line], int]:
    end = content.rfind(b"\n") + 1
    return [_decode(line) for line in content[:end].splitlines()], end
