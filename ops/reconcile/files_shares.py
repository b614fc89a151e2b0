"""Open lines of both sides by what they have in common: lines that concern each other are in one share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from agents.reconciliation.matching.gates import Gate
from agents.reconciliation.matching.groups import spread, values_of
from agents.reconciliation.matching.lines import Line
from ops.reconcile.files_spill import Spill
from schemas.matching_rules import Pass
from schemas.reconciliation_reasons import SIDES, Side

_SPREAD_BITS: Final = 32

#: What a line shares with those that concern it; None if no line concerns it.
InCommon = Callable[[Side, Line], Sequence[str] | None]


def share_of(values: Sequence[str], shares: int) -> int:
    """The share of a key: the same on every machine and in every run. Shares are in order of `spread`."""
    return spread(values) * shares >> _SPREAD_BITS


class Note(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """What is known of a line that is open."""

    side: Side
    line_id: str
    #: Number of a pass -> ids of those that it was tied with.
    ties: dict[int, tuple[str, ...]] = {}
    #: Ids of what came nearest to a counterpart.
    hints: tuple[str, ...] = ()


class Share(NamedTuple):
    """Lines that are looked at together."""

    left: list[Line]
    right: list[Line]
    notes: dict[tuple[Side, str], Note]


class Shares:
    """Open lines of both sides by share.

    Args:
        folder: where files are put; it is there.
        name: begins their names.
        shares: how many shares there are.
        in_common: what lines of one share have in common.
    """

    def __init__(self, folder: Path, name: str, shares: int, in_common: InCommon):
        self._count, self._in_common = shares, in_common
        self._lines: dict[Side, Spill[Line]] = {side: Spill(folder, f"{name}-{side}", shares, Line) for side in SIDES}
        self._notes = Spill(folder, f"{name}-notes", shares, Note)

    def add(self, side: Side, line: Line, note: Note | None = None) -> bool:
        """Keep a line; False, and it is not, if no line concerns it."""
        values = self._in_common(side, line)
        if values is None:
            return False
        share = share_of(values, self._count)
        self._lines[side].add(share, line)
        if note is not None:
            self._notes.add(share, note)
        return True

    def lines(self, side: Side) -> Spill[Line]:
        """Lines of a side, to be read."""
        return self._lines[side]

    def take(self, share: int) -> Share:
        """The lines of a share, for the last time."""
        left, right = (self._lines[side].take(share) for side in SIDES)
        return Share(left, right, {(note.side, note.line_id): note for note in self._notes.take(share)})


def matched_by(rule: Pass) -> InCommon:
    """What lines have in common that a pass may match, or tie."""
    gate, keys = Gate(rule), rule.keys
    if len(keys) == 1:
        name = keys[0]

        def by_name(_: Side, line: Line) -> Sequence[str] | None:
            value = line.references.get(name)
            return (line.asset, value) if value else None

        return by_name
    if keys:

        def by_key(_: Side, line: Line) -> Sequence[str] | None:
            values = values_of(line, keys)
            return None if values is None else (line.asset, *values)

        return by_key
    if rule.cardinality == "1:1" and gate.is_exact:
        return by_amount(gate)
    return lambda _, line: (line.asset,)


def by_amount(gate: Gate) -> InCommon:
    """Asset and amount, as a pass compares it."""
    nets = {"left": gate.left_net, "right": gate.right_net}
    return lambda side, line: (line.asset, str(nets[side](line)))
