"""Rules, compiled: what of a rule can be settled once is settled here, so that a fact costs little. Pure."""

from __future__ import annotations

import operator
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from agents.fraud.entries import Exact, Kind, RuleRef
from agents.fraud.filters import Passes, compile_filter
from agents.fraud.measures import ACCUMULATORS, Ratio, exact_number, signed_square
from schemas.facts import Fact
from schemas.fraud_filters import Filter, checks_of
from schemas.fraud_rules import Aggregate, Rule

#: What a value of a window is read off; None where the fact does not count.
Extract = Callable[[Fact], Any]

#: Fields in minor units of the fact's own asset: those of different assets are not added up, nor compared.
AMOUNTS: Final = frozenset({"amount_minor", "available_minor"})
#: Cost of one fact in units of about the time that one check of a filter takes.
_COST_OF_RULE: Final = 2
_COST_OF_WINDOW: Final = 6
_COSTS: Final = {"min": 12, "max": 12, "stddev": 8, "ratio": 10, "speed_kmh": 10}

_COMPARISONS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "gt": operator.gt,
    "ge": operator.ge,
    "lt": operator.lt,
    "le": operator.le,
    "eq": operator.eq,
    "ne": operator.ne,
}


@dataclass(frozen=True, slots=True, eq=False)
class Spec:
    """An aggregate.

    Attributes:
        passes: which facts count; None for those that the rule's own filter passes.
        filter: the same as it was published.
        extract: the value that a fact adds; None where each counts alike.
        source: what `extract` is known by: the same for all aggregates that read the same value.
        by_asset: each asset is counted apart.
        accumulator, measure: how values are held and read; None where the window's entries are looked at, and the
            latter of `share`, which hangs on the fact as well.
        counts_alone: how many entries there are is all that is asked.
        squared: what is measured is the square of what is meant.
        value: of `share`, the value that is asked for; None for the fact's own.
        least_metres: of `speed_kmh`, the distance below which nothing has moved.
    """

    function: str
    window_ms: int
    include_current: bool
    min_events: int
    passes: Passes | None
    filter: Filter | None
    extract: Extract | None
    source: Hashable
    by_asset: bool
    accumulator: Callable[[], Any] | None
    measure: Callable[[Any], Ratio | None] | None
    counts_alone: bool
    squared: bool
    value: Any
    least_metres: int


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class CompiledRule:
    """A rule that facts can be shown.

    Attributes:
        rule: what was published.
        ref: its id and version.
        kind: its key.
        passes: its filter.
        aggregate, against: its windows.
        left: the field that it compares, as an exact number; None where it compares an aggregate.
        compare: how what it looks at is compared with the limit.
        limit: what it is compared with, where that is a number; squared where the aggregate is.
        factor: what the aggregate (or `against`) is multiplied with, where it is compared with that.
        most: the limit or factor on the other side, where there is one; squared alike.
        squared: both sides are compared by their squares.
        steps, within_ms: of a sequence; `within_ms` also of a combination.
        retention_ms: how far back it looks.
        cost: of one fact, in about the time that one check of a filter takes.
    """

    rule: Rule
    ref: RuleRef
    kind: Kind
    passes: Passes
    aggregate: Spec | None
    against: Spec | None
    left: Extract | None
    compare: Callable[[Any, Any], bool] | None
    limit: Ratio | None
    factor: Ratio | None
    most: Ratio | None
    squared: bool
    steps: tuple[Passes, ...]
    within_ms: int
    retention_ms: int
    cost: int

    def __repr__(self) -> str:
        return f"CompiledRule({self.ref[0]!r}, version {self.ref[1]})"


def exchanged_field(asset: str) -> str:
    """Where a fact holds its amount exchanged into `asset`, floored, as the rate was when it was made.

    A fact in another asset without it does not count in what names `in_asset`.
    """
    return f"amount_minor>{asset}"


def exchange_assets(rules: Iterable[Rule]) -> frozenset[str]:
    """The assets that facts have to hold their amount in for these rules."""
    found: set[str] = set()
    for rule in rules:
        for aggregate in (rule.aggregate, rule.condition.against if rule.condition else None):
            if aggregate is not None and aggregate.in_asset is not None:
                found.add(aggregate.in_asset)
    return frozenset(found)


def compile_rules(rules: Iterable[Rule]) -> list[CompiledRule]:
    """All of them, whatever their state: see `in_effect` for those that a live role looks at."""
    return [compile_rule(rule) for rule in rules]


def in_effect(rules: Iterable[Rule]) -> list[Rule]:
    """Those that see facts: active ones and those in shadow."""
    return [rule for rule in rules if rule.state in ("active", "shadow")]


