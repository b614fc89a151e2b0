"""What analysts say of alerts: labels and snoozes. Pure."""

from __future__ import annotations

from typing import Any

import msgspec
from pydantic import ValidationError

from agents.fraud.screening import take_verdict
from agents.fraud.turn import Turn
from schemas.fraud_events import ALERT_LABELLED, FEEDBACK_REFUSED, SUBJECT_SNOOZED, AlertChanged, FraudEvent
from schemas.fraud_feedback import Label, PaymentVerdict, Snooze, read_feedback
from schemas.fraud_internal import ForwardedFeedback, encode_fraud_internal
from schemas.partitioning import partition_of
from schemas.topics import FRAUD_INTERNAL
from streams.dead_letters import keep_dead_letter
from streams.machine import InputRecord


def take_feedback(turn: Turn, record: InputRecord, value: bytes | None) -> None:
    """One event, whatever it says. What cannot be read is dead-lettered; what came to a wrong partition is sent on."""
    try:
        feedback = read_feedback(value or b"")
    except ValidationError as error:
        first: dict[str, Any] = dict(error.errors(include_url=False, include_input=False)[0])
        _malformed(turn, record, f"{'.'.join(map(str, first['loc']))}: {first['msg']}".removeprefix(": "))
        return
    except ValueError as error:
        _malformed(turn, record, str(error))
        return
    context = turn.context
    home = partition_of(feedback.subject, context.partitions)
    if home != context.partition:
        forwarded = ForwardedFeedback(value=(value or b"").decode())
        turn.out.send(FRAUD_INTERNAL, home, feedback.subject.encode(), encode_fraud_internal(forwarded))
        return
    if isinstance(feedback, Label):
        _label(turn, record, feedback)
    elif isinstance(feedback, PaymentVerdict):
        _payment(turn, record, feedback)
    else:
        _snooze(turn, record, feedback)


def _label(turn: Turn, record: InputRecord, label: Label) -> None:
    alert = turn.state.alerts.get(label.alert_id, turn.context.recorded_at_ms)
    if alert is None or alert.subject != label.subject:
        _refuse(turn, record, label, f"there is no alert {label.alert_id} of {label.subject}, or it is too old")
        return
    labelled = msgspec.structs.replace(alert, label=label.verdict, recorded_at=turn.context.recorded_at)
    event = FraudEvent(
        type=ALERT_LABELLED,
        cause=turn.cause(record),
        alerts=(AlertChanged("updated", tuple(alert.key), tuple(alert.key.values()), (0, 0, 0, 0), labelled),),
        rule_id=alert.rule_id,
        version=alert.version,
        subject=label.subject,
        alert_id=label.alert_id,
        verdict=label.verdict,
        by=label.by,
        reason=label.reason,
        decided_at=label.decided_at,
        recorded_at=turn.context.recorded_at,
    )
    turn.write(event, label.subject.encode())


def _payment(turn: Turn, record: InputRecord, said: PaymentVerdict) -> None:
    gate = turn.state.gates.get(said.transaction_id, turn.context.recorded_at_ms)
    if gate is not None and gate.wallet_id != said.subject:
        # The ledger would refuse it too, and what rules have yet to say would be lost.
        _refuse(turn, record, said, f"payment {said.transaction_id} is not of {said.subject}")
        return
    take_verdict(turn, record, said, gate)


def _snooze(turn: Turn, record: InputRecord, snooze: Snooze) -> None:
    until_ms = turn.context.recorded_at_ms + snooze.expires_in_s * 1000 if snooze.expires_in_s else 0
    event = FraudEvent(
        type=SUBJECT_SNOOZED,
        cause=turn.cause(record),
        rule_id=snooze.rule_id,
        subject=snooze.subject,
        until_ms=until_ms,
        by=snooze.by,
        reason=snooze.reason,
        recorded_at=turn.context.recorded_at,
    )
    turn.write(event, snooze.subject.encode())


def _malformed(turn: Turn, record: InputRecord, message: str) -> None:
    _refuse(turn, record, None, message)
    keep_dead_letter(turn.context, turn.out, record, "malformed", "decode")


def _refuse(turn: Turn, record: InputRecord, feedback: Label | PaymentVerdict | None, message: str) -> None:
    event = FraudEvent(
        type=FEEDBACK_REFUSED,
        cause=turn.cause(record),
        subject=None if feedback is None else feedback.subject,
        alert_id=feedback.alert_id if isinstance(feedback, Label) else None,
        by=None if feedback is None else feedback.by,
        message=message[:400],
        recorded_at=turn.context.recorded_at,
    )
    turn.write(event, None if feedback is None else feedback.subject.encode())
