"""The report of what `walletstream reconcile files` has left in a folder."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from itertools import groupby
from pathlib import Path
from typing import Final, NamedTuple

from agents.reconciliation.matching.lines import OWN_ID, Line
from ops.errors import OperationError
from ops.reconcile.files_lines import SideReader
from ops.reconcile.files_rules import read_file_rules
from ops.reconcile.files_table import Table
from ops.reconcile.report_model import (
    UNKNOWN_ASSET,
    Case,
    CaseLine,
    ExpectedLines,
    MatchedLines,
    Report,
    Section,
    sum_matched,
)
from schemas.reconciliation_reasons import REASONS, SIDES, Side

BOOK: Final = "files"
_MATCHES: Final = ("match_id", "pass", "side", "row", "amount_minor", "asset", "confidence")
_EXCEPTIONS: Final = ("side", "row", "reason", "candidates")
_INTEGER: Final = re.compile(r"-?[0-9]{1,40}")
_SECTIONS: Final[dict[str, Section]] = {"left": "with_us", "right": "in_file"}

#: Side and row.
Place = tuple[Side, int]


class Broken(NamedTuple):
    """A row of `exceptions.csv`."""

    side: Side
    row: int
    reason: str
    #: Rows of the other side.
    candidates: tuple[int, ...]


class Originals(NamedTuple):
    """The tables that were matched, so that rows without a match can be shown with what they say."""

    left: Path
    right: Path
    rules: Path
    delimiter: str = ","


def offline_report(folder: Path, as_of: str, originals: Originals | None = None) -> Report:
    """The report of a folder.

    Args:
        folder: where `matches.csv` and `exceptions.csv` are.
        as_of: the day that ages are counted to.
        originals: the tables that were matched; without them amounts and days of what did not match are not known.

    Raises:
        OperationError: a file is missing, or is not what was written.
    """
    matched = sum_matched(_matched(folder / "matches.csv"))
    broken = list(_broken(folder / "exceptions.csv"))
    lines = {} if originals is None else _lines(originals, {(one.side, one.row) for one in broken})
    cases = tuple(cases_of(broken, lines))
    expected = tuple(_expected(broken, lines))
    notes = (
        ()
        if originals is not None or not broken
        else (
            "Amounts, days and references of what did not match are not in that folder: name the tables with --left, "
            "--right and --rules.",
        )
    )
    return Report("Reconciliation of files", None, as_of, tuple(matched), expected, cases, {}, notes)


def cases_of(broken: Iterable[Broken], lines: Mapping[Place, Line]) -> Iterator[Case]:
    """A case for each row, or for the two that are each other's only candidate for the same reason. Pure."""
    held = {(one.side, one.row): one for one in broken if one.reason != "expected"}
    for place, one in held.items():
        other = _counterpart(one, held)
        if other is None:
            yield _case([one], lines)
        elif place[0] == "left":
            yield _case([one, other], lines)


def _counterpart(one: Broken, held: Mapping[Place, Broken]) -> Broken | None:
    if len(one.candidates) != 1:
        return None
    other = held.get(("right" if one.side == "left" else "left", one.candidates[0]))
    return other if other is not None and (other.reason, other.candidates) == (one.reason, (one.row,)) else None


def _case(of: list[Broken], lines: Mapping[Place, Line]) -> Case:
    shown = tuple(_case_line(one, lines.get((one.side, one.row))) for one in of)
    candidates = () if len(of) > 1 else tuple(f"row {row}" for row in of[0].candidates)
    return Case(
        "+".join(f"{one.side}:{one.row}" for one in of),
        BOOK,
        of[0].reason,
        "open",
        "",
        shown[0].asset,
        _at_risk(shown),
        shown,
        candidates,
    )


def _at_risk(lines: tuple[CaseLine, ...]) -> int | None:
    """Of one line all of it; of two in one asset what they differ by, or all of it; of two assets the left one."""
    amounts = [line.amount_minor for line in lines]
    if amounts[0] is None:
        return None
    if len(lines) == 2 and lines[0].asset == lines[1].asset and amounts[1] is not None:
        return abs(amounts[1] - amounts[0]) or abs(amounts[0])
    return abs(amounts[0])


def _case_line(one: Broken, line: Line | None) -> CaseLine:
    section = _SECTIONS[one.side]
    if line is None:
        return CaseLine(section, one.side, f"row {one.row}", None, UNKNOWN_ASSET, None, {}, "")
    references = {("id" if name == OWN_ID else name): value for name, value in line.references.items()}
    day = date.fromordinal(line.day).isoformat()
    return CaseLine(section, one.side, f"row {one.row}", line.amount_minor, line.asset, day, references, "")


