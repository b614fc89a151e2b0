"""A reference that need only be alike: typed by hand, cut off, or with something before it."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from typing import Final

from rapidfuzz import fuzz

from agents.reconciliation.matching.found import BY_ALIKE, Found
from agents.reconciliation.matching.levels import Cell, Pair, cells_of, leave, settle
from agents.reconciliation.matching.lines import Line
from schemas.matching_rules import Fuzzy

#: Most cells of the right that one of the left is compared with; beyond it none is.
MOST_COMPARED: Final = 1_000
#: Longest reference that is compared, in characters; what is behind it does not count.
_LONGEST: Final = 256
_BETWEEN: Final = re.compile(r"[\W_]+")


def plain(reference: str) -> str:
    """A reference without case, blanks and signs: `RF-18 5390` is `rf185390`."""
    return _BETWEEN.sub("", reference.casefold())[:_LONGEST]


def likeness(one: str, other: str) -> int:
    """How alike two plain references are, 0 to 100: the share of their characters that stands in both, in order.

    Source: the normalised indel distance of rapidfuzz, rounded down.
    """
    return int(fuzz.ratio(one, other))


def match_alike(rule: Fuzzy, found: Found, ours: Sequence[Line], theirs: Sequence[Line]) -> None:
    """Match lines of one asset, and of one key where the pass has one, by how alike their references are.

    Amounts and days must be within what the pass allows.
    """
    gate = found.gate

    def text(line: Line) -> str:
        return plain(line.references.get(rule.reference, ""))

    def cells(lines: Sequence[Line], net: Callable[[Line], int], rest: list[Line]) -> list[Cell]:
        rest += [line for line in lines if not text(line)]
        return cells_of([line for line in lines if text(line)], net, text)

    lefts = cells(ours, gate.left_net, found.left)
    rights = cells(theirs, gate.right_net, found.right)
    pairs = _pairs(rule, found, lefts, rights)
    # A rank is what is missing in likeness: the less alike, the less certain.
    settle(found, pairs, lambda rank: rank + rule.margin, lambda rank: BY_ALIKE - rank, is_keyed=False)
    leave(found, "left", lefts)
    leave(found, "right", rights)


def _pairs(rule: Fuzzy, found: Found, lefts: list[Cell], rights: list[Cell]) -> list[Pair]:
    gate, amounts = found.gate, [cell.net for cell in rights]
    texts = [plain(cell.lines[0].references[rule.reference]) for cell in rights]
    pairs = []
    for left in lefts:
        reach = gate.right_reach(left.net)
        low, high = bisect_left(amounts, left.net - reach), bisect_right(amounts, left.net + reach)
        if high - low > MOST_COMPARED:
            found.not_tried += len(left.lines)
            continue
        text = plain(left.lines[0].references[rule.reference])
        for right, other in zip(rights[low:high], texts[low:high], strict=True):
            if gate.allows(left.net, right.net) and gate.in_window(left.day, right.day):
                alike = likeness(text, other)
                if alike >= rule.minimum:
                    pairs.append(Pair(100 - alike, left, right))
    return pairs
