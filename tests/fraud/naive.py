"""Fraud rules by the book: each window is collected and computed from scratch for each fact, with fractions.

Shares nothing with what it tests but the rules' model. Slow and plain.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any, NamedTuple

from schemas.fraud_rules import Aggregate, Rule
from tests.fraud.naive_filters import compare, field_of, number, passes, same

Order = tuple[int, int, int, int]


class Seen(NamedTuple):
    """A fact as seen from one key."""

    order: Order
    fact: dict[str, Any]


class Said(NamedTuple):
    """What a rule says of a fact; numbers squared with their sign where the rule compares a standard deviation."""

    observed: Fraction | None
    limit: Fraction | None
    normal: Fraction | None
    contributions: tuple[tuple[str, int], ...] = ()
    #: How many facts it rests on: those in the window, the steps, the last fires of the rules that are added up.
    events: int = 1


#: (rule id, key, order) -> what is said.
Fires = dict[tuple[str, tuple[Any, ...], Order], Said]


def keyed(rule: Rule, facts: list[tuple[tuple[int, int, int], dict[str, Any]]]) -> dict[tuple[Any, ...], list[Seen]]:
    """All facts by the rule's key, in order."""
    found: dict[tuple[Any, ...], list[Seen]] = {}
    for order, fact in facts:
        views = [(0, fact)]
        if "party_id" in rule.key:
            views = []
            both = "to_wallet_id" in fact and fact["to_wallet_id"] != fact.get("wallet_id")
            if "wallet_id" in fact:
                views.append((0, fact | {"party_id": fact["wallet_id"]} | ({"direction": "out"} if both else {})))
            if both:
                views.append((1, fact | {"party_id": fact["to_wallet_id"], "direction": "in"}))
        for leg, view in views:
            if all(name in view for name in rule.key):
                found.setdefault(tuple(view[name] for name in rule.key), []).append(Seen((*order, leg), view))
    return {key: sorted(seen, key=lambda each: each.order) for key, seen in found.items()}


def window(rule: Rule, aggregate: Aggregate, entries: list[Seen], now: Seen) -> list[Seen]:
    """What counts at `now`."""
    counted = rule.filter if aggregate.filter is None else aggregate.filter
    found = []
    for each in entries:
        before = each.order <= now.order if aggregate.include_current else each.order < now.order
        if before and each.order[0] > now.order[0] - aggregate.window_s * 1000 and passes(counted, each.fact):
            if aggregate.field is not None and value_of(aggregate, each) is None:
                continue
            if aggregate.function == "speed_kmh" and place(each) is None:
                continue
            by_asset = aggregate.field in ("amount_minor", "available_minor") and aggregate.in_asset is None
            if not by_asset or each.fact.get("asset") == now.fact.get("asset"):
                found.append(each)
    return found


def value_of(aggregate: Aggregate, seen: Seen) -> Any:
    """The field's value: a number, or of a count of values whatever is there."""
    assert aggregate.field is not None
    found = field_of(aggregate.field, aggregate.in_asset, seen.fact)
    return found if aggregate.function in ("count_distinct", "share") else number(found)


def place(seen: Seen) -> tuple[float, float] | None:
    """Where it was, in radians."""
    latitude, longitude = number(seen.fact.get("latitude")), number(seen.fact.get("longitude"))
    return None if latitude is None or longitude is None else (math.radians(latitude), math.radians(longitude))


def metres(one: Seen, other: Seen) -> int | None:
    """Between two places on a sphere: the angle between two vectors."""
    ends = []
    for seen in (one, other):
        found = place(seen)
        if found is None:
            return None
        latitude, longitude = found
        ends.append(
            (math.cos(latitude) * math.cos(longitude), math.cos(latitude) * math.sin(longitude), math.sin(latitude))
        )
    (a, b, c), (x, y, z) = ends
    across = math.hypot(b * z - c * y, c * x - a * z, a * y - b * x)
    return round(6_371_008.8 * math.atan2(across, a * x + b * y + c * z))


def measure(rule: Rule, aggregate: Aggregate, entries: list[Seen], now: Seen) -> Fraction | None:
    """What the window comes to; None where that is nothing. Of stddev the variance."""
    found = window(rule, aggregate, entries, now)
    if len(found) < aggregate.min_events:
        return None
    count = Fraction(len(found))
    match aggregate.function:
        case "count":
            return count
        case "time_since_last":
            return Fraction(now.order[0] - found[-1].order[0], 1000) if found else None
        case "speed_kmh":
            far = metres(found[-1], now) if found else None
            if far is not None and far < 1_000 * (aggregate.at_least_km or 0):
                return Fraction(0)
            return None if far is None else Fraction(far * 3600, max(1, now.order[0] - found[-1].order[0]))
        case "ratio":
            return ratio(aggregate, found)
        case "count_distinct":
            return Fraction(len({value_of(aggregate, each) for each in found}))
        case "share":
            wanted = value_of(aggregate, now) if aggregate.value is None else aggregate.value
            if wanted is None or not found:
                return None
            return sum((Fraction(1) for each in found if same(value_of(aggregate, each), wanted)), Fraction()) / count
    values = [value_of(aggregate, each) for each in found]
    if aggregate.function == "sum":
        return sum(values, Fraction())
    if not values:
        return None
    if aggregate.function in ("min", "max"):
        return Fraction(min(values) if aggregate.function == "min" else max(values))
    mean = sum(values, Fraction()) / count
    if aggregate.function == "avg":
        return Fraction(mean)
    return Fraction(sum(((value - mean) ** 2 for value in values), Fraction()) / count)