def compile_rule(rule: Rule) -> CompiledRule:
    """A rule that has passed its model; what it looks at need not exist (`agents.fraud.published` sees to that)."""
    condition = rule.condition
    aggregate = None if rule.aggregate is None else _spec(rule.aggregate)
    against = None if condition is None or condition.against is None else _spec(condition.against)
    squared = any(spec is not None and spec.squared for spec in (aggregate, against))
    limit = factor = most = left = None
    if condition is not None:
        if condition.value is not None:
            limit = _signed(_ratio(condition.value), squared)
        if condition.factor is not None:
            factor = _signed(_ratio(condition.factor), squared)
        if condition.at_most is not None:
            most = _signed(_ratio(condition.at_most), squared)
        if condition.left is not None:
            left = _number_of(condition.left, None if rule.aggregate is None else rule.aggregate.in_asset)
    within_s = rule.sequence.within_s if rule.sequence else rule.combination.within_s if rule.combination else 0
    looks_back = [spec.window_ms for spec in (aggregate, against) if spec is not None]
    return CompiledRule(
        rule=rule,
        ref=(rule.rule_id, rule.version),
        kind=rule.key,
        passes=compile_filter(rule.filter),
        aggregate=aggregate,
        against=against,
        left=left,
        compare=None if condition is None else _COMPARISONS[condition.op],
        limit=limit,
        factor=factor,
        most=most,
        squared=squared,
        steps=tuple(compile_filter(step) for step in rule.sequence.steps) if rule.sequence else (),
        within_ms=within_s * 1000,
        retention_ms=max([*looks_back, within_s * 1000]),
        cost=cost_of(rule),
    )


def cost_of(rule: Rule) -> int:
    """What one fact costs, in about the time that one check of a filter takes; twice for both parties of a fact."""
    cost = _COST_OF_RULE + sum(max(1, len(checks_of(part))) for _, part in rule.filters())
    for aggregate in (rule.aggregate, rule.condition.against if rule.condition else None):
        if aggregate is not None:
            cost += _COSTS.get(aggregate.function, _COST_OF_WINDOW)
    if rule.combination is not None:
        cost += len(rule.combination.rules)
    return cost * 2 if "party_id" in rule.key else cost


def _ratio(value: Decimal) -> Ratio:
    return value.as_integer_ratio()


def _signed(ratio: Ratio, squared: bool) -> Ratio:
    return signed_square(ratio) if squared else ratio


def _spec(aggregate: Aggregate) -> Spec:
    function, field = aggregate.function, aggregate.field
    accumulator, measure = ACCUMULATORS.get(function, (None, None))
    value: Any = aggregate.value
    if isinstance(value, Decimal):
        value = float(value) if value % 1 else int(value)
    return Spec(
        function=function,
        window_ms=aggregate.window_s * 1000,
        include_current=aggregate.include_current,
        min_events=aggregate.min_events,
        passes=None if aggregate.filter is None else compile_filter(aggregate.filter),
        filter=aggregate.filter,
        extract=_extract(aggregate),
        source=_source(aggregate),
        by_asset=field in AMOUNTS and aggregate.in_asset is None,
        accumulator=accumulator,
        measure=measure,
        counts_alone=function == "count",
        squared=function == "stddev",
        value=value,
        least_metres=(aggregate.at_least_km or 0) * 1000,
    )


def _extract(aggregate: Aggregate) -> Extract | None:
    function, field = aggregate.function, aggregate.field
    if function == "speed_kmh":
        return _place
    if function == "ratio":
        return _ratio_parts(aggregate)
    if field is None:
        return None
    if function in ("count_distinct", "share") and aggregate.in_asset is None:
        name = field
        return lambda fact: fact.get(name)
    return _number_of(field, aggregate.in_asset)


def _source(aggregate: Aggregate) -> Hashable:
    """What `_extract` reads: equal for aggregates whose values are the same."""
    function, field = aggregate.function, aggregate.field
    if function == "speed_kmh":
        return "place"
    if function == "ratio":
        return "ratio", field, aggregate.in_asset, aggregate.numerator, aggregate.denominator
    if field is None:
        return None
    is_raw = function in ("count_distinct", "share") and aggregate.in_asset is None
    return "value" if is_raw else "number", field, aggregate.in_asset


def _number_of(field: str, in_asset: str | None) -> Callable[[Fact], Exact | None]:
    if in_asset is not None and field == "amount_minor":
        exchanged = exchanged_field(in_asset)

        def amount(fact: Fact) -> Exact | None:
            return exact_number(fact.get("amount_minor" if fact.get("asset") == in_asset else exchanged))

        return amount

    def number_of(fact: Fact) -> Exact | None:
        value = fact.get(field)
        return value if value.__class__ is int else exact_number(value)

    return number_of


def _place(fact: Fact) -> bool | None:
    """Something where the fact has a place."""
    latitude, longitude = exact_number(fact.get("latitude")), exact_number(fact.get("longitude"))
    return None if latitude is None or longitude is None else True


def _ratio_parts(aggregate: Aggregate) -> Extract:
    assert aggregate.numerator is not None
    above = compile_filter(aggregate.numerator)
    below = None if aggregate.denominator is None else compile_filter(aggregate.denominator)
    number_of = None if aggregate.field is None else _number_of(aggregate.field, aggregate.in_asset)

    def parts(fact: Fact) -> tuple[Exact, Exact] | None:
        value: Exact | None = 1 if number_of is None else number_of(fact)
        if value is None:
            return None
        return value if above(fact) else 0, value if below is None or below(fact) else 0

    return parts
