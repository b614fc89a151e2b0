"""What is matched already, by the references that open lines ask for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple, Protocol

from agents.reconciliation.matching.found import Matched
from agents.reconciliation.matching.groups import Key, values_of
from agents.reconciliation.matching.lines import CHARGEBACK_OF, OWN_ID, REVERSAL_OF, Line
from schemas.matching_rules import Rules
from schemas.reconciliation_reasons import Side

_LINKS = (REVERSAL_OF, CHARGEBACK_OF)
#: Lines of one key and side that are remembered; more say nothing new.
_MOST_REMEMBERED = 32


class Consumed(NamedTuple):
    """A line that is matched, and what it is matched with."""

    line: Line
    partners: tuple[str, ...]


def consumed(line: Line, partners: Sequence[Line]) -> Consumed:
    """A line, with as many of its partners as are remembered."""
    return Consumed(line, tuple([partner.line_id for partner in partners[:_MOST_REMEMBERED]]))


class Accounted(Protocol):
    """What the reasons ask of that which is matched already."""

    def of(self, number: int, values: Key, side: Side) -> Sequence[Consumed]:
        """Matched lines of a side that have these values of the key of this number."""
        ...

    def is_linked(self, line: Line) -> bool:
        """Whether any line is what this one takes back."""
        ...


def keys_of(rules: Rules) -> list[tuple[str, ...]]:
    """The keys of all passes, each once, in order."""
    return list(dict.fromkeys(rule.keys for rule in rules.passes if rule.keys))


class Step(NamedTuple):
    """What is looked at next: ties of some passes, by number, then lines that share a key; without one, all else."""

    passes: tuple[int, ...]
    keys: tuple[str, ...]


def steps_of(rules: Rules) -> list[Step]:
    """All steps, in order; their numbers are those of `keys_of`, and the last one has no key."""
    steps: list[Step] = []
    passes: list[int] = []
    seen: set[tuple[str, ...]] = {()}
    for number, rule in enumerate(rules.passes):
        passes.append(number)
        if rule.keys not in seen:
            seen.add(rule.keys)
            steps.append(Step(tuple(passes), rule.keys))
            passes.clear()
    return [*steps, Step(tuple(passes), ())]


def link_of(line: Line) -> str | None:
    """The reference of what a reversal or chargeback takes back, if it says one."""
    return line.references.get(REVERSAL_OF if line.kind == "reversal" else CHARGEBACK_OF)


class MatchedIndex:
    """Finds matched lines by the keys of open ones, in one walk over what is matched.

    Args:
        rules: whose keys are looked at.
        open_lines: the lines that ask; only what concerns them is remembered.
    """

    def __init__(self, rules: Rules, open_lines: Iterable[Line]):
        self._keys = keys_of(rules)
        self._asked: list[set[Key]] = [set() for _ in self._keys]
        self._found: dict[tuple[int, Key, Side], list[Consumed]] = {}
        self._links: set[str] = set()
        #: References that are looked for and that a payment has.
        self._linked: set[str] = set()
        lines = list(open_lines)
        for line in lines:
            for asked, keys in zip(self._asked, self._keys, strict=True):
                values = values_of(line, keys)
                if values is not None:
                    asked.add(values)
            if line.kind != "payment":
                self._links.update(references_back(line))
        if self._links:
            for line in lines:
                self._link(line)

    def add(self, matched: Iterable[Matched]) -> None:
        """Remember what concerns the open lines."""
        for each in matched:
            for line in each.lefts:
                self._add(line, "left", each.rights)
            for line in each.rights:
                self._add(line, "right", each.lefts)

    def _add(self, line: Line, side: Side, partners: Sequence[Line]) -> None:
        for number, keys in enumerate(self._keys):
            values = values_of(line, keys)
            if values is not None and values in self._asked[number]:
                self._found.setdefault((number, values, side), []).append(consumed(line, partners))
        if self._links:
            self._link(line)

    def _link(self, line: Line) -> None:
        self._linked.update(value for value in paid_under(line) if value in self._links)

    def of(self, number: int, values: Key, side: Side) -> Sequence[Consumed]:
        """Matched lines of a side that have these values of the key of this number."""
        return self._found.get((number, values, side), ())

    def is_linked(self, line: Line) -> bool:
        """Whether any line is what this one takes back."""
        return any(value in self._linked for value in references_back(line))


def references_back(line: Line) -> list[str]:
    """The references by which a reversal or chargeback may name what it takes back: the one it says, else any."""
    link = link_of(line)
    if link is not None:
        return [link]
    return [value for name, value in line.references.items() if name != OWN_ID]


def paid_under(line: Line) -> list[str]:
    """The references of a payment, by any of which it may be taken back; of what is none there are none."""
    return [value for name, value in line.references.items() if name != OWN_ID] if line.kind == "payment" else []


def partners_of(lines: Iterable[Consumed]) -> tuple[str, ...]:
    """Ids of what lines are matched with, each once."""
    return tuple(dict.fromkeys(partner for each in lines for partner in each.partners))
