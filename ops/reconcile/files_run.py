"""Matches two tables of any size by the pure matcher.

For each pass lines are parted by its key, or by the amount where it has none, and written to a temporary folder; each
share is matched by itself, for lines that could be a match are in one share. What is left of it goes into the shares
of the next pass, and behind the last one into those of the reasons. So memory is that of one share, whatever matches.
Small tables have one share.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

from agents.reconciliation.matching.found import Matched
from agents.reconciliation.matching.lag import Lag
from agents.reconciliation.matching.lines import Line, Match
from agents.reconciliation.matching.match import run_pass, tell, unbalanced
from ops.reconcile.files_lines import SideReader
from ops.reconcile.files_reasons import Reasons
from ops.reconcile.files_rules import FileRules
from ops.reconcile.files_shares import Note, Shares, matched_by
from ops.reconcile.files_spill import Spill
from ops.reconcile.files_summary import Summary
from ops.reconcile.files_table import Table
from ops.reconcile.files_write import Results
from schemas.matching_rules import Pass, Rules
from schemas.reconciliation_reasons import SIDES, Side

#: Bytes of both tables for which one more share is made, and most shares.
SHARE_BYTES: Final = 4 * 1024 * 1024
_MOST_SHARES: Final = 64
#: Lines between two words on how far it is.
_TELL_EVERY: Final = 2_000

#: Hears how much is done of how much.
OnProgress = Callable[[int, int], None]


class Inputs(NamedTuple):
    """What is matched."""

    left: Path
    right: Path
    rules: FileRules
    delimiter: str = ","
    as_of_day: int | None = None
    holidays: frozenset[int] = frozenset()


def match_files(
    inputs: Inputs, results: Results, scratch: Path, on_progress: OnProgress, share_bytes: int | None = None
) -> Summary:
    """Match two tables.

    Args:
        inputs: tables and rules.
        results: where matches and exceptions go.
        scratch: a folder for what does not fit into memory; the caller removes it.
        on_progress: hears of bytes that were read.
        share_bytes: bytes of both tables for which one more share is made; `SHARE_BYTES` if None.

    Raises:
        OperationError: a table cannot be read; nothing it wrote counts.
    """
    paths: dict[Side, Path] = {"left": inputs.left, "right": inputs.right}
    tables = {side: Table(paths[side], inputs.rules.side(side).columns(), inputs.delimiter) for side in SIDES}
    try:
        readers: dict[Side, SideReader] = {side: SideReader(side, tables[side], inputs.rules) for side in SIDES}
        size = tables["left"].size + tables["right"].size

        def tell_progress() -> None:
            on_progress(tables["left"].position() + tables["right"].position(), size)

        shares = min(_MOST_SHARES, size // (share_bytes or SHARE_BYTES) + 1)
        run = _Run(inputs, results, scratch, shares)
        for side in SIDES:
            run.read(side, readers[side], tell_progress)
        return run.finish()
    finally:
        for table in tables.values():
            table.close()


class _Run:
    def __init__(self, inputs: Inputs, results: Results, scratch: Path, shares: int):
        self._results, self._count, self._scratch = results, shares, scratch
        self._rules: Rules = inputs.rules.rules()
        self._summary = Summary()
        self._readers: list[SideReader] = []
        passes = self._rules.passes
        self._shares = [
            Shares(scratch, f"pass-{number}", shares, matched_by(rule)) for number, rule in enumerate(passes)
        ]
        lag = Lag(self._rules.expected_lag_business_days, inputs.as_of_day, inputs.holidays)
        self._reasons = Reasons(self._rules, shares, scratch, lag, self._summary)
        self._matched = Spill(scratch, "matched", 1, Matched)
        #: Lines of statements, until it is known whether these add up; and their sums.
        self._of_statements: dict[Side, Spill[Line]] = {}
        self._sums: dict[tuple[Side, str], int] = {}

    def read(self, side: Side, reader: SideReader, tell_progress: Callable[[], None]) -> None:
        """Read one table to its end."""
        self._readers.append(reader)
        waiting = self._of_statements[side] = Spill(self._scratch, f"statements-{side}", 1, Line)
        count, add_to_first, sums = self._summary.count_line, self._shares[0].add, self._sums
        for number, line in enumerate(reader.lines()):
            if number % _TELL_EVERY == 0:
                tell_progress()
            count(side, line)
            if line.statement_id:
                sums[side, line.statement_id] = sums.get((side, line.statement_id), 0) + line.amount_minor
                waiting.add(0, line)
            elif not add_to_first(side, line):
                self._add(1, side, line, None)
        tell_progress()

    def _add(self, number: int, side: Side, line: Line, note: Note | None) -> None:
        """To the first pass from this one on that may match the line, else to the reasons."""
        for shares in self._shares[number:]:
            if shares.add(side, line, note):
                return
        self._reasons.add(side, line, note)

    def finish(self) -> Summary:
        """Match what was read, and write what comes of it."""
        statements = [each for reader in self._readers for each in reader.statements.values()]
        wrong = unbalanced(statements, self._sums)
        for side, spill in self._of_statements.items():
            for line in spill.read(0):
                if (side, line.statement_id) in wrong:
                    self._reasons.add_unbalanced(side, line)
                else:
                    self._add(0, side, line, None)
            spill.take(0)
        for number, rule in enumerate(self._rules.passes):
            self._pass(number, rule)
        self._reasons.tell(self._matched.read_all(), self._results)
        self._summary.check()
        return self._summary

    def _pass(self, number: int, rule: Pass) -> None:
        """One pass, share by share; what is left goes on to the next."""
        steps = 0
        for share in range(self._count):
            part = self._shares[number].take(share)
            found = run_pass(rule, self._rules, part.left, part.right, steps)
            steps += found.steps
            for side, lines in zip(SIDES, (found.left, found.right), strict=True):
                for line in lines:
                    where = side, line.line_id
                    note, tied = part.notes.get(where), found.ties.get(where)
                    if tied:
                        note = Note(side, line.line_id, {**(note.ties if note is not None else {}), number: tied})
                    self._add(number + 1, side, line, note)
            self._summary.not_tried += found.not_tried
            self._keep(found.matched)

    def _keep(self, matched: list[Matched]) -> None:
        """Write matches, and remember them until the rest is explained."""
        for each in matched:
            self._summary.count_match(each)
            # Differences of sums may have more than 64 bits, and nobody asks for them any more.
            self._matched.add(0, each._replace(fee_minor=0, difference_minor=0) if each.difference_minor else each)
        self._results.write_matches(sorted(tell(matched), key=_by_row), matched)


def _by_row(found: Match) -> int:
    return int(found.left_ids[0])
