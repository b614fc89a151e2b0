"""Writes `matches.csv`, `exceptions.csv` and `summary.json`: all of them or none."""

from __future__ import annotations

import csv
import json
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from msgspec.structs import astuple

from agents.reconciliation.matching.found import Matched
from agents.reconciliation.matching.lines import Exception_, Line, Match
from ops.errors import OperationError
from schemas.reconciliation_reasons import Side

MATCHES: Final = "matches.csv"
EXCEPTIONS: Final = "exceptions.csv"
SUMMARY: Final = "summary.json"
#: The summary comes last: where it is there, the others are.
_NAMES: Final = (MATCHES, EXCEPTIONS, SUMMARY)


class Results:
    """The files of one run, in a folder of their own until they are whole."""

    def __init__(self, folder: Path):
        self._folder = folder
        self._matches_file = (folder / MATCHES).open("w", encoding="utf-8", newline="")
        self._exceptions_file = (folder / EXCEPTIONS).open("w", encoding="utf-8", newline="")
        self._matches = csv.writer(self._matches_file, lineterminator="\n")
        self._exceptions = csv.writer(self._exceptions_file, lineterminator="\n")
        self._matches.writerow(("match_id", "pass", "side", "row", "amount_minor", "asset", "confidence"))
        self._exceptions.writerow(("side", "row", "reason", "candidates"))

    def write_matches(self, found: Sequence[Match], matched: Iterable[Matched]) -> None:
        """A row for each line of each match."""
        by_row = {each.lefts[0].line_id: each for each in matched}
        rows: list[tuple[str, str, Side, str, int, str, int]] = []
        for match_id, name, left_ids, _, confidence, _, _ in map(astuple, found):
            each = by_row[left_ids[0]]
            sides: tuple[tuple[Side, tuple[Line, ...]], ...] = (("left", each.lefts), ("right", each.rights))
            rows += [
                (match_id, name, side, line.line_id, line.amount_minor, line.asset, confidence)
                for side, lines in sides
                for line in lines
            ]
        self._matches.writerows(rows)

    def write_exceptions(self, exceptions: Iterable[Exception_]) -> None:
        """A row for each line; candidates are rows of the other side, in order."""
        self._exceptions.writerows(
            (each.side, each.line_id, each.reason, ";".join(sorted(each.candidates, key=int))) for each in exceptions
        )

    def write_summary(self, summary: dict[str, Any]) -> None:
        """The summary, after everything else."""
        self.close()
        (self._folder / SUMMARY).write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")

    def close(self) -> None:
        """Close the files."""
        self._matches_file.close()
        self._exceptions_file.close()


def check_not_read(out: Path, inputs: Iterable[Path]) -> None:
    """
    Raises:
        OperationError: a file that is read would be written over.
    """
    for name in _NAMES:
        for path in inputs:
            if (out / name).exists() and path.exists() and path.samefile(out / name):
                raise OperationError(f"{path} is read, and the results would take its place: name another --out")


@contextmanager
def written(out: Path) -> Iterator[tuple[Results, Path]]:
    """Results that are in `out` once the block has ended well, and a folder for what is not kept.

    Older results there stay until then, and if the block fails.

    Raises:
        OperationError: they cannot be written.
    """
    if out.exists() and not out.is_dir():
        raise OperationError(f"{out} is no folder: name another one with --out")
    try:
        folder = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=_there_already(out)))
    except OSError as error:
        raise OperationError(f"{out} cannot be written: {error.strerror}") from None
    try:
        scratch = folder / "scratch"
        scratch.mkdir()
        (folder / "out").mkdir()
        results = Results(folder / "out")
        try:
            yield results, scratch
        finally:
            results.close()
        _put(folder / "out", out)
    except OSError as error:
        raise OperationError(f"{out} cannot be written: {error.strerror}") from None
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _there_already(out: Path) -> Path:
    """`out`, or the nearest folder above it: on its own disk, for `out` may be where one is mounted."""
    return next(folder for folder in (out, *out.absolute().parents) if folder.exists())


def _put(folder: Path, out: Path) -> None:
    """Into a folder that is not there at once; else file by file, the summary first away and last back."""
    if not out.exists():
        out.parent.mkdir(parents=True, exist_ok=True)
        folder.rename(out)
        return
    (out / SUMMARY).unlink(missing_ok=True)
    for name in _NAMES:
        (folder / name).replace(out / name)
