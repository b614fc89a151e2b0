"""The fraud role in memory: several partitions of the real machine in the real `BatchDecider`, topics that are lists.

Each partition takes what it is told to, so that any interleaving can be tried; `restart` folds its log from the begin.
"""

from __future__ import annotations

import random
from typing import Any

import orjson
from msgspec.structs import replace

from agents.fraud.entries import key_under
from agents.fraud.machine import FraudMachine
from agents.fraud.turn import Limits
from ops.in_memory import FetchedRecord
from schemas.clock import rfc3339
from schemas.fraud_alerts import Alert, decode_alert
from schemas.fraud_events import FACT_EVALUATED, FACTS_COUNTED, CountedFact, FraudEvent, decode_fraud_event
from schemas.fraud_facts import decode_fact
from schemas.fraud_internal import FactKey, FactSource
from schemas.topics import (
    FRAUD_ALERTS,
    FRAUD_COMMANDS,
    FRAUD_EVENTS,
    FRAUD_FEEDBACK,
    FRAUD_INPUTS,
    FRAUD_RULES,
    LEDGER_EVENTS,
)
from streams.batch import BatchDecider, Progress
from streams.box import Taken
from streams.machine import Headers
from streams.observer import Observer
from streams.overlay import Overlay
from streams.persist import changes_of, forget_old_buckets, load_buckets
from streams.ports import Mark
from streams.seal import Span
from tests.ledger.store import DictStore

Json = dict[str, Any]
START_MS = 1_795_409_400_000


class Partition:
    """One partition of the role."""

    def __init__(self, world: RoleWorld, number: int):
        self.world, self.number = world, number
        self.store = DictStore()
        self.log: list[bytes] = []
        self.progress = Progress()
        self.taken = dict.fromkeys(FRAUD_INPUTS, 0)
        self.machine = world.machine()
        self.overlay = self._overlay()

    def _overlay(self) -> Overlay:
        overlay = Overlay(self.machine.tables, self.store)
        load_buckets(overlay, self.store)
        return overlay

    def waiting(self) -> int:
        return sum(len(self.world.topics[topic, self.number]) - at for topic, at in self.taken.items())

    def run(self, most: int) -> None:
        """Decide a batch of at most so many records and commit it."""
        records = []
        for topic in FRAUD_INPUTS:
            found = self.world.topics[topic, self.number][self.taken[topic] :][:most]
            most -= len(found)
            if found:
                records.append((topic, found))
                self.taken[topic] += len(found)
        spans = {topic: Span(0, self.taken[topic]) for topic in FRAUD_INPUTS}
        taken = Taken(list(records), spans, sum(len(found) for _, found in records))
        decider = BatchDecider(
            self.machine, FRAUD_EVENTS, self.number, self.world.partitions, rfc3339, frozenset({LEDGER_EVENTS})
        )
        decider.on_bug = lambda record, context, error: self.world.bugs.append(error)
        batch = decider.decide(self.overlay, self.progress, taken)
        self.commit(batch)

    def commit(self, batch: Any) -> None:
        for observer in self.world.observers:
            observer.committed(self.number, batch)
        for message in batch.messages:
            if message.topic == FRAUD_EVENTS:
                self.log.append(message.value or b"")
            else:
                self.world.send(message.topic, message.partition, message.key, message.value, message.headers)
        self.store.write(changes_of(self.overlay), Mark(0, batch.seal))
        self.overlay.settle()
        self.progress = batch.after
        forget_old_buckets(self.overlay, self.store, self.progress.time_ms)

    def restart(self) -> None:
        """Lose everything local, and fold the log by a machine that knows no rules: the state is the same."""
        before = self.rows()
        self.machine = FraudMachine(self.world.limits)
        self.store = DictStore()
        self.overlay = self._overlay()
        for value in self.log:
            if b'"type":"batch.sealed"' not in value[:64]:
                self.machine.fold(self.overlay, value)
        self.store.write(changes_of(self.overlay), Mark(0, b""))
        self.overlay.settle()
        forget_old_buckets(self.overlay, self.store, self.progress.time_ms)
        assert self.rows() == before
        self.world.teach(self.machine)

    def rows(self) -> dict[str, dict[str, bytes]]:
        return {table: dict(rows) for table, rows in self.store.rows.items() if rows}

    def events(self) -> list[FraudEvent]:
        """What is in the log, seals left out; each fact as an event of its own."""
        decoded = [decode_fraud_event(value) for value in self.log if b'"type":"batch.sealed"' not in value[:64]]
        return [each for event in decoded for each in apart(event)]


def apart(event: FraudEvent) -> list[FraudEvent]:
    """An event of several facts as one of each; the others as they are."""
    return [_alone(event, counted) for counted in event.facts] if event.type == FACTS_COUNTED else [event]


def _alone(event: FraudEvent, counted: CountedFact) -> FraudEvent:
    fact = decode_fact(counted.fact)
    uses = [event.uses[number] for number in counted.uses]
    return FraudEvent(
        sequence=event.sequence,
        type=FACT_EVALUATED,
        cause=replace(event.cause, offset=counted.cause_offset),
        source=FactSource(counted.partition, counted.offset),
        event_time_ms=counted.event_time_ms,
        ledger_time_ms=counted.ledger_time_ms,
        closed_before_ms=counted.closed_before_ms,
        fact=fact,
        keys=tuple(FactKey(use.kind, key_under(use.kind, use.leg, fact), use.kept_s, use.leg) for use in uses),
        learned=counted.learned,
        recorded_at=event.recorded_at,
    )


