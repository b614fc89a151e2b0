"""Filters, compiled: a closure that says whether a fact passes. Numbers are compared exactly. Pure.

What a list says of a fact is not looked up here: the fact was enriched with it once (`agents.fraud.lists`), so that a
list that changes later changes no verdict.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from agents.fraud.lists import LIKENESS, likeness_field, listed_field
from schemas.facts import Fact, FactValue
from schemas.fraud_filters import All, Any_, Check, Filter, Not

#: Whether a fact passes.
Passes = Callable[[Fact], bool]


def number(value: Decimal) -> int | float:
    """The same number as facts have it: an int, or the float next to it.

    A number that is not an integer has at most 15 digits (`schemas.fraud_filters`): no int and no other float of so
    few digits lies between it and its float.
    """
    return float(value) if value % 1 else int(value)


def compile_filter(part: Filter) -> Passes:
    """A filter as a closure."""
    match part:
        case All():
            return _all([compile_filter(each) for each in part.all])
        case Any_():
            return any_of([compile_filter(each) for each in part.any])
        case Not():
            passes = compile_filter(part.not_)
            return lambda fact: not passes(fact)
    return _check(part)


def everything(_fact: Fact) -> bool:
    """The filter that each fact passes."""
    return True


def _all(parts: list[Passes]) -> Passes:
    # One closure for each usual length: no loop for what nearly every rule has.
    if not parts:
        return everything
    if len(parts) == 1:
        return parts[0]
    if len(parts) == 2:
        first, second = parts
        return lambda fact: first(fact) and second(fact)
    if len(parts) == 3:
        first, second, third = parts
        return lambda fact: first(fact) and second(fact) and third(fact)

    def passes(fact: Fact) -> bool:
        for part in parts:  # noqa: SIM110 - `all` with a generator takes twice as long
            if not part(fact):
                return False
        return True

    return passes


def any_of(parts: list[Passes]) -> Passes:
    """Whether a fact passes one of these; it passes none of none."""
    if len(parts) == 1:
        return parts[0]

    def passes(fact: Fact) -> bool:
        for part in parts:  # noqa: SIM110 - as above
            if part(fact):
                return True
        return False

    return passes


def _value(value: str | Decimal) -> FactValue:
    return value if isinstance(value, str) else number(value)


def _check(check: Check) -> Passes:
    field, op, value = check.field, check.op, check.value
    match op:
        case "present":
            return lambda fact: field in fact
        case "absent":
            return lambda fact: field not in fact
        case "in" | "not_in":
            assert isinstance(value, tuple)
            return _membership(field, frozenset(_value(each) for each in value), op == "in")
        case "in_list" | "not_in_list" | "resembles":
            assert isinstance(value, str)
            return _listed(check, value)
    assert value is not None
    assert not isinstance(value, tuple)
    wanted = _value(value)
    if op == "eq":
        return lambda fact: fact.get(field) == wanted
    if op == "ne":
        return lambda fact: fact.get(field) != wanted
    assert not isinstance(wanted, str)
    return _multiple(field, wanted) if op == "multiple_of" else _ordering(field, op, wanted)


def _membership(field: str, values: frozenset[FactValue], wanted: bool) -> Passes:
    if wanted:
        return lambda fact: fact.get(field) in values
    return lambda fact: fact.get(field) not in values


def _multiple(field: str, wanted: int | float) -> Passes:
    def passes(fact: Fact) -> bool:
        found = fact.get(field)
        return found is not None and found.__class__ is not str and found % wanted == 0

    return passes


def _ordering(field: str, op: str, wanted: int | float) -> Passes:
    """Text is neither above nor below a number: it does not pass."""

    def above(fact: Fact) -> bool:
        found = fact.get(field)
        return found is not None and found.__class__ is not str and found > wanted  # type: ignore[operator]

    def at_least(fact: Fact) -> bool:
        found = fact.get(field)
        return found is not None and found.__class__ is not str and found >= wanted  # type: ignore[operator]

    def below(fact: Fact) -> bool:
        found = fact.get(field)
        return found is not None and found.__class__ is not str and found < wanted  # type: ignore[operator]

    def at_most(fact: Fact) -> bool:
        found = fact.get(field)
        return found is not None and found.__class__ is not str and found <= wanted  # type: ignore[operator]

    return {"gt": above, "ge": at_least, "lt": below, "le": at_most}[op]


def _listed(check: Check, name: str) -> Passes:
    if check.op == "resembles":
        return _ordering(likeness_field(check.field, name), "ge", check.at_least or LIKENESS)
    listed = listed_field(check.field, name)
    if check.op == "in_list":
        return lambda fact: listed in fact
    return lambda fact: listed not in fact
