"""Filters and conditions that nothing can pass: a rule that has one never fires, and nobody would notice. Pure.

Each way to pass a filter is tried until one is left in which every field can have a value. There can be many ways, so
only so many steps are made; what is not settled by then is taken to be passable.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, Final, NamedTuple

from agents.fraud.lists import LIKENESS, likeness_field, listed_field
from schemas.facts import ANOMALY_SCORE, MOST_ANOMALOUS
from schemas.fraud_filters import All, Any_, Check, Filter, Not
from schemas.fraud_rules import Aggregate, Condition

#: Checks that are looked at before a filter is taken to be passable.
MAX_STEPS: Final = 5_000


class _Values(NamedTuple):
    """What a field may still be. `low` and `high` are of numbers; open where the bound itself is out.

    Of a `whole` field numbers are integers.
    """

    absent: bool = True
    present: bool = True
    numeric: bool = False
    whole: bool = False
    low: Decimal | None = None
    low_open: bool = False
    high: Decimal | None = None
    high_open: bool = False
    allowed: frozenset[str | Decimal] | None = None
    excluded: frozenset[str | Decimal] = frozenset()

    def possible(self) -> bool:
        """Whether anything is left."""
        return self.absent or (self.present and self._has_value())

    def _has_value(self) -> bool:
        if self.allowed is not None:
            return any(self._takes(value) for value in self.allowed - self.excluded)
        if not self.numeric or self.low is None or self.high is None:
            return True
        if self.whole:
            return self._has_integer(self.low, self.high)
        if self.low < self.high:
            return True
        is_point = self.low == self.high and not self.low_open and not self.high_open
        return is_point and self.low not in self.excluded

    def _has_integer(self, low: Decimal, high: Decimal) -> bool:
        first, last = math.ceil(low), math.floor(high)
        first += self.low_open and first == low
        last -= self.high_open and last == high
        # With so many values one is left, whichever are excluded.
        last = min(last, first + len(self.excluded))
        return any(Decimal(value) not in self.excluded for value in range(first, last + 1))

    def _takes(self, value: str | Decimal) -> bool:
        if isinstance(value, str):
            return not self.numeric
        if self.whole and value % 1:
            return False
        above = self.low is None or value > self.low or (value == self.low and not self.low_open)
        return above and (self.high is None or value < self.high or (value == self.high and not self.high_open))

    def above(self, low: Decimal, is_open: bool) -> _Values:
        """Numbers from `low` on."""
        if self.low is not None and (self.low, self.low_open) >= (low, is_open):
            return self
        return self._replace(low=low, low_open=is_open)

    def below(self, high: Decimal, is_open: bool) -> _Values:
        """Numbers up to `high`."""
        if self.high is not None and (self.high, not self.high_open) <= (high, not is_open):
            return self
        return self._replace(high=high, high_open=is_open)


_INTEGER: Final = _Values(numeric=True, whole=True)
#: What fields of the ledger's facts can be.
_DOMAINS: Final[Mapping[str, _Values]] = {
    "hour": _INTEGER._replace(low=Decimal(0), high=Decimal(23)),
    "weekday": _INTEGER._replace(low=Decimal(0), high=Decimal(6)),
    ANOMALY_SCORE: _INTEGER._replace(low=Decimal(0), high=Decimal(MOST_ANOMALOUS)),
    "amount_minor": _INTEGER,
    "available_minor": _INTEGER,
    "wallet_age_s": _INTEGER,
    "late_ms": _INTEGER,
    "direction": _Values(allowed=frozenset({"in", "out"})),
    "disputed_direction": _Values(allowed=frozenset({"in", "out"})),
    "status": _Values(allowed=frozenset({"accepted", "rejected"})),
}
_OPPOSITES: Final = {
    "gt": "le",
    "ge": "lt",
    "lt": "ge",
    "le": "gt",
    "eq": "ne",
    "ne": "eq",
    "in": "not_in",
    "not_in": "in",
    "present": "absent",
    "absent": "present",
}


def never_passes(parts: Iterable[Filter]) -> str | None:
    """The field that stands in the way where no fact passes all of these filters, empty where it is none; or None."""
    search = _Search()
    passable = search.passable({}, [(part, False) for part in parts])
    return None if passable else search.blamed


class _Search:
    """Looks for a way to pass."""

    def __init__(self) -> None:
        self.blamed = ""
        self._steps = 0

    def passable(self, known: dict[str, _Values], todo: list[tuple[Filter, bool]]) -> bool:
        """Whether there is a way through `todo`: filters, each with whether it is to be failed instead."""
        known, todo = dict(known), list(todo)
        choices: list[list[tuple[Filter, bool]]] = []
        while todo:
            part, fails = todo.pop()
            self._steps += 1
            if self._steps > MAX_STEPS:
                return True
            match part:
                case Not():
                    todo.append((part.not_, not fails))
                case All() if not fails:
                    todo += [(each, False) for each in part.all]
                case Any_() if fails:
                    todo += [(each, True) for each in part.any]
                case All():
                    choices.append([(each, True) for each in part.all])
                case Any_():
                    choices.append([(each, False) for each in part.any])
                case Check():
                    if not self._narrow(known, part, fails):
                        return False
        if not choices:
            return True
        # All others have to be passed as well, whichever way is taken here.
        others = [_either(choice) for choice in choices[1:]]
        return any(self.passable(known, [each, *others]) for each in choices[0])

    def _narrow(self, known: dict[str, _Values], check: Check, fails: bool) -> bool:
        for field, op, value, failed in _plain_checks(check, fails):
            before = known.get(field) or _DOMAINS.get(field) or _Values()
            known[field] = _narrowed(before, op, value, failed)
            if not known[field].possible():
                self.blamed = check.field
                return False
        return True


def _either(choice: list[tuple[Filter, bool]]) -> tuple[Filter, bool]:
    """A choice as one filter again."""
    if choice and not choice[0][1]:
        return Any_.model_construct(any=tuple(part for part, _ in choice)), False
    return All.model_construct(all=tuple(part for part, _ in choice)), True


def _plain_checks(check: Check, fails: bool) -> list[tuple[str, str, Any, bool]]:
    """A check, and what it is about lists as checks of what the fact holds of them."""
    name = str(check.value)
    match check.op:
        case "in_list" | "not_in_list":
            on_it = (check.op == "in_list") != fails
            found: list[tuple[str, str, Any, bool]] = [
                (listed_field(check.field, name), "present" if on_it else "absent", None, False)
            ]
            return [*found, (check.field, "present", None, False)] if on_it else found
        case "resembles":
            like = (likeness_field(check.field, name), "ge", Decimal(check.at_least or LIKENESS), fails)
            return [like] if fails else [like, (check.field, "present", None, False)]
    return [(check.field, check.op, check.value, fails)]


def _narrowed(values: _Values, op: str, value: Any, fails: bool) -> _Values:
    """What is left where a check passes, or fails."""
    if op in ("gt", "ge", "lt", "le"):
        # To fail it, text will do, or nothing at all.
        left = values if fails else values._replace(absent=False, numeric=True)
        op = _OPPOSITES[op] if fails else op
        is_open = op in ("gt", "lt")
        return left.above(value, is_open) if op in ("gt", "ge") else left.below(value, is_open)
    if fails and op not in _OPPOSITES:
        return values
    match _OPPOSITES[op] if fails else op:
        case "absent":
            return values._replace(present=False)
        case "eq" | "in":
            wanted = frozenset(value) if isinstance(value, tuple) else frozenset([value])
            allowed = wanted if values.allowed is None else values.allowed & wanted
            return values._replace(absent=False, allowed=allowed)
        case "ne" | "not_in":
            unwanted = frozenset(value) if isinstance(value, tuple) else frozenset([value])
            return values._replace(excluded=values.excluded | unwanted)
    return values._replace(absent=False)


def never_holds(aggregate: Aggregate, condition: Condition) -> str | None:
    """Why an aggregate can never compare so with a number; None where it may."""
    if condition.value is None:
        return None
    function = aggregate.function
    least: Decimal | None = None
    most: Decimal | None = None
    if function in ("count", "count_distinct", "stddev", "time_since_last", "share", "speed_kmh"):
        # A fact that the rule looks at is in its own window, unless what counts there is another filter's.
        own = int(function == "count" and aggregate.include_current and aggregate.filter is None)
        least = Decimal(max(own, aggregate.min_events) if function == "count" else 0)
    elif function == "ratio" and aggregate.field is None:
        least = Decimal(0)
    if function == "share":
        most = Decimal(1)
    elif function == "time_since_last":
        most = Decimal(aggregate.window_s)
    values = _Values(absent=False, numeric=True, whole=function in ("count", "count_distinct"), low=least, high=most)
    values = _narrowed(values, condition.op, condition.value, False)
    if condition.at_most is not None:
        values = values.below(condition.at_most, False)
    if function == "time_since_last" and most is not None:
        values = values.below(most, True)
    if values.possible():
        return None
    between = f"at least {least}" if most is None else f"from {least} to {most}"
    integer = "a whole number, " if values.whole and condition.value % 1 else ""
    ends = "" if condition.at_most is None else f" and at most {condition.at_most}"
    return f"{function} is {integer}{between}, which is never {condition.op} {condition.value}{ends}"