class RoleWorld:
    """All partitions, their topics, and the rules that were published."""

    def __init__(self, rules: list[Json] = [], partitions: int = 2, limits: Limits | None = None):  # noqa: B006 - only read
        self.partitions = partitions
        self.limits = limits or Limits()
        self.reference: list[tuple[str, str, bytes | None]] = []
        self.topics: dict[tuple[str, int], list[FetchedRecord]] = {
            (topic, partition): []
            for topic in (*FRAUD_INPUTS, FRAUD_ALERTS, FRAUD_COMMANDS, "dead-letters")
            for partition in range(partitions)
        }
        self.bugs: list[Exception] = []
        #: Told of each batch that is committed.
        self.observers: list[Observer] = []
        self.now_ms = START_MS
        for rule in rules:
            self.reference.append((FRAUD_RULES, rule["rule_id"], orjson.dumps(rule)))
        self.all = [Partition(self, number) for number in range(partitions)]

    def machine(self) -> FraudMachine:
        machine = FraudMachine(self.limits)
        self.teach(machine)
        return machine

    def teach(self, machine: FraudMachine) -> None:
        for record in self.reference:
            machine.refer(*record)

    def refer(self, topic: str, key: str, value: Json | None) -> None:
        """Tell all partitions of a record of reference data."""
        record = (topic, key, None if value is None else orjson.dumps(value))
        for partition in self.all:
            partition.machine.refer(*record)
        self.reference.append(record)

    def publish(self, rule: Json) -> None:
        self.refer(FRAUD_RULES, rule["rule_id"], rule)

    def send(self, topic: str, partition: int, key: bytes | None, value: bytes | None, headers: Headers = ()) -> None:
        records = self.topics[topic, partition]
        # Of the ledger's log the workers stamp the records, of all else the broker.
        records.append(
            FetchedRecord(len(records), self.now_ms, 0 if topic == LEDGER_EVENTS else 1, key, value, headers)
        )

    def ledger_event(self, partition: int, **fields: Any) -> None:
        """One event of the ledger, recorded now."""
        event = {"sequence": 0, "type": "transaction.settled", "recorded_at": rfc3339(self.now_ms), **fields}
        self.send(LEDGER_EVENTS, partition, b"", orjson.dumps(event))

    def feedback(self, partition: int, **fields: Any) -> None:
        self.send(FRAUD_FEEDBACK, partition, str(fields.get("subject")).encode(), orjson.dumps(fields))

    def run(self, rng: random.Random | None = None, most: int = 100) -> None:
        """Everything, in some order; with `rng` in a random one, with restarts."""
        while waiting := [partition for partition in self.all if partition.waiting()]:
            partition = rng.choice(waiting) if rng else waiting[0]
            partition.run(rng.randint(1, 7) if rng else most)
            if rng and rng.random() < 0.1:
                rng.choice(self.all).restart()

    def records(self, topic: str) -> list[bytes]:
        return [record.value or b"" for partition in range(self.partitions) for record in self.topics[topic, partition]]

    def alerts(self) -> dict[str, Alert]:
        """Alerts as they were told last, by id."""
        told = [decode_alert(value) for value in self.records(FRAUD_ALERTS)]
        return {alert.alert_id: alert for alert in told}

    def events(self, *types: str) -> list[FraudEvent]:
        return [event for partition in self.all for event in partition.events() if event.type in types or not types]

    def commands(self) -> list[Json]:
        return [orjson.loads(value) for value in self.records(FRAUD_COMMANDS)]


def payment(world: RoleWorld, number: int, wallet_id: str, partition: int, **fields: Any) -> None:
    """A settled debit or transfer of a wallet."""
    world.ledger_event(
        partition,
        **{
            "wallet_id": wallet_id,
            "transaction_id": f"{number:032x}",
            "operation": "debit",
            "to_state": "settled",
            "amount_minor": 100,
            "asset": "EUR",
            "code": "ok",
            **fields,
        },
    )


def rule(rule_id: str, key: list[str], **parts: Any) -> Json:
    """A rule, active unless it says otherwise."""
    return {
        "rule_id": rule_id,
        "version": 1,
        "state": "active",
        "severity": "high",
        "score": 50,
        "key": key,
        **parts,
    }


def counted(rule_id: str, key: list[str], least: int, window_s: int = 60, **parts: Any) -> Json:
    """A rule on the number of facts in a window, the fact itself among them."""
    return rule(
        rule_id,
        key,
        aggregate={"function": "count", "window_s": window_s, "include_current": True},
        condition={"op": "ge", "value": least},
        **parts,
    )


#: Fires at each fact of 100 minor units and more.
EACH = rule("each", ["wallet_id"], filter={"field": "amount_minor", "op": "ge", "value": 100})


def one(world: RoleWorld) -> Alert:
    """The only alert."""
    (alert,) = world.alerts().values()
    return alert
