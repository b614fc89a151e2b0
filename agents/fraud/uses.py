"""Which fields a rule looks at, where, and whether as text or as a number. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Final, NamedTuple

from schemas.facts import FieldKind
from schemas.fraud_filters import Check, checks_of
from schemas.fraud_rules import Aggregate, Rule

_NUMERIC: Final = ("sum", "avg", "min", "max", "stddev", "ratio")


class Use(NamedTuple):
    """A field that a rule looks at: where, and as what; None where either will do."""

    field: str
    where: str
    kind: FieldKind | None


def uses(rule: Rule) -> Iterator[Use]:
    """All fields that a rule looks at, one for each place."""
    yield from (Use(field, "key", None) for field in rule.key)
    for where, part in rule.filters():
        yield from (Use(check.field, where, _kind_of(check)) for _, check in checks_of(part))
    condition = rule.condition
    if rule.aggregate is not None:
        yield from _uses_of("aggregate", rule.aggregate)
    if condition is not None:
        if condition.left is not None:
            yield Use(condition.left, "condition.left", "number")
        if condition.against is not None:
            yield from _uses_of("condition.against", condition.against)


def _uses_of(where: str, aggregate: Aggregate) -> Iterator[Use]:
    function = aggregate.function
    if function == "speed_kmh":
        yield from (Use(field, where, "number") for field in ("latitude", "longitude"))
    if aggregate.in_asset is not None:
        yield Use("asset", f"{where}.in_asset", "text")
    if aggregate.field is not None:
        kind: FieldKind | None = "number" if function in _NUMERIC else None
        if function == "share" and aggregate.value is not None:
            kind = _kind_of_value(aggregate.value)
        yield Use(aggregate.field, f"{where}.field", kind)


def _kind_of(check: Check) -> FieldKind | None:
    if check.op in ("gt", "ge", "lt", "le", "multiple_of"):
        return "number"
    if check.op == "resembles":
        return "text"
    if check.op in ("eq", "ne"):
        return _kind_of_value(check.value)
    if check.op in ("in", "not_in") and isinstance(check.value, tuple):
        kinds = {_kind_of_value(each) for each in check.value}
        return kinds.pop() if len(kinds) == 1 else None
    return None


def _kind_of_value(value: Any) -> FieldKind:
    return "number" if isinstance(value, Decimal) else "text"
