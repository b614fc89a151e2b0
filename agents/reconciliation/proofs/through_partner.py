"""Three ways: which lines of the ledger and of the bank belong together by way of the partner's report. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import NamedTuple


class Sides(NamedTuple):
    """A match: ids of its lines on both sides."""

    left: tuple[str, ...]
    right: tuple[str, ...]


def through_partner(ledger_partner: Collection[Sides], partner_bank: Collection[Sides]) -> Iterator[tuple[str, ...]]:
    """Ids of lines of the ledger, then of the bank, of each group in which every line of the partner is matched twice.

    A group of which a line of the partner is matched with one side only is not whole: all of it is left out. What
    people have settled without a line of the partner is a group of its own.
    """
    ours, theirs = [match for match in ledger_partner if match.right], [match for match in partner_bank if match.left]
    yield from (match.left for match in ledger_partner if not match.right)
    yield from (match.right for match in partner_bank if not match.left)
    leader: dict[str, str] = {}

    def find(name: str) -> str:
        while leader.setdefault(name, name) != name:
            leader[name] = leader[leader[name]]
            name = leader[name]
        return name

    for partner_ids in (*(match.right for match in ours), *(match.left for match in theirs)):
        for other in partner_ids[1:]:
            leader[find(other)] = find(partner_ids[0])
    groups: dict[str, tuple[list[str], list[str], set[str], set[str]]] = {}
    for match in ours:
        group = groups.setdefault(find(match.right[0]), ([], [], set(), set()))
        group[0].extend(match.left)
        group[2].update(match.right)
    for match in theirs:
        group = groups.setdefault(find(match.left[0]), ([], [], set(), set()))
        group[1].extend(match.right)
        group[3].update(match.left)
    for ledger_ids, bank_ids, with_ledger, with_bank in groups.values():
        if with_ledger == with_bank:
            yield (*ledger_ids, *bank_ids)
