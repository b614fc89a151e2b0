"""The reasons of lines that no pass matched, share by share, and what they ask of lines that are matched."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from agents.reconciliation.matching.consumed import (
    Consumed,
    Step,
    consumed,
    paid_under,
    references_back,
    steps_of,
)
from agents.reconciliation.matching.explain import Explaining, Ties
from agents.reconciliation.matching.found import Matched
from agents.reconciliation.matching.gates import Gate
from agents.reconciliation.matching.groups import Key, spread, values_of
from agents.reconciliation.matching.lag import Lag
from agents.reconciliation.matching.lines import Exception_, Line
from ops.reconcile.files_shares import InCommon, Note, Share, Shares, by_amount, share_of
from ops.reconcile.files_spill import Spill
from ops.reconcile.files_summary import Summary
from ops.reconcile.files_write import Results
from schemas.matching_rules import Rules
from schemas.reconciliation_reasons import SIDES, Reason, Side


class _Asked:
    """Values that somebody asks for, nearly: a bit for each. What is not asked for is seldom taken for it."""

    _BITS: Final = 25

    def __init__(self) -> None:
        self._bits = bytearray(1 << (self._BITS - 3))

    def add(self, values: Sequence[str]) -> None:
        at = spread(values) >> (32 - self._BITS)
        self._bits[at >> 3] |= 1 << (at & 7)

    def __contains__(self, values: Sequence[str]) -> bool:
        at = spread(values) >> (32 - self._BITS)
        return bool(self._bits[at >> 3] >> (at & 7) & 1)


class _Rows:
    """Rows of a side, a byte for each."""

    def __init__(self) -> None:
        self._rows = bytearray()

    def add(self, row: int) -> None:
        if row >= len(self._rows):
            self._rows.extend(bytes(max(row + 1 - len(self._rows), 65_536)))
        self._rows[row] = 1

    def __contains__(self, row: int) -> bool:
        return row < len(self._rows) and bool(self._rows[row])


class _Told(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """A line with its reason."""

    row: int
    reason: Reason
    candidates: tuple[str, ...]


class _Entry(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """A matched line that shares a key with an open one."""

    side: Side
    values: Key
    consumed: Consumed


class _OfShare(NamedTuple):
    """What is matched, as far as the lines of one share ask for it."""

    found: Mapping[tuple[Key, Side], Sequence[Consumed]]
    linked: Collection[str]

    def of(self, _: int, values: Key, side: Side) -> Sequence[Consumed]:
        return self.found.get((values, side), ())

    def is_linked(self, line: Line) -> bool:
        return any(value in self.linked for value in references_back(line))


class Reasons:
    """Takes lines that are open after all passes, and tells why.

    Args:
        rules: by which lines were matched.
        shares: how many shares there are.
        scratch: a folder for what does not stay in memory.
        lag: what may still come.
        summary: counts what is told; all lines are counted there before the first is told.
    """

    def __init__(self, rules: Rules, shares: int, scratch: Path, lag: Lag, summary: Summary):
        self._rules, self._shares, self._lag, self._summary = rules, shares, lag, summary
        self._steps = steps_of(rules)
        self._stages = [
            Shares(scratch, f"step-{number}", shares, _concerned(rules, step))
            for number, step in enumerate(self._steps)
        ]
        self._keys = [step.keys for step in self._steps if step.keys]
        self._asked = [_Asked() for _ in self._keys]
        self._links = _Asked()
        self._has_links = False
        self._entries = [Spill(scratch, f"entries-{number}", shares, _Entry) for number in range(len(self._keys))]
        self._open: dict[Side, _Rows] = {side: _Rows() for side in SIDES}
        self._linked: set[str] = set()
        #: Side -> rows, once all are read.
        self._rows: dict[Side, int] = {}
        self._told: dict[Side, Spill[_Told]] = {side: Spill(scratch, f"told-{side}", shares, _Told) for side in SIDES}

    def add(self, side: Side, line: Line, note: Note | None) -> None:
        """A line that no pass matched."""
        self._open[side].add(int(line.line_id))
        for keys, asked in zip(self._keys, self._asked, strict=True):
            values = values_of(line, keys)
            if values is not None:
                asked.add(values)
        if line.kind != "payment":
            self._has_links = True
            for value in references_back(line):
                self._links.add((value,))
        self._stages[0].add(side, line, note)

    def add_unbalanced(self, side: Side, line: Line) -> None:
        """A line that is not matched, for its statement does not add up."""
        self._keep(line, Exception_(side, line.line_id, "statement_unbalanced"))

    def tell(self, matched: Iterable[Matched], results: Results) -> None:
        """Write the reason of each line, in order of rows.

        Args:
            matched: all that was matched; it is gone through once.
            results: where exceptions go.
        """
        self._look_up(matched)
        for number, step in enumerate(self._steps):
            for share in range(self._shares):
                self._take(number, step, share)
        for side in SIDES:
            for share in range(self._shares):
                told = sorted(self._told[side].take(share), key=lambda each: each.row)
                results.write_exceptions(Exception_(side, str(each.row), each.reason, each.candidates) for each in told)

    def _look_up(self, matched: Iterable[Matched]) -> None:
        """Keep what open lines ask for."""
        for each in matched:
            for line in each.lefts:
                self._look_at(line, "left", each.rights)
            for line in each.rights:
                self._look_at(line, "right", each.lefts)
        if self._has_links:
            for side in SIDES:
                for line in self._stages[0].lines(side).read_all():
                    self._link(line)

    def _look_at(self, line: Line, side: Side, partners: Sequence[Line]) -> None:
        for keys, asked, entries in zip(self._keys, self._asked, self._entries, strict=True):
            values = values_of(line, keys)
            if values is not None and values in asked:
                entries.add(share_of(values, self._shares), _Entry(side, values, consumed(line, partners)))
        if self._has_links:
            self._link(line)

    def _link(self, line: Line) -> None:
        self._linked.update(value for value in paid_under(line) if (value,) in self._links)

    def _take(self, number: int, step: Step, share: int) -> None:
        """One step for one share; lines that still have no reason go on to the next."""
        part = self._stages[number].take(share)
        found: dict[tuple[Key, Side], list[Consumed]] = {}
        if step.keys:
            for entry in self._entries[number].take(share):
                found.setdefault((entry.values, entry.side), []).append(entry.consumed)
        explaining = Explaining(
            self._rules,
            part.left,
            part.right,
            [_ties(part, each) for each in range(len(self._rules.passes))],
            _OfShare(found, self._linked),
            lambda side, line_id: int(line_id) in self._open[side],
        )
        explaining.hints.update({where: note.hints for where, note in part.notes.items() if note.hints})
        explaining.take(number, step)
        for side, lines in zip(SIDES, (part.left, part.right), strict=True):
            self._tell(side, lines, explaining.said[side])
            for line in explaining.still_open(side):
                where = side, line.line_id
                hints, note = explaining.hints.get(where, ()), part.notes.get(where)
                if hints or note is not None:
                    note = Note(side, line.line_id, {} if note is None else note.ties, hints)
                self._stages[number + 1].add(side, line, note)

    def _tell(self, side: Side, lines: list[Line], said: dict[str, Exception_]) -> None:
        of_share: dict[Side, list[Line]] = {"left": [], "right": [], side: lines}
        by_id = {line.line_id: line for line in lines}
        for some in self._lag.part(said.values(), of_share):
            for each in some:
                self._keep(by_id[each.line_id], each)

    def _keep(self, line: Line, found: Exception_) -> None:
        """Until all of them are written in order of rows."""
        row = int(line.line_id)
        if not self._rows:
            self._rows = self._summary.lines
        self._summary.count_exception(found, line)
        self._told[found.side].add(
            (row - 1) * self._shares // self._rows[found.side], _Told(row, found.reason, found.candidates)
        )


def _ties(part: Share, number: int) -> Ties:
    """What was tied in the pass of this number."""
    return {where: note.ties[number] for where, note in part.notes.items() if number in note.ties}


def _concerned(rules: Rules, step: Step) -> InCommon:
    """What lines have in common that concern each other in a step."""
    keys = step.keys
    if not keys:
        first = next((rule for rule in rules.passes if rule.keys), rules.passes[0])
        return by_amount(Gate(first))
    return lambda _, line: values_of(line, keys) or (line.line_id,)
