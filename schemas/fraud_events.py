"""Events of the fraud role on `fraud-events`: its state is a fold of them, and needs no rule to be folded.

One struct for all types, as on `ledger-events`; a field that does not apply is not there. Numbers that are no ints
stand as text, `7/2`.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from schemas.facts import FactValue
from schemas.fraud_alerts import Alert
from schemas.fraud_internal import FactKey, FactSource

FACT_EVALUATED: Final = "fact.evaluated"
FACT_LATE: Final = "fact.late"
FACT_FAILED: Final = "fact.failed"
RULE_PAUSED: Final = "rule.paused"
ALERT_LABELLED: Final = "alert.labelled"
SUBJECT_SNOOZED: Final = "subject.snoozed"
FEEDBACK_REFUSED: Final = "feedback.refused"

#: Type -> what it says.
FRAUD_EVENT_TYPES: Final[dict[str, str]] = {
    FACT_EVALUATED: "a fact was counted under the keys that live here, and shown to their rules",
    FACT_LATE: "a fact came later than is allowed, and was counted apart",
    FACT_FAILED: "a record could not be handled; it is dead-lettered",
    RULE_PAUSED: "the circuit breaker has paused a version of a rule",
    ALERT_LABELLED: "an analyst has said what came of an alert",
    SUBJECT_SNOOZED: "an analyst has silenced a rule for a subject, or no longer",
    FEEDBACK_REFUSED: "what an analyst said cannot be taken; `message` says why",
}


class FraudCause(msgspec.Struct, frozen=True, gc=False):
    """The record that was decided."""

    topic: str
    partition: int
    offset: int


class Fired(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """What a rule says of a fact. `evidence` are ids of transactions, oldest first."""

    observed: int | str | None
    limit: int | str | None
    normal: int | str | None
    window_start_ms: int
    events: int
    evidence: tuple[str, ...]
    contributions: tuple[tuple[str, int], ...] = ()


class FireChange(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A rule says something of a fact that it did not say before; without `fired` it takes it back.

    `order` says which: event time in ms, partition and offset of its source, leg.
    """

    rule_id: str
    version: int
    kind: tuple[str, ...]
    key: tuple[FactValue, ...]
    order: tuple[int, int, int, int]
    fired: Fired | None = None


class AlertChanged(msgspec.Struct, frozen=True, omit_defaults=True):
    """An alert as it is from now on: its key, and the fact at which it opened."""

    what: Literal["opened", "updated", "withdrawn"]
    kind: tuple[str, ...]
    key: tuple[FactValue, ...]
    order: tuple[int, int, int, int]
    alert: Alert


class FraudEvent(msgspec.Struct, omit_defaults=True, kw_only=True):
    """One event."""

    #: Gapless in its partition; set when it is written.
    sequence: int = -1
    type: str
    cause: FraudCause
    #: Of a fact: where it comes from, when it occurred, when the ledger recorded it.
    source: FactSource | None = None
    event_time_ms: int | None = None
    ledger_time_ms: int | None = None
    #: Nothing that occurred before this is taken any more.
    closed_before_ms: int | None = None
    fact: dict[str, FactValue] | None = None
    keys: tuple[FactKey, ...] = ()
    fires: tuple[FireChange, ...] = ()
    alerts: tuple[AlertChanged, ...] = ()
    #: Of a pause and of a snooze.
    rule_id: str | None = None
    version: int | None = None
    subject: str | None = None
    #: Of a snooze: when it ends; 0 where it is ended.
    until_ms: int | None = None
    #: Of feedback.
    alert_id: str | None = None
    verdict: str | None = None
    by: str | None = None
    reason: str | None = None
    #: Of what was refused or failed: why.
    message: str | None = None
    recorded_at: str


encode_fraud_event: Final = msgspec.json.Encoder().encode
decode_fraud_event: Final = msgspec.json.Decoder(FraudEvent).decode
