"""The role's metrics, fed from what a batch has committed."""

from __future__ import annotations

import time
from collections import Counter
from typing import Final

import msgspec

from agents.fraud.machine import Tally
from schemas.fraud_alerts import decode_alert
from schemas.fraud_events import (
    ALERT_LABELLED,
    FACT_EVALUATED,
    FACT_FAILED,
    FACT_LATE,
    FACTS_COUNTED,
    FEEDBACK_REFUSED,
    PAYMENT_JUDGED,
    RULE_PAUSED,
    SUBJECT_SNOOZED,
)
from schemas.topics import FRAUD_ALERTS, FRAUD_COMMANDS
from streams import metrics
from streams.batch import Batch
from streams.observer import Observer

_RESULTS: Final = {FACT_EVALUATED: "evaluated", FACTS_COUNTED: "evaluated", FACT_LATE: "late", FACT_FAILED: "failed"}
_FEEDBACK: Final = {SUBJECT_SNOOZED: "snooze", FEEDBACK_REFUSED: "refused"}


class _Command(msgspec.Struct):
    operation: str
    rule_ids: tuple[str, ...] = ()


_decode_command: Final = msgspec.json.Decoder(_Command).decode


class FraudMetrics(Observer):
    """Counts facts, alerts, commands, feedback and pauses."""

    def __init__(self, tally: Tally):
        self._tally = tally
        self._shown = 0

    def committed(self, partition: int, batch: Batch) -> None:
        """A batch is committed and persisted."""
        for (type_, what), count in Counter(batch.labels).items():
            if type_ in _RESULTS:
                metrics.FRAUD_FACTS.labels(partition, _RESULTS[type_]).inc(count)
            elif type_ == RULE_PAUSED:
                metrics.FRAUD_PAUSED.labels(what or "").inc(count)
            elif type_ == PAYMENT_JUDGED:
                verdict, _, over_budget = (what or "").partition(" ")
                metrics.FRAUD_PAYMENTS.labels(verdict).inc(count)
                if over_budget:
                    metrics.FRAUD_OVER_BUDGET.labels(over_budget).inc(count)
            elif type_ == ALERT_LABELLED:
                metrics.FRAUD_FEEDBACK.labels(what or "").inc(count)
            elif type_ in _FEEDBACK:
                metrics.FRAUD_FEEDBACK.labels(_FEEDBACK[type_]).inc(count)
        for (topic, _), records in batch.messages.by_target.items():
            if topic == FRAUD_ALERTS:
                self._alerts([value for _, value, _ in records if value is not None])
            elif topic == FRAUD_COMMANDS:
                self._commands([value for _, value, _ in records if value is not None])
        self._of_tally(partition)

    def _alerts(self, values: list[bytes]) -> None:
        for value in values:
            alert = decode_alert(value)
            metrics.FRAUD_ALERTS.labels(alert.rule_id, alert.severity, alert.state).inc()
            # What people say of it, or facts take back, asks for no action: nobody is to be paged for it.
            if alert.action_result == "budget" and alert.state == "open" and alert.label is None:
                metrics.FRAUD_OVER_BUDGET.labels(alert.rule_id).inc()

    def _commands(self, values: list[bytes]) -> None:
        for value in values:
            command = _decode_command(value)
            for rule_id in command.rule_ids:
                metrics.FRAUD_COMMANDS.labels(rule_id, command.operation).inc()

    def _of_tally(self, partition: int) -> None:
        tally = self._tally
        metrics.FRAUD_EVALUATIONS.inc(tally.shown - self._shown)
        self._shown = tally.shown
        oldest_ms = tally.oldest_ms.pop(partition, None)
        if oldest_ms is not None:
            metrics.FRAUD_LAG_SECONDS.observe(max(0.0, time.time() - oldest_ms / 1000))
