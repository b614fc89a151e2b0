"""What the role must say of a ledger's log: the pure engine over the same facts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from agents.fraud.alerts import Alerts
from agents.fraud.engine import Engine
from agents.fraud.facts import fact_of
from agents.fraud.followed import Followed
from agents.fraud.told import exact_text
from schemas.clock import unix_ms
from schemas.fraud_alerts import Alert
from schemas.topics import FRAUD_RULES
from tests.fraud.role import Json


def expected_alerts(
    rules: list[Json], logs: Mapping[int, Iterable[tuple[int, bytes]]], lateness_ms: int
) -> dict[str, Any]:
    """Id -> what an alert says; `logs` are offsets and values of `ledger-events` by partition. None names a type."""
    followed = Followed(1 << 30)
    for each in rules:
        followed.take(FRAUD_RULES, each["rule_id"], orjson.dumps(each))
    followed.prepare()
    engine, alerts = Engine(followed.rules), Alerts()
    for partition, records in logs.items():
        for offset, value in records:
            recorded = fact_of(value, lateness_ms)
            if recorded is not None and recorded.is_first:
                alerts.apply(engine.insert_fact((recorded.t_ms, partition, offset), recorded.fact))
    return {
        alert.alert_id: (
            alert.rule_id,
            alert.occurrences,
            alert.first_seen_ms,
            alert.last_seen_ms,
            exact_text(alert.observed),
            tuple(reversed(alert.evidence)),
        )
        for _, alert in alerts.standing()
    }


def what_is_told(alerts: Iterable[Alert]) -> dict[str, Any]:
    """The same of alerts as the topic has them; withdrawn ones are none."""
    return {
        alert.alert_id: (
            alert.rule_id,
            alert.occurrences,
            unix_ms(alert.first_seen),
            unix_ms(alert.last_seen),
            alert.observed,
            alert.evidence,
        )
        for alert in alerts
        if alert.state != "withdrawn"
    }