def _expected(broken: Iterable[Broken], lines: Mapping[Place, Line]) -> Iterator[ExpectedLines]:
    sums: dict[tuple[Section, str], list[int]] = {}
    for one in broken:
        if one.reason == "expected":
            line = lines.get((one.side, one.row))
            total = sums.setdefault((_SECTIONS[one.side], UNKNOWN_ASSET if line is None else line.asset), [0, 0])
            total[0] += 1
            total[1] += 0 if line is None else abs(line.amount_minor)
    for (section, asset), (count, minor) in sorted(sums.items()):
        yield ExpectedLines(BOOK, section, asset, count, minor)


# ---- reading ------------------------------------------------------------------------------------------


def _matched(path: Path) -> Iterator[MatchedLines]:
    with _rows(path, _MATCHES) as rows:
        for _, group in groupby(rows, key=lambda numbered: numbered[1]["match_id"]):
            of = list(group)
            sums, counts = dict.fromkeys(SIDES, 0), dict.fromkeys(SIDES, 0)
            absolute = 0
            for number, row in of:
                side = _side(path, number, row["side"])
                minor = _integer(path, number, row["amount_minor"])
                sums[side] += minor
                counts[side] += 1
                absolute += abs(minor) if side == "left" else 0
            number, first = of[0]
            yield MatchedLines(
                BOOK,
                first["pass"],
                first["asset"],
                1,
                counts["left"],
                counts["right"],
                absolute,
                sums["right"] - sums["left"],
                _integer(path, number, first["confidence"]),
            )


def _broken(path: Path) -> Iterator[Broken]:
    with _rows(path, _EXCEPTIONS) as rows:
        for number, row in rows:
            if row["reason"] not in REASONS:
                raise OperationError(f"{path}, row {number}: {row['reason'][:80]!r} is no reason")
            candidates = tuple(_integer(path, number, one) for one in row["candidates"].split(";") if one)
            yield Broken(
                _side(path, number, row["side"]), _integer(path, number, row["row"]), row["reason"], candidates
            )


@contextmanager
def _rows(path: Path, columns: tuple[str, ...]) -> Iterator[Iterator[tuple[int, dict[str, str]]]]:
    """The rows of a table that we wrote, with their numbers from 1.

    Raises:
        OperationError: it cannot be read, or has other columns.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            missing = [name for name in columns if name not in (reader.fieldnames or ())]
            if missing:
                raise OperationError(f"{path} has no column {', '.join(missing)}: was it written by `reconcile files`?")
            yield _whole(path, enumerate(reader, start=1), columns)
    except OSError as error:
        raise OperationError(f"{path} cannot be read: {error.strerror}; --files names the folder") from error
    except (csv.Error, UnicodeDecodeError) as error:
        raise OperationError(f"{path} is no CSV in UTF-8: {error}") from error


def _whole(
    path: Path, rows: Iterable[tuple[int, dict[str, str]]], columns: tuple[str, ...]
) -> Iterator[tuple[int, dict[str, str]]]:
    for number, row in rows:
        if any(row[name] is None for name in columns):
            raise OperationError(f"{path}, row {number}: cells are missing; the file must be whole")
        yield number, row


def _side(path: Path, number: int, text: str) -> Side:
    if text not in SIDES:
        raise OperationError(f"{path}, row {number}: {text[:80]!r} is no side")
    return text


def _integer(path: Path, number: int, text: str) -> int:
    if not _INTEGER.fullmatch(text):
        raise OperationError(f"{path}, row {number}: {text[:80]!r} is no integer")
    return int(text)


def _lines(originals: Originals, wanted: set[Place]) -> dict[Place, Line]:
    """What the wanted rows say; the tables are read row by row, the others are passed over."""
    rules = read_file_rules(originals.rules)
    found: dict[Place, Line] = {}
    for side in SIDES:
        path = originals.left if side == "left" else originals.right
        table = Table(path, rules.side(side).columns(), originals.delimiter)
        try:
            for line in SideReader(side, table, rules).lines():
                place = (side, int(line.line_id))
                if place in wanted:
                    found[place] = line
        finally:
            table.close()
    if missing := wanted - found.keys():
        side_, row = min(missing)
        raise OperationError(f"row {row} of the {side_} table is not there: these are not the tables that were matched")
    return found
