"""Alerts as analysts are told of them, on `fraud-alerts`. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from fractions import Fraction
from typing import NamedTuple

import msgspec

from agents.fraud.alerts import Alert, AlertChange
from agents.fraud.compile import CompiledRule
from agents.fraud.entries import Exact
from agents.fraud.lists import ListCheck, likeness_field, list_checks, listed_field, nearest_field
from agents.fraud.sentences import sentence
from agents.fraud.state import subject_of
from schemas.clock import rfc3339
from schemas.facts import Fact
from schemas.fraud_alerts import PAUSE, SENT, SENT_BEFORE, AlertState, Contribution, ListMatch
from schemas.fraud_alerts import Alert as Told


class Surroundings(NamedTuple):
    """What an alert says besides what its rule found: of the fact that opened it, and of the moment.

    Attributes:
        opened_by: None where it is forgotten.
        before: the same alert as it was told before.
        members: the rules that it may add up, by id.
        time_text: how times are written; a table may have some that no calendar has.
        transaction_text: how transactions are written that an alert names.
    """

    opened_by: Fact | None
    before: Told | None
    members: dict[str, CompiledRule]
    is_snoozed: bool
    recorded_at: str
    time_text: Callable[[int], str] = rfc3339
    transaction_text: Callable[[str], str] = str


def told(change: AlertChange, around: Surroundings) -> Told:
    """An alert as it is from now on."""
    rule, alert, before = change.rule.rule, change.alert, around.before
    opened_by, time_text = around.opened_by, around.time_text
    state: AlertState = "open"
    if change.what == "withdrawn":
        state = "withdrawn"
    elif around.is_snoozed:
        state = "snoozed"
    wallet_id = before.wallet_id if before is not None else None
    amount_minor, asset = (before.amount_minor, before.asset) if before is not None else (None, None)
    if opened_by is not None:
        # A mule is found in what others pay it: under `party_id` the wallet is the party, not who happened to pay.
        wallet = opened_by.get("party_id") or opened_by.get("wallet_id")
        wallet_id = None if wallet is None else str(wallet)
        amount, of = opened_by.get("amount_minor"), opened_by.get("asset")
        amount_minor = amount if isinstance(amount, int) else None
        asset = None if of is None else str(of)
    return Told(
        alert_id=alert.alert_id,
        rule_id=alert.rule_id,
        version=alert.version,
        state=state,
        shadow=rule.state == "shadow",
        severity=rule.severity,
        score=rule.score,
        action=rule.action,
        action_result=None if before is None else before.action_result,
        subject=subject_of(alert.key),
        key={name: str(value) for name, value in zip(alert.kind, alert.key, strict=True)},
        wallet_id=wallet_id,
        amount_minor=amount_minor,
        asset=asset,
        observed=exact_text(alert.observed),
        limit=exact_text(alert.limit),
        normal=exact_text(alert.normal),
        window_from=time_text(alert.window_start_ms),
        window_to=time_text(alert.window_end_ms),
        first_seen=time_text(alert.first_seen_ms),
        last_seen=time_text(alert.last_seen_ms),
        occurrences=alert.occurrences,
        evidence=tuple(map(around.transaction_text, reversed(alert.evidence))),
        contributions=_contributions(change.rule, alert, around.members),
        matches=_matches(change.rule, opened_by) if opened_by is not None else () if before is None else before.matches,
        sentence=sentence(rule, alert),
        links={**({} if before is None else before.links), "explain": f"walletstream fraud explain {alert.alert_id}"},
        label=None if before is None else before.label,
        recorded_at=around.recorded_at,
    )


def with_result(alert: Told, result: str | None) -> Told:
    """The alert, saying what became of its action."""
    return msgspec.structs.replace(alert, action_result=result)


def stands_in_for(alert: Told, before: Told) -> bool:
    """Whether an alert is what another one of the same rule and subject was, which the same fact has taken back.

    A fact that comes late lets an alert begin earlier, and so have another id. The action of the one before stays; what
    people have undone of it since must not be done again.
    """
    is_acted_on = before.action_result in (SENT, SENT_BEFORE) and before.wallet_id == alert.wallet_id
    return is_acted_on and before.first_seen <= alert.last_seen and alert.first_seen <= before.last_seen


def in_place_of(alert: Told, before: Told) -> Told:
    """The alert, saying that another one has acted."""
    links = {**alert.links, "in_place_of": f"walletstream fraud explain {before.alert_id}"}
    return msgspec.structs.replace(alert, action_result=SENT_BEFORE, links=links)


def exact_text(value: Exact | None) -> str | None:
    """A number as text of which nothing is rounded: a decimal where six digits will do, else a fraction."""
    if not isinstance(value, Fraction):
        return None if value is None else str(value)
    if 10**6 % value.denominator:
        return str(value)
    whole, rest = divmod(abs(value.numerator) * (10**6 // value.denominator), 10**6)
    return f"{'-' if value < 0 else ''}{whole}.{rest:06d}".rstrip("0").rstrip(".")


def _contributions(rule: CompiledRule, alert: Alert, members: dict[str, CompiledRule]) -> tuple[Contribution, ...]:
    if not alert.contributions:
        return (Contribution(rule.ref[0], rule.ref[1], rule.rule.score),)
    return tuple(
        Contribution(rule_id, members[rule_id].ref[1] if rule_id in members else 0, score)
        for rule_id, score in alert.contributions
    )


def _matches(rule: CompiledRule, fact: Fact) -> tuple[ListMatch, ...]:
    """What lists that the rule asks have said of the fact."""
    checks = sorted(list_checks([rule.rule]))
    return tuple(match for check in checks if (match := _match(check, fact)) is not None)


def _match(check: ListCheck, fact: Fact) -> ListMatch | None:
    field, name = check.field, check.list_name
    if not check.fuzzy:
        version = fact.get(listed_field(field, name))
        return None if version is None else ListMatch(field, name, int(version), str(fact.get(field)))
    likeness, version = fact.get(likeness_field(field, name)), fact.get(likeness_field(field, name) + "~")
    if likeness is None or version is None:
        return None
    return ListMatch(field, name, int(version), str(fact.get(nearest_field(field, name))), int(likeness))


def told_pause(rule: CompiledRule, reason: str, partition: int, now_ms: int) -> Told:
    """An alert on a rule itself: the circuit breaker of a partition has paused it."""
    rule_id, version = rule.ref
    name = f"paused {rule_id} {version} {partition}"
    return Told(
        alert_id=hashlib.sha256(name.encode()).hexdigest()[:32],
        rule_id=rule_id,
        version=version,
        state="open",
        shadow=rule.rule.state == "shadow",
        severity="critical",
        score=0,
        action=PAUSE,
        action_result=SENT,
        subject=f"rule:{rule_id}",
        key={"rule_id": rule_id},
        first_seen=rfc3339(now_ms),
        last_seen=rfc3339(now_ms),
        sentence=f"Rule {rule_id} version {version} is paused in all partitions: {reason}.",
        links={"rules": "walletstream fraud rules"},
        recorded_at=rfc3339(now_ms),
    )
