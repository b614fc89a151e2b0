"""Events of the fraud role on `fraud-events`: its state is a fold of them, and needs no rule to be folded.

One struct for all types, as on `ledger-events`; a field that does not apply is not there. Numbers that are no ints
stand as text, `7/2`.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from schemas.facts import FactValue
from schemas.fraud_alerts import Alert
from schemas.fraud_internal import FactKey, FactSource, KeyUse

FACT_EVALUATED: Final = "fact.evaluated"
FACTS_COUNTED: Final = "facts.counted"
FIRES_CHANGED: Final = "fires.changed"
FACT_LATE: Final = "fact.late"
FACT_FAILED: Final = "fact.failed"
FACTS_SPLIT: Final = "facts.split"
RULE_PAUSED: Final = "rule.paused"
ALERT_LABELLED: Final = "alert.labelled"
SUBJECT_SNOOZED: Final = "subject.snoozed"
FEEDBACK_REFUSED: Final = "feedback.refused"
PAYMENT_ASKED: Final = "payment.asked"
PAYMENT_ANSWERED: Final = "payment.answered"
PAYMENT_JUDGED: Final = "payment.judged"

#: Type -> what it says.
FRAUD_EVENT_TYPES: Final[dict[str, str]] = {
    FACT_EVALUATED: "a fact was counted under the keys that live here, and rules said something of it, or no longer",
    FIRES_CHANGED: "what rules say anew since facts came late, or what one event of a fact could not hold",
    FACTS_COUNTED: "facts were counted under the keys that live here, and no rule had anything to say of them",
    FACT_LATE: "a fact came later than is allowed, and was counted apart",
    FACT_FAILED: "a record could not be handled; it is dead-lettered",
    FACTS_SPLIT: "a record of several facts could not be handled; each of them is tried again alone",
    RULE_PAUSED: "the circuit breaker has paused a version of a rule",
    ALERT_LABELLED: "an analyst has said what came of an alert",
    SUBJECT_SNOOZED: "an analyst has silenced a rule for a subject, or no longer",
    FEEDBACK_REFUSED: "what an analyst said cannot be taken; `message` says why",
    PAYMENT_ASKED: "a payment waits for screening, and rules of other partitions are asked about it",
    PAYMENT_ANSWERED: "another partition has said what its rules say of it",
    PAYMENT_JUDGED: "all is said of a payment: `verdict` is `allow`, `deny`, or `review`, which is left to an analyst",
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


class CountedFact(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One of several facts of which no rule said anything.

    `cause_offset` is that of the record that brought it; `partition` and `offset` say where it comes from, `uses` which
    of the event's it was counted under, the others what the fields of an event say that have these names.
    """

    cause_offset: int
    partition: int
    offset: int
    event_time_ms: int
    ledger_time_ms: int
    closed_before_ms: int
    uses: tuple[int, ...]
    #: Object of the fact's fields.
    fact: msgspec.Raw
    learned: bool = False


class Gate(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A payment that waits for screening, and what rules have said of it so far."""

    transaction_id: str
    wallet_id: str
    #: Partitions that have not answered.
    waits_for: tuple[int, ...] = ()
    #: Ids of the rules that speak against it, and of those that want a person to look at it.
    deny: tuple[str, ...] = ()
    review: tuple[str, ...] = ()
    is_judged: bool = False


class FraudEvent(msgspec.Struct, omit_defaults=True, kw_only=True, gc=False):
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
    #: Of several facts: what keys they were counted under, of the topic and partition of the cause.
    uses: tuple[KeyUse, ...] = ()
    facts: tuple[CountedFact, ...] = ()
    #: The model of the wallet has learned from it.
    learned: bool = False
    fires: tuple[FireChange, ...] = ()
    alerts: tuple[AlertChanged, ...] = ()
    gate: Gate | None = None
    #: Of a payment that rules deny: which, with their versions; their bounds of the hour count it.
    denied_by: tuple[tuple[str, int], ...] = ()
    #: Of a pause, of a snooze, and of a payment that a rule may not deny any more in this hour.
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
    #: Of a label: when it was decided, where that was before it was told.
    decided_at: str | None = None
    #: Of what was refused or failed: why.
    message: str | None = None
    recorded_at: str


encode_fraud_event: Final = msgspec.json.Encoder().encode
decode_fraud_event: Final = msgspec.json.Decoder(FraudEvent).decode
