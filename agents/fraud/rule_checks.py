"""What is asked of a rule by itself when it is published: fields, lists, windows, and that it can fire. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from difflib import get_close_matches
from typing import NamedTuple

from agents.fraud.compile import AMOUNTS
from agents.fraud.contradictions import never_holds, never_passes
from agents.fraud.uses import uses
from schemas.facts import ANOMALY_SCORE, MOST_ANOMALOUS, FieldKind
from schemas.fraud_filters import Check, Filter, checks_of
from schemas.fraud_rules import Aggregate, Rule


class Refusal(NamedTuple):
    """One reason why a rule is not taken: where it is in the rule, what is wrong, and what to do."""

    where: str
    reason: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.where}: {self.reason}; {self.remedy}" if self.where else f"{self.reason}; {self.remedy}"


def of_fields(rule: Rule, fields: Mapping[str, FieldKind]) -> Iterator[Refusal]:
    """Fields that facts do not have, or that hold something else."""
    seen: set[tuple[str, str]] = set()
    for use in uses(rule):
        if (use.where, use.field) in seen:
            continue
        kind = fields.get(use.field)
        if kind is None:
            yield Refusal(use.where, f"facts have no field {use.field!r}", _nearest(use.field, fields))
        elif use.kind is not None and use.kind != kind:
            is_, taken = ("text", "a number") if kind == "text" else ("a number", "text")
            yield Refusal(use.where, f"{use.field} is {is_} and is taken for {taken}", "compare it with what it is")
        elif use.field == "party_id" and "party_id" not in rule.key:
            yield Refusal(use.where, "party_id is there in histories of parties only", "put it into the key as well")
        else:
            continue
        seen.add((use.where, use.field))


def _nearest(field: str, fields: Mapping[str, FieldKind]) -> str:
    near = get_close_matches(field, fields, 1, 0.6)
    return f"is {near[0]} meant?" if near else f"there are {', '.join(sorted(fields))}"


def of_lists(rule: Rule, has_list: Callable[[str], bool] | None) -> Iterator[Refusal]:
    """Lists that are not there, or not for this. `has_list` is None where it is not asked whether there is one."""
    for where, check in _list_checks(rule):
        if check.field == "party_id":
            remedy = "compare wallet_id and to_wallet_id with it"
            yield Refusal(where, "facts are compared with lists before they are seen from a party", remedy)
        if has_list is not None and not has_list(str(check.value)):
            yield Refusal(where, f"there is no list {check.value}", "put it on the topic `lists` first")


def of_windows(rule: Rule, retention_s: int) -> Iterator[Refusal]:
    """Windows that reach too far back, and histories that are no longer than what is compared with them."""
    for where, seconds in _windows(rule):
        if seconds > retention_s:
            yield Refusal(
                where,
                f"{seconds} s reach further back than histories do, {retention_s} s",
                f"ask for at most {retention_s}",
            )
    against = rule.condition.against if rule.condition is not None else None
    if against is not None and rule.aggregate is not None and _is_own_history(rule.aggregate, against):
        yield Refusal(
            "condition.against.window_s",
            f"{against.window_s} s of history are no measure for {rule.aggregate.window_s} s of the same",
            "give the history a longer window than what is compared with it",
        )


def of_assets(rule: Rule) -> Iterator[Refusal]:
    """Amounts that are compared with amounts in another asset."""
    condition, aggregate = rule.condition, rule.aggregate
    if condition is None or aggregate is None or not _is_amount(aggregate):
        return
    if aggregate.in_asset is not None and condition.left == "available_minor":
        reason = f"available_minor is in the fact's own asset, and is compared with amounts in {aggregate.in_asset}"
        yield Refusal("condition.left", reason, "leave in_asset out, or compare amount_minor, which is exchanged")
    against = condition.against
    if against is not None and _is_amount(against) and against.in_asset != aggregate.in_asset:
        one, other = (each.in_asset or "the fact's own asset" for each in (aggregate, against))
        reason = f"amounts in {one} are compared with amounts in {other}"
        yield Refusal("condition.against", reason, "give both the same in_asset")


def _is_amount(aggregate: Aggregate) -> bool:
    return aggregate.field in AMOUNTS and aggregate.function in ("sum", "avg", "min", "max", "stddev")


def of_scores(rule: Rule) -> Iterator[Refusal]:
    """A part of one where a learned score goes by whole numbers: nearly every fact would pass it, or none."""
    asked = [(where, check.value) for where, part in rule.filters() for _, check in checks_of(part) if _is_score(check)]
    condition = rule.condition
    if condition is not None and rule.aggregate is None and condition.left == ANOMALY_SCORE:
        asked.append(("condition.value", condition.value))
    for where, value in asked:
        for each in value if isinstance(value, tuple) else (value,):
            if isinstance(each, Decimal) and each % 1:
                remedy = f"ask for {round(each * MOST_ANOMALOUS)}" if 0 < each < 1 else f"ask for {int(each)}"
                yield Refusal(where, f"{ANOMALY_SCORE} is a whole number from 0 to {MOST_ANOMALOUS:,}", remedy)


def _is_score(check: Check) -> bool:
    return check.field == ANOMALY_SCORE


def _list_checks(rule: Rule) -> Iterator[tuple[str, Check]]:
    for where, part in rule.filters():
        for _, check in checks_of(part):
            if check.op in ("in_list", "not_in_list", "resembles"):
                yield where, check


def _aggregates(rule: Rule) -> Iterator[tuple[str, Aggregate]]:
    if rule.aggregate is not None:
        yield "aggregate", rule.aggregate
    if rule.condition is not None and rule.condition.against is not None:
        yield "condition.against", rule.condition.against


def _windows(rule: Rule) -> Iterator[tuple[str, int]]:
    """All that a rule makes histories and alerts reach back for, in seconds."""
    for where, aggregate in _aggregates(rule):
        yield f"{where}.window_s", aggregate.window_s
    if rule.sequence is not None:
        yield "sequence.within_s", rule.sequence.within_s
    if rule.combination is not None:
        yield "combination.within_s", rule.combination.within_s
    yield "cooldown_s", rule.cooldown_s


def _is_own_history(aggregate: Aggregate, against: Aggregate) -> bool:
    """Whether the same is computed of a window that is not longer."""
    what = {"window_s": 1, "min_events": 0, "include_current": False}
    is_same = aggregate.model_copy(update=what) == against.model_copy(update=what)
    if not is_same or against.window_s > aggregate.window_s:
        return False
    return against.window_s < aggregate.window_s or aggregate.include_current == against.include_current


def of_contradictions(rule: Rule) -> Iterator[Refusal]:
    """What no fact can pass."""
    looked_at: list[Filter] = [rule.filter]
    condition = rule.condition
    if condition is not None and rule.aggregate is None and condition.left is not None:
        looked_at.append(Check(field=condition.left, op=condition.op, value=condition.value))
    asked: list[tuple[str, list[Filter]]] = [("filter", looked_at)]
    if rule.sequence is not None:
        asked += [(f"sequence.steps.{index}", [rule.filter, step]) for index, step in enumerate(rule.sequence.steps)]
    for where, aggregate in _aggregates(rule):
        counted = rule.filter if aggregate.filter is None else aggregate.filter
        parts = (
            ("filter", aggregate.filter),
            ("numerator", aggregate.numerator),
            ("denominator", aggregate.denominator),
        )
        asked += [(f"{where}.{name}", [counted, part]) for name, part in parts if part is not None]
    for where, parts_of_it in asked:
        field = never_passes(parts_of_it)
        if field is not None:
            because = f": what it asks of {field} contradicts itself" if field else ""
            yield Refusal(where, f"no fact passes it{because}", "correct it")
            if where == "filter":
                return
    if rule.aggregate is not None and condition is not None:
        why = never_holds(rule.aggregate, condition)
        if why is not None:
            yield Refusal("condition", why, "correct the value")
