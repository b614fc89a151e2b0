"""Pairs of lines, the nearest first. Where two are equally near, or nearly, nobody guesses.

Lines of one amount and day are one *cell*: a million equal lines cost as much as two. Pairs of cells are taken level
by level of their rank. A pair is taken where each of the two has no other partner at its level, or nearly so; else
all of them are tied. What is tied is no less a partner for it: who has none that is nearer is tied to it too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple

from agents.reconciliation.matching.found import Found, are_alike
from agents.reconciliation.matching.lines import MOST_CANDIDATES, Line, order
from schemas.reconciliation_reasons import Side


class Cell:
    """Lines of one side that have the same amount and day."""

    __slots__ = ("day", "is_open", "lines", "net", "tied_to")

    def __init__(self, net: int, day: int, lines: list[Line]):
        self.net = net
        self.day = day
        self.lines = lines
        #: Whether it may be taken: it has lines and is not tied.
        self.is_open = True
        self.tied_to: list[Cell] = []

    def tie_to(self, others: list[Cell]) -> None:
        """Leave the pass, with others that are as near."""
        self.is_open = False
        self.tied_to = others


class Pair(NamedTuple):
    """A cell of the left and one of the right; the less its rank the nearer."""

    rank: Any
    left: Cell
    right: Cell

    def is_undecided(self) -> bool:
        """Whether both have lines left, and one of them is not tied yet."""
        _, left, right = self
        return bool(left.lines and right.lines) and (left.is_open or right.is_open)


def cells_of(lines: Iterable[Line], net: Callable[[Line], int], tell_apart: Callable[[Line], Any]) -> list[Cell]:
    """Lines by amount, day and what else tells them apart; in order of amount and day."""
    found: dict[tuple[int, int, Any], list[Line]] = {}
    for line in lines:
        found.setdefault((net(line), line.day, tell_apart(line)), []).append(line)
    return [Cell(amount, day, found[amount, day, rest]) for amount, day, rest in sorted(found)]


def settle(
    found: Found,
    pairs: list[Pair],
    near: Callable[[Any], Any],
    base: Callable[[Any], int],
    *,
    is_keyed: bool,
) -> None:
    """Take pairs level by level.

    Args:
        found: what is matched goes there.
        pairs: all that may be taken.
        near: of a rank: the furthest rank that is nearly as good.
        base: of a rank: the confidence of what is matched, before days and amounts.
        is_keyed: whether the lines share a reference, so that equal ones stand for each other.
    """
    pairs.sort(key=itemgetter(0))
    for rank, level in groupby(pairs, key=itemgetter(0)):
        at_level = [pair for pair in level if pair.is_undecided()]
        if not at_level:
            continue
        furthest = near(rank)
        looked_at = at_level if furthest == rank else _up_to(pairs, rank, furthest)
        partners: dict[Cell, list[Cell]] = {}
        for _, left, right in looked_at:
            partners.setdefault(left, []).append(right)
            partners.setdefault(right, []).append(left)
        for _, left, right in looked_at:
            if len(partners[left]) > 1 or len(partners[right]) > 1 or not (left.is_open and right.is_open):
                for cell, other in ((left, right), (right, left)):
                    if cell.is_open:
                        cell.tie_to(partners[cell])
                    elif cell.tied_to is not partners[cell]:
                        # Tied at an earlier level, to others.
                        cell.tied_to.append(other)
        for _, left, right in at_level:
            if left.is_open and right.is_open:
                _take(found, left, right, is_keyed=is_keyed, base=base(rank))


def _up_to(pairs: Sequence[Pair], rank: Any, furthest: Any) -> list[Pair]:
    """Undecided pairs from one rank to another."""
    return [pair for pair in pairs if rank <= pair.rank <= furthest and pair.is_undecided()]


def _take(found: Found, left: Cell, right: Cell, *, is_keyed: bool, base: int) -> None:
    lefts, rights = left.lines, right.lines
    if not _may_take(lefts, rights, is_keyed):
        left.tie_to([right])
        right.tie_to([left])
        return
    if len(lefts) > 1:
        lefts = sorted(lefts, key=order)
    if len(rights) > 1:
        rights = sorted(rights, key=order)
    count = min(len(lefts), len(rights))
    for left_line, right_line in zip(lefts[:count], rights[:count], strict=True):
        found.match_one(left_line, right_line, base)
    left.lines, right.lines = lefts[count:], rights[count:]
    left.is_open, right.is_open = bool(left.lines), bool(right.lines)


def _may_take(lefts: list[Line], rights: list[Line], is_keyed: bool) -> bool:
    """Whether it makes no difference which line of one cell goes with which of the other."""
    if len(lefts) == len(rights):
        return len(lefts) == 1 or are_alike(lefts, not is_keyed) or are_alike(rights, not is_keyed)
    return is_keyed and are_alike(lefts if len(lefts) > len(rights) else rights, with_own_id=False)


def leave(found: Found, side: Side, cells: Iterable[Cell]) -> None:
    """What the pass did not match stays open, with what it is tied to."""
    rest = found.left if side == "left" else found.right
    for cell in cells:
        rest.extend(cell.lines)
        if cell.tied_to:
            candidates = [line for other in cell.tied_to for line in sorted(other.lines, key=order)[:MOST_CANDIDATES]]
            found.tie(side, cell.lines, candidates)
