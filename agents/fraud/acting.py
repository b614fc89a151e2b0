"""What an alert leads to: a command on `fraud-commands`, within the rule's budget of the hour. Pure."""

from __future__ import annotations

from typing import Final

import msgspec

from agents.fraud.apply import HOUR_MS, counts_in
from agents.fraud.compile import CompiledRule
from agents.fraud.state import ALL_RULES, RuleCounts, rule_text
from agents.fraud.told import with_result
from agents.fraud.turn import Turn
from schemas.fraud_alerts import SENT, Alert
from schemas.partitioning import partition_of
from schemas.topics import FRAUD_COMMANDS

#: Action of a rule -> operation of the command; the other actions are for analysts.
OPERATIONS: Final = {"lock": "lock", "step_up": "require_step_up"}
#: As long as the contract lets a reason be.
_REASON_LENGTH: Final = 200
_encode: Final = msgspec.json.Encoder().encode


def act(turn: Turn, rule: CompiledRule, alert: Alert) -> Alert:
    """Send the command that a new alert asks for, once; the alert, saying what became of it.

    Its idempotency key is the alert's id. Beyond the rule's budget, and that of all rules, nothing is sent: no mistake
    can lock everybody.
    """
    operation = OPERATIONS.get(alert.action)
    if operation is None:
        return alert
    result = _why_not(turn, rule, alert)
    if result is not None:
        return with_result(alert, result)
    assert alert.wallet_id is not None
    command = {
        "operation": operation,
        "idempotency_key": alert.alert_id,
        "wallet_id": alert.wallet_id,
        "rule_ids": [alert.rule_id],
        "alert_id": alert.alert_id,
        "reason": alert.sentence[:_REASON_LENGTH],
    }
    wallet_id = alert.wallet_id
    partition = partition_of(wallet_id, turn.context.partitions)
    turn.out.send(FRAUD_COMMANDS, partition, wallet_id.encode(), _encode(command))
    turn.acted[rule_text(rule.ref)] = turn.acted.get(rule_text(rule.ref), 0) + 1
    return with_result(alert, SENT)


def _why_not(turn: Turn, rule: CompiledRule, alert: Alert) -> str | None:
    if alert.shadow:
        return "shadow"
    if alert.state == "snoozed":
        return "snoozed"
    if alert.wallet_id is None:
        return "no wallet"
    name = rule_text(rule.ref)
    within = _used(turn, name, turn.acted.get(name, 0)) < rule.rule.actions_per_hour
    within_all = _used(turn, ALL_RULES, sum(turn.acted.values())) < turn.limits.actions_per_hour
    return None if within and within_all else "budget"


def _used(turn: Turn, name: str, now: int) -> int:
    """Actions of this hour, those that the record being decided has taken among them."""
    counts = counts_in(turn.state.rules.get(name) or RuleCounts(), turn.context.recorded_at_ms // HOUR_MS)
    return counts.actions + now
