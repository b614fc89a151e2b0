"""Passes of cardinality 1:1: by key, by amount and day, by a reference that is alike."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from agents.reconciliation.matching.found import BY_AMOUNT, BY_KEY, Found, are_alike
from agents.reconciliation.matching.fuzzy import match_alike
from agents.reconciliation.matching.gates import Gate
from agents.reconciliation.matching.groups import by_key
from agents.reconciliation.matching.levels import Cell, Pair, cells_of, leave, settle
from agents.reconciliation.matching.lines import MOST_CANDIDATES, Line, order
from schemas.matching_rules import Pass

#: Partners of one cell that are looked at, the nearest first. With two it is tied already.
_MOST_PARTNERS: Final = MOST_CANDIDATES
#: Cells that are looked at for the nearest partners within a tolerance.
_MOST_LOOKED_AT: Final = 1_000


def match_singles(rule: Pass, left: Sequence[Line], right: Sequence[Line]) -> Found:
    """Match lines one to one."""
    found = Found(Gate(rule))
    lefts, found.left = by_key(left, rule.keys)
    rights, found.right = by_key(right, rule.keys)
    is_plain = bool(rule.keys) and rule.fuzzy is None
    gate = found.gate
    for key, ours in lefts.items():
        theirs = rights.pop(key, None)
        if theirs is None:
            found.left += ours
        elif is_plain and len(ours) == 1 and len(theirs) == 1:
            # Nearly all lines.
            one, other = ours[0], theirs[0]
            if gate.allows(gate.left_net(one), gate.right_net(other)) and gate.in_window(one.day, other.day):
                found.match_one(one, other, BY_KEY)
            else:
                found.left.append(one)
                found.right.append(other)
        elif rule.fuzzy is not None:
            match_alike(rule.fuzzy, found, ours, theirs)
        else:
            _match_block(found, ours, theirs, is_keyed=is_plain)
    for theirs in rights.values():
        found.right += theirs
    return found


def _match_block(found: Found, ours: list[Line], theirs: list[Line], *, is_keyed: bool) -> None:
    """Lines of one asset and key: equal amounts first, then those within the tolerance."""
    gate = found.gate
    lefts = cells_of(ours, gate.left_net, lambda _: 0)
    rights = cells_of(theirs, gate.right_net, lambda _: 0)
    base = BY_KEY if is_keyed else BY_AMOUNT
    near: Callable[[Any], Any] = _itself if is_keyed else _nearly
    for some, others in _of_equal_amount(lefts, rights):
        if is_keyed and _in_order_of_days(found, some, others):
            continue
        settle(found, list(_by_days(gate, some, others)), near, lambda _: base, is_keyed=is_keyed)
    if not gate.is_exact:
        settle(found, _by_amount(gate, lefts, rights, is_keyed), _itself, lambda _: base, is_keyed=is_keyed)
    leave(found, "left", lefts)
    leave(found, "right", rights)


def _itself(rank: Any) -> Any:
    return rank


def _nearly(days: int) -> int:
    """Without a key a single day says nothing: what settles a day later looks like what settles at once."""
    return days + 1


def _of_equal_amount(lefts: list[Cell], rights: list[Cell]) -> Iterator[tuple[list[Cell], list[Cell]]]:
    amounts: dict[int, tuple[list[Cell], list[Cell]]] = {}
    for cell in lefts:
        amounts.setdefault(cell.net, ([], []))[0].append(cell)
    for cell in rights:
        if cell.net in amounts:
            amounts[cell.net][1].append(cell)
    return ((some, others) for some, others in amounts.values() if others)


def _in_order_of_days(found: Found, some: list[Cell], others: list[Cell]) -> bool:
    """Match the first with the first, where one reference has one amount equally often on both sides."""
    lefts = [line for cell in some for line in sorted(cell.lines, key=order)]
    rights = [line for cell in others for line in sorted(cell.lines, key=order)]
    if len(lefts) != len(rights) or not (are_alike(lefts, with_own_id=False) and are_alike(rights, with_own_id=False)):
        return False
    together = list(zip(lefts, rights, strict=True))
    if not all(found.gate.in_window(one.day, other.day) for one, other in together):
        return False
    for one, other in together:
        found.match_one(one, other, BY_KEY)
    for cell in (*some, *others):
        cell.lines, cell.is_open = [], False
    return True


def _by_days(gate: Gate, some: list[Cell], others: list[Cell]) -> Iterator[Pair]:
    """Pairs of cells of one amount by how many days they are apart. Both lists are in order of days."""
    seen: set[tuple[int, int]] = set()
    for cells, partners, from_left in ((some, others, True), (others, some, False)):
        days = [cell.day for cell in partners]
        for cell in cells:
            low, high = 0, len(partners)
            if gate.first is not None and gate.last is not None:
                first, last = (gate.first, gate.last) if from_left else (-gate.last, -gate.first)
                low, high = bisect_left(days, cell.day + first), bisect_right(days, cell.day + last)
            if high - low > _MOST_PARTNERS:
                middle = min(max(bisect_left(days, cell.day), low), high)
                low, high = max(low, middle - _MOST_PARTNERS // 2), min(high, middle + _MOST_PARTNERS // 2)
            for partner in partners[low:high]:
                left, right = (cell, partner) if from_left else (partner, cell)
                if (left.day, right.day) not in seen:
                    seen.add((left.day, right.day))
                    yield Pair(abs(right.day - left.day), left, right)


def _by_amount(gate: Gate, lefts: list[Cell], rights: list[Cell], is_keyed: bool) -> list[Pair]:
    """Pairs within the tolerance of cells that have lines left. Without a key none is better than another."""
    pairs: dict[tuple[int, int], Pair] = {}
    lefts, rights = ([cell for cell in cells if cell.lines] for cells in (lefts, rights))
    if not lefts or not rights:
        return []
    most = max(abs(cell.net) for cell in (*lefts, *rights)) * 2
    for cells, partners, from_left in ((lefts, rights, True), (rights, lefts, False)):
        amounts = [cell.net for cell in partners]
        for cell in cells:
            reach = gate.right_reach(cell.net) if from_left else gate.left_reach(cell.net, most)
            near = 0
            for index in _outward(amounts, cell.net, reach):
                left, right = (cell, partners[index]) if from_left else (partners[index], cell)
                if gate.in_window(left.day, right.day) and gate.allows(left.net, right.net):
                    rank = (abs(right.net - left.net), abs(right.day - left.day)) if is_keyed else (0, 0)
                    pairs[id(left), id(right)] = Pair(rank, left, right)
                    near += 1
                    if near == _MOST_PARTNERS:
                        break
    return list(pairs.values())


def _outward(amounts: Sequence[int], amount: int, reach: int) -> Iterator[int]:
    """Indexes of amounts in order, from the nearest on, as far as the reach goes; only so many."""
    above = bisect_left(amounts, amount)
    below = above - 1
    for _ in range(_MOST_LOOKED_AT):
        up = amounts[above] - amount if above < len(amounts) else reach + 1
        down = amount - amounts[below] if below >= 0 else reach + 1
        if min(up, down) > reach:
            return
        if up <= down:
            yield above
            above += 1
        else:
            yield below
            below -= 1
