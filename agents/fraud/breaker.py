"""Circuit breaker: a rule that says too much is paused, and says so. Pure.

In shadow it is one that fires at more than `shadow_max_bps` of 10,000 facts; in shadow or active one that opens more
than `alerts_per_hour` alerts in an hour of partition time. What is counted is a `Tally` for each rule and partition, to
be kept with the role's state: whoever continues it comes to the same end.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from schemas.fraud_rules import Rule

#: Facts that a rule in shadow must have seen before it is judged by its share of them.
LEAST_FACTS: Final = 1_000
#: Facts after which what was counted counts half: what a rule did long ago fades.
MOST_FACTS: Final = 100_000
_HOUR_MS: Final = 3_600_000


class Tally(NamedTuple):
    """What a version of a rule has done in a partition: facts that it saw, at how many it fired, alerts of an hour."""

    facts: int = 0
    fired: int = 0
    #: Hours since 1970, and the alerts that were opened in it.
    hour: int = 0
    alerts: int = 0


class Tripped(NamedTuple):
    """Why a rule is paused."""

    rule_id: str
    version: int
    reason: str

    def __str__(self) -> str:
        return f"rule {self.rule_id} version {self.version} is paused: {self.reason}"


def tallied(
    rule: Rule, tally: Tally, now_ms: int, *, facts: int = 0, fired: int = 0, alerts: int = 0
) -> tuple[Tally, Tripped | None]:
    """Count what a rule did, and whether that is too much.

    Args:
        rule: the rule.
        tally: what was counted before.
        now_ms: partition time.
        facts: entries that the rule was shown.
        fired: at how many of them it fired; fires that are taken back later were fires all the same.
        alerts: how many alerts it opened; occurrences that join an open one are none.
    """
    hour = now_ms // _HOUR_MS
    before = tally.alerts if hour <= tally.hour else 0
    seen, all_fired = tally.facts + facts, tally.fired + fired
    if seen > MOST_FACTS:
        seen, all_fired = seen // 2, all_fired // 2
    now = Tally(seen, all_fired, max(hour, tally.hour), before + alerts)
    return now, _tripped(rule, now)


def _tripped(rule: Rule, tally: Tally) -> Tripped | None:
    if rule.state not in ("shadow", "active"):
        return None
    if tally.alerts > rule.alerts_per_hour:
        reason = (
            f"{tally.alerts:,} alerts in an hour, its alerts_per_hour is {rule.alerts_per_hour:,}; "
            "narrow its filter, raise its limit or its cooldown_s, and publish that as a new version"
        )
        return Tripped(rule.rule_id, rule.version, reason)
    if (
        rule.state == "shadow"
        and tally.facts >= LEAST_FACTS
        and tally.fired * 10_000 > tally.facts * rule.shadow_max_bps
    ):
        reason = (
            f"it fired at {tally.fired:,} of {tally.facts:,} facts, {tally.fired * 100 / tally.facts:.1f} %, its "
            f"shadow_max_bps allows {rule.shadow_max_bps / 100:g} %; narrow its filter or raise its limit, and publish "
            "that as a new version"
        )
        return Tripped(rule.rule_id, rule.version, reason)
    return None


class HourlyBudget(NamedTuple):
    """So many in an hour of partition time, such as a rule's actions in a partition."""

    hour: int = 0
    used: int = 0

    def spend(self, now_ms: int, most: int) -> tuple[HourlyBudget, bool]:
        """One more, and whether it is within `most` an hour; one that is not is not counted."""
        hour = max(self.hour, now_ms // _HOUR_MS)
        used = self.used if hour == self.hour else 0
        return (HourlyBudget(hour, used + 1), True) if used < most else (HourlyBudget(hour, used), False)
