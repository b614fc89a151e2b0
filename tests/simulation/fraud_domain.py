"""The fraud role under simulation: a ledger's log and feedback, and the alerts that must have come of them."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Final

import orjson

from agents.fraud.machine import FraudMachine
from agents.fraud.turn import Limits
from schemas.catalogue import topic_named
from schemas.clock import rfc3339
from schemas.fraud_alerts import Alert, decode_alert
from schemas.fraud_events import FACT_FAILED, FIRES_CHANGED, FraudEvent, decode_fraud_event
from schemas.partitioning import partition_of
from schemas.topics import (
    DEAD_LETTERS,
    FRAUD_ALERTS,
    FRAUD_COMMANDS,
    FRAUD_EVENTS,
    FRAUD_FEEDBACK,
    FRAUD_INPUTS,
    FRAUD_RULES,
    LEDGER_EVENTS,
)
from streams.machine import Context, InputRecord, Machine, Output
from streams.overlay import Overlay
from tests.fraud.expected import expected_alerts, what_is_told
from tests.fraud.role import Json, apart, counted, rule
from tests.simulation.domain import Find, History, Input
from tests.simulation.memory_log import StoredRecord

_LATENESS_MS: Final = 20_000
#: When the ledger began; no run reaches so far back.
_BEGAN_MS: Final = 1_799_990_000_000
_BOOM: Final = b'"boom"'
RULES: Final[list[Json]] = [
    counted("burst", ["wallet_id"], 3, cooldown_s=30, action="lock", actions_per_hour=1_000),
    counted("device", ["device"], 3, window_s=20),
    rule(
        "fan-in",
        ["party_id"],
        filter={"field": "direction", "op": "eq", "value": "in"},
        aggregate={"function": "count_distinct", "field": "wallet_id", "window_s": 40, "include_current": True},
        condition={"op": "ge", "value": 2},
        cooldown_s=15,
    ),
    rule("both", ["wallet_id"], combination={"rules": ["burst"], "within_s": 30, "threshold": 50}),
]


class FragileFraud(FraudMachine):
    """The role with a bug: it raises, when all is done, on records that ask for it."""

    def step(self, state: Overlay, record: InputRecord, context: Context, out: Output) -> None:
        super().step(state, record, context, out)
        if context.topic == LEDGER_EVENTS and _BOOM in (record.value or b""):
            raise ZeroDivisionError("a bug in the fraud role")


class FraudDomain:
    """See `tests.simulation.domain.Domain`."""

    name = "fraud"
    raised: ClassVar[tuple[type[Exception], ...]] = (ZeroDivisionError,)
    inputs: tuple[str, ...] = FRAUD_INPUTS
    event_log = FRAUD_EVENTS
    outcomes = FRAUD_ALERTS
    topics: ClassVar[dict[str, int]] = {
        name: topic_named(name).max_message_bytes
        for name in (*FRAUD_INPUTS, FRAUD_EVENTS, FRAUD_ALERTS, FRAUD_COMMANDS, DEAD_LETTERS)
    }

    def __init__(self) -> None:
        self._cached_entries = 1_000

    def machine(self) -> Machine:
        machine = FragileFraud(Limits(_LATENESS_MS, partition_lag_ms=1 << 40, cached_entries=self._cached_entries))
        for each in RULES:
            machine.refer(FRAUD_RULES, each["rule_id"], orjson.dumps(each))
        return machine

    def folding_machine(self) -> Machine:
        """Knows no rules: the log has to say all of it."""
        return FraudMachine()

    def workload(self, rng: random.Random, partitions: int, count: int, prefix: str = "r") -> list[Input]:
        """Payments as the ledger records them, each where its wallet lives, and what analysts say now and then."""
        # Whether histories stay in memory, where what failed could leave traces, or are always loaded.
        self._cached_entries = rng.choice((5, 1_000))
        now_ms = _BEGAN_MS if prefix == "r" else _BEGAN_MS + 1_000_000
        records = []
        for number in range(count):
            now_ms += rng.choice((0, 300, 2_000))
            wallet_id = f"w{rng.randrange(5)}"
            if rng.random() < 0.1:
                records.append(_feedback(rng, wallet_id, partitions))
                continue
            event = _payment(rng, wallet_id, f"{prefix}{number}", now_ms)
            records.append(Input(LEDGER_EVENTS, partition_of(wallet_id, partitions), b"", orjson.dumps(event)))
        return records

    def following(
        self, rng: random.Random, partitions: int, outcome: bytes | None, find: Find, prefix: str
    ) -> list[Input]:
        """Now and then somebody labels an alert."""
        alert = decode_alert(outcome or b"")
        said = {
            "kind": "label",
            "subject": alert.subject,
            "alert_id": alert.alert_id,
            "verdict": "confirmed",
            "by": "a",
        }
        return [_said(alert.subject, partitions, said)] if rng.random() < 0.3 else []

    def decode(self, value: bytes) -> FraudEvent:
        return decode_fraud_event(value)

    def sources(self, event: FraudEvent) -> list[tuple[str, int]]:
        if event.type == FIRES_CHANGED:
            # Of late facts, at the end of the batch: each of them has its answer before that.
            return []
        return [(each.cause.topic, each.cause.offset) for each in apart(event)]

    def may_leave_nothing(self, topic: str, record: StoredRecord) -> bool:
        return False

    def is_deduplicated(self, record: StoredRecord) -> bool:
        return b'"kind":"facts"' in (record.value or b"")

    def is_due(self, tables: Mapping[str, Mapping[str, bytes]]) -> bool:
        return False

    def mend(self, tables: Mapping[str, Mapping[str, bytes]], partition: int, number: int) -> list[Input]:
        return []

    def check(self, history: History) -> list[str]:
        alerts = _alerts(history)
        return [*_check_alerts(history, alerts), *_check_commands(history, alerts), *_check_labels(history, alerts)]


def _payment(rng: random.Random, wallet_id: str, name: str, now_ms: int) -> Json:
    event: Json = {
        "type": "transaction.settled",
        "recorded_at": rfc3339(now_ms),
        "wallet_id": wallet_id,
        "transaction_id": name,
        "operation": "debit",
        "to_state": "settled",
        "amount_minor": rng.choice((5, 700)),
        "asset": "EUR",
        "code": "ok",
    }
    if rng.random() < 0.7:
        event["device"] = {"fingerprint": rng.choice(("d0", "d1"))}
    if rng.random() < 0.4:
        event |= {"operation": "transfer", "counterparty": {"wallet_id": f"w{rng.randrange(5)}", "sub_wallet": "main"}}
    if rng.random() < 0.5:
        event["occurred_at"] = rfc3339(now_ms - rng.randint(-2_000, 25_000))
    if rng.random() < 0.04:
        event["references"] = {"merchant": "boom"}
    return event


def _feedback(rng: random.Random, wallet_id: str, partitions: int) -> Input:
    said: Json = {
        "kind": "snooze",
        "subject": wallet_id,
        "rule_id": "burst",
        "expires_in_s": 0,
        "reason": "r",
        "by": "a",
    }
    if rng.random() < 0.5:
        said = {"kind": "label", "subject": wallet_id, "alert_id": "0" * 32, "verdict": "confirmed", "by": "a"}
    if rng.random() < 0.2:
        said.pop("by")
    return _said(wallet_id, partitions, said)


def _said(subject: str, partitions: int, said: Json) -> Input:
    return Input(FRAUD_FEEDBACK, partition_of(subject, partitions), subject.encode(), orjson.dumps(said))


def _alerts(history: History) -> dict[str, Alert]:
    """As they were told last."""
    told = [
        decode_alert(record.value or b"")
        for partition in range(history.partitions)
        for record in history.records[FRAUD_ALERTS, partition]
    ]
    return {alert.alert_id: alert for alert in told}


def _check_alerts(history: History, alerts: dict[str, Alert]) -> Iterator[str]:
    """They are those of the pure engine over the ledger's log, but for the records that the role fails on.

    Or that it gives up where what one alone leads to is refused as too large, which a fault may say of any.
    """
    given_up = {
        (event.cause.partition, event.cause.offset)
        for fold in history.folds
        for event in fold.events
        if event.type == FACT_FAILED and event.cause.topic == LEDGER_EVENTS and "too large" in (event.message or "")
    }
    logs = {
        partition: [
            (record.offset, record.value or b"")
            for record in history.records[LEDGER_EVENTS, partition]
            if _BOOM not in (record.value or b"") and (partition, record.offset) not in given_up
        ]
        for partition in range(history.partitions)
    }
    wanted, found = expected_alerts(RULES, logs, _LATENESS_MS), what_is_told(alerts.values())
    for alert_id in wanted.keys() | found.keys():
        if wanted.get(alert_id) != found.get(alert_id):
            yield f"alert {alert_id} is {found.get(alert_id)}, the engine says {wanted.get(alert_id)}"
    events = [each for fold in history.folds for event in fold.events for each in apart(event)]
    facts = [event for event in events if event.source is not None]
    taken = {(event.source, event.keys) for event in facts if event.type == "fact.evaluated"}
    for event in facts:
        # One that was written a second time may be: it was taken when it first came.
        if event.type == "fact.late" and (event.source, event.keys) not in taken:
            yield f"the fact of {event.source} was too late, though none may be"


def _check_commands(history: History, alerts: dict[str, Alert]) -> Iterator[str]:
    """One for each alert that says so."""
    commands = Counter(
        orjson.loads(record.value or b"")["idempotency_key"]
        for partition in range(history.partitions)
        for record in history.records[FRAUD_COMMANDS, partition]
    )
    sent = Counter(alert.alert_id for alert in alerts.values() if alert.action_result == "sent")
    if commands != sent:
        yield f"commands {dict(commands)} for alerts {dict(sent)}"


def _check_labels(history: History, alerts: dict[str, Alert]) -> Iterator[str]:
    """The alert says what was said of it last."""
    said: dict[str, Any] = {}
    for fold in history.folds:
        for event in fold.events:
            if event.type == "alert.labelled":
                said[event.alert_id] = event.verdict
    found = {alert.alert_id: alert.label for alert in alerts.values() if alert.label is not None}
    if found != said:
        yield f"labels are {found}, analysts said {said}"