def ratio(aggregate: Aggregate, found: list[Seen]) -> Fraction | None:
    """One sum to the other."""
    assert aggregate.numerator is not None
    weights = [(each, Fraction(1) if aggregate.field is None else value_of(aggregate, each)) for each in found]
    above = sum((w for each, w in weights if passes(aggregate.numerator, each.fact)), Fraction())
    denominator = aggregate.denominator
    below = sum((w for each, w in weights if denominator is None or passes(denominator, each.fact)), Fraction())
    return above / below if below else None


def judge(rule: Rule, entries: list[Seen], now: Seen) -> Said | None:
    """What a rule that looks at facts says of one."""
    if not passes(rule.filter, now.fact):
        return None
    if rule.sequence is not None:
        steps = len(rule.sequence.steps)
        return Said(None, None, None, events=steps) if in_sequence(rule, entries, now) else None
    condition, aggregate = rule.condition, rule.aggregate
    if condition is None:
        return Said(None, None, None)
    in_asset = None if aggregate is None else aggregate.in_asset
    left = None if condition.left is None else number(field_of(condition.left, in_asset, now.fact))
    if condition.left is not None and left is None:
        return None
    normal = None
    observed = left
    squares = {part.function == "stddev" for part in (aggregate, condition.against) if part is not None}
    if aggregate is not None:
        measured = measure(rule, aggregate, entries, now)
        if measured is None:
            return None
        observed, normal = (measured, None) if left is None else (left, measured)
        if condition.against is not None:
            normal = measure(rule, condition.against, entries, now)
            if normal is None:
                return None
        if True in squares:
            observed = observed if left is None and aggregate.function == "stddev" else square(observed)
            of_normal = condition.against or aggregate
            normal = normal if normal is None or of_normal.function == "stddev" else square(normal)
    by = condition.value if condition.value is not None else condition.factor
    limit = Fraction(str(by))
    limit = square(limit) if True in squares else limit
    limit = limit if normal is None else limit * normal
    assert observed is not None
    if not compare(condition.op, observed, limit):
        return None
    if condition.at_most is not None:
        most = Fraction(str(condition.at_most))
        most = square(most) if True in squares else most
        if observed > (most if normal is None else most * normal):
            return None
    return Said(observed, limit, normal, events=1 if aggregate is None else len(window(rule, aggregate, entries, now)))


def square(value: Fraction) -> Fraction:
    """With the sign of the value."""
    return value * abs(value)


def in_sequence(rule: Rule, entries: list[Seen], now: Seen) -> bool:
    """Whether `now` is the last step: going back, the latest fact for each step."""
    assert rule.sequence is not None
    steps = rule.sequence.steps
    if not passes(steps[-1], now.fact):
        return False
    last = now.order
    for step in reversed(steps[:-1]):
        fitting = [
            each.order
            for each in entries
            if each.order < last
            and each.order[0] > now.order[0] - rule.sequence.within_s * 1000
            and passes(rule.filter, each.fact)
            and passes(step, each.fact)
        ]
        if not fitting:
            return False
        last = max(fitting)
    return True


def combined(rule: Rule, rules: list[Rule], fires: Fires, key: tuple[Any, ...], now: Seen) -> Said | None:
    """What a combination says of a fact."""
    combination = rule.combination
    assert combination is not None
    if not passes(rule.filter, now.fact):
        return None
    found: dict[str, int] = {}
    rests_on: set[Order] = set()
    here = False
    for rule_id in combination.rules:
        member = next((each for each in rules if each.rule_id == rule_id and each.key == rule.key), None)
        if member is None or (member.state == "shadow" and rule.state == "active"):
            continue
        at = [
            order
            for (fired, of_key, order) in fires
            if fired == rule_id
            and of_key == key
            and order <= now.order
            and order[0] > now.order[0] - combination.within_s * 1000
        ]
        if at:
            found[rule_id] = member.score
            rests_on.add(max(at))
            here = here or now.order in at
    total = sum(found.values())
    if not here or total < combination.threshold:
        return None
    return Said(Fraction(total), Fraction(combination.threshold), None, tuple(found.items()), len(rests_on))


def all_fires(rules: list[Rule], facts: list[tuple[tuple[int, int, int], dict[str, Any]]]) -> Fires:
    """What all rules say of all facts. Combinations are to stand after what they add up."""
    fires: Fires = {}
    for rule in [each for each in rules if each.combination is None] + [each for each in rules if each.combination]:
        for key, entries in keyed(rule, facts).items():
            for now in entries:
                plain = rule.combination is None
                said = judge(rule, entries, now) if plain else combined(rule, rules, fires, key, now)
                if said is not None:
                    fires[rule.rule_id, key, now.order] = said
    return fires


def all_alerts(rules: list[Rule], fires: Fires) -> dict[tuple[str, tuple[Any, ...], Order], list[Order]]:
    """First fire of each alert -> the fires that it takes in."""
    found: dict[tuple[str, tuple[Any, ...], Order], list[Order]] = {}
    for rule in rules:
        for key in {key for rule_id, key, _ in fires if rule_id == rule.rule_id}:
            opened: Order | None = None
            for order in sorted(order for rule_id, of, order in fires if rule_id == rule.rule_id and of == key):
                if opened is None or order[0] >= opened[0] + rule.cooldown_s * 1000:
                    opened = order
                found.setdefault((rule.rule_id, key, opened), []).append(order)
    return found
