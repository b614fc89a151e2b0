"""One sentence on an alert, for a person. Pure."""

from __future__ import annotations

from fractions import Fraction
from typing import Final

from agents.fraud.alerts import Alert
from agents.fraud.entries import Exact
from schemas.fraud_rules import Aggregate, Condition, Rule

_COMPARED: Final = {
    "gt": "above",
    "ge": "at or above",
    "lt": "below",
    "le": "at or below",
    "eq": "exactly",
    "ne": "other than",
}
#: After the point.
_MOST_DIGITS: Final = 12
_UNITS: Final = ((86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second"))
_OF_FIELD: Final = {
    "sum": "sum of {}",
    "avg": "average of {}",
    "min": "least {}",
    "max": "greatest {}",
    "stddev": "standard deviation of {}",
    "count_distinct": "number of different values of {}",
}


def sentence(rule: Rule, alert: Alert) -> str:
    """Who, what was seen, against which limit, and how often: without the jargon of the rule where that can be."""
    subject = ", ".join(f"{_name(field)} {value}" for field, value in zip(alert.kind, alert.key, strict=True))
    times = "" if alert.occurrences == 1 else f" Seen {alert.occurrences} times."
    finding, about = _finding(rule, alert), _about(rule)
    said = about if finding is None else finding if about is None else f"{about} ({finding})"
    return f"{subject[:1].upper()}{subject[1:]}: {said or 'a transaction is as the rule describes'}.{times}"


def duration(seconds: int) -> str:
    """As `2 days` or `90 minutes`: the largest unit that it is a whole number of."""
    size, unit = next((size, unit) for size, unit in _UNITS if seconds % size == 0)
    count = seconds // size
    return f"{count} {unit}" if count == 1 else f"{count} {unit}s"


def _about(rule: Rule) -> str | None:
    """What the rule is against, as a part of a sentence."""
    description = rule.description
    return None if description is None else f"{description[:1].lower()}{description[1:].rstrip('.')}"


def _finding(rule: Rule, alert: Alert) -> str | None:
    """What was seen; None of a rule that only looks which facts there are."""
    if rule.sequence is not None:
        return f"{len(rule.sequence.steps)} steps, one after the other, within {duration(rule.sequence.within_s)}"
    if rule.combination is not None:
        parts = " and ".join(f"{rule_id} ({score})" for rule_id, score in alert.contributions)
        return (
            f"{parts} fired within {duration(rule.combination.within_s)}, which adds up to "
            f"{number_text(alert.observed)} of the {number_text(alert.limit)} that raise an alert"
        )
    condition = rule.condition
    if condition is None:
        return None
    observed, of = _told_apart(alert.observed, alert.limit)
    limit = f"is {_COMPARED[condition.op]} {of}"
    most = _most(condition, alert)
    if rule.aggregate is None:
        money = condition.left == "amount_minor"
        return f"{_name(condition.left or '')} {_value(alert, observed, money)} {limit}{most}"
    seen = _money(rule.aggregate)
    if condition.left is not None:
        return (
            f"{_name(condition.left)} {_value(alert, observed, seen)} {limit}, which "
            f"is {condition.factor:f} times the {_described(rule.aggregate)}, {number_text(alert.normal)}{most}"
        )
    finding = f"{_described(rule.aggregate)} {_value(alert, observed, seen)} {limit}"
    if condition.against is not None:
        finding += (
            f", which is {condition.factor:f} times the usual: {_described(condition.against)} "
            f"{number_text(alert.normal)}"
        )
    return finding + most


def _most(condition: Condition, alert: Alert) -> str:
    """The end on the other side, where there is one."""
    if condition.at_most is None:
        return ""
    most = Fraction(condition.at_most)
    return f", and at most {number_text(most if condition.value is not None else most * (alert.normal or 0))}"


def _described(aggregate: Aggregate) -> str:
    within = f"within {duration(aggregate.window_s)}"
    name = _name(aggregate.field or "")
    match aggregate.function:
        case "count":
            return f"number of transactions {within}"
        case "time_since_last":
            return "seconds since the transaction before"
        case "speed_kmh":
            return "speed in km/h from the place of the transaction before"
        case "share":
            wanted = "the same" if aggregate.value is None else str(aggregate.value)
            return f"share of transactions with {wanted} {name} {within}"
        case "ratio":
            return f"ratio {f'of {name} ' if name else ''}{within}"
    exchanged = f" in {aggregate.in_asset}" if aggregate.in_asset else ""
    return f"{_OF_FIELD[aggregate.function].format(name)}{exchanged} {within}"


def _money(aggregate: Aggregate) -> bool:
    return (
        aggregate.field == "amount_minor"
        and aggregate.in_asset is None
        and aggregate.function in ("sum", "avg", "min", "max", "stddev")
    )


def _name(field: str) -> str:
    """A field as people say it."""
    known = {"amount_minor": "amount", "wallet_id": "wallet", "to_wallet_id": "payee", "party_id": "wallet"}
    return known.get(field) or field.replace("_", " ")


def _value(alert: Alert, text: str, money: bool) -> str:
    return f"{text} minor units of {alert.asset}" if money and alert.asset is not None else text


def _told_apart(observed: Exact | None, limit: Exact | None) -> tuple[str, str]:
    """Two numbers as text: rounded alike they would say that 2000 is below 2000."""
    texts = number_text(observed), number_text(limit)
    if texts[0] != texts[1] or observed is None or limit is None or observed == limit:
        return texts
    for digits in range(4, _MOST_DIGITS + 1):
        texts = _decimal(observed, digits), _decimal(limit, digits)
        if texts[0] != texts[1]:
            break
    return texts


def number_text(value: Exact | None) -> str:
    """An int as it is, what is none with three digits after the point, more of them where those would say little."""
    if value is None:
        return "none"
    if value.denominator == 1:
        return str(value.numerator)
    digits = 3
    while digits < _MOST_DIGITS and abs(value) * 10**digits < 100:
        digits += 1
    return _decimal(value, digits)


def _decimal(value: Exact, digits: int) -> str:
    return f"{float(value):.{digits}f}".rstrip("0").rstrip(".")
