"""The reconciliation role in memory: the real machine in the real `BatchDecider`, topics that are lists."""

from __future__ import annotations

import random
from typing import Any

import orjson

from agents.reconciliation.machine import ReconciliationMachine
from agents.reconciliation.turn import Limits
from ops.in_memory import FetchedRecord
from schemas.clock import rfc3339
from schemas.partitioning import partition_of
from schemas.reconciliation_events import ReconciliationEvent, decode_reconciliation_event
from schemas.reconciliation_exceptions import OPEN_STATES, ReconciliationException, decode_exception
from schemas.topics import (
    EXTERNAL_STATEMENTS,
    LEDGER_EVENTS,
    OPERATOR_COMMANDS,
    RECONCILIATION_DECISIONS,
    RECONCILIATION_EVENTS,
    RECONCILIATION_EXCEPTIONS,
    RECONCILIATION_INPUTS,
    RECONCILIATION_RESULTS,
)
from streams.batch import BatchDecider, Progress
from streams.box import Taken
from streams.machine import Headers
from streams.overlay import Overlay
from streams.persist import changes_of, load_buckets
from streams.ports import Mark
from streams.seal import Span
from tests.ledger.store import DictStore
from tests.reconciliation.records import ledger_event, posted_event, settled_event, statement_records

Json = dict[str, Any]
#: Monday, 23 November 2026.
START_MS = 1_795_409_400_000
DAY_MS = 86_400_000
SHA = "ab" * 32


class Partition:
    """One partition of the role."""

    def __init__(self, world: World, number: int):
        self.world, self.number = world, number
        self.log: list[bytes] = []
        self.progress = Progress()
        self.taken = dict.fromkeys(RECONCILIATION_INPUTS, 0)
        self._open()

    def _open(self) -> None:
        self.machine = ReconciliationMachine(self.world.limits)
        for record in self.world.reference:
            self.machine.refer(*record)
        self.store = DictStore()
        self.overlay = Overlay(self.machine.tables, self.store)
        load_buckets(self.overlay, self.store)

    def waiting(self) -> int:
        return sum(len(self.world.topics[topic, self.number]) - at for topic, at in self.taken.items())

    def run(self, most: int) -> None:
        records = []
        for topic in RECONCILIATION_INPUTS:
            found = self.world.topics[topic, self.number][self.taken[topic] :][:most]
            most -= len(found)
            if found:
                records.append((topic, found))
                self.taken[topic] += len(found)
        spans = {topic: Span(0, at) for topic, at in self.taken.items()}
        taken = Taken(list(records), spans, sum(len(found) for _, found in records))
        decider = BatchDecider(
            self.machine,
            RECONCILIATION_EVENTS,
            self.number,
            self.world.partitions,
            rfc3339,
            frozenset({LEDGER_EVENTS}),
        )
        decider.on_bug = lambda record, context, error: self.world.bugs.append(error)
        batch = decider.decide(self.overlay, self.progress, taken)
        for message in batch.messages:
            if message.topic == RECONCILIATION_EVENTS:
                self.log.append(message.value or b"")
            else:
                self.world.send(message.topic, message.partition, message.key, message.value, message.headers)
        self.store.write(changes_of(self.overlay), Mark(0, batch.seal))
        self.overlay.settle()
        self.progress = batch.after

    def restart(self) -> None:
        """Lose everything local, and fold the log: the state is the same."""
        before = self.rows()
        self._open()
        for value in self.log:
            if b'"type":"batch.sealed"' not in value[:64]:
                self.machine.fold(self.overlay, value)
        self.store.write(changes_of(self.overlay), Mark(0, b""))
        self.overlay.settle()
        assert self.rows() == before

    def rows(self) -> dict[str, dict[str, bytes]]:
        return {table: dict(rows) for table, rows in self.store.rows.items() if rows}

    def tick(self) -> bool:
        due_ms = self.machine.due_at_ms(self.overlay)
        if due_ms is None or due_ms > self.world.now_ms:
            return False
        self.world.send(*self.machine.tick(due_ms, self.number))
        return True


class World:
    """All partitions, their topics, and what was published."""

    def __init__(self, partitions: int = 2, limits: Limits | None = None, reference: list[tuple[str, Json]] = []):  # noqa: B006
        self.partitions, self.limits = partitions, limits or Limits()
        self.reference = [(topic, record["name"], orjson.dumps(record)) for topic, record in reference]
        self.topics: dict[tuple[str, int], list[FetchedRecord]] = {
            (topic, partition): []
            for topic in (
                *RECONCILIATION_INPUTS,
                OPERATOR_COMMANDS,
                RECONCILIATION_EXCEPTIONS,
                RECONCILIATION_RESULTS,
                "dead-letters",
            )
            for partition in range(partitions)
        }
        self.bugs: list[Exception] = []
        self.now_ms = START_MS
        self.sequence = 0
        self.files = 0
        self.decisions = 0
        self.all = [Partition(self, number) for number in range(partitions)]

    def send(self, topic: str, partition: int, key: bytes | None, value: bytes | None, headers: Headers = ()) -> None:
        records = self.topics[topic, partition]
        kind = 0 if topic == LEDGER_EVENTS else 1
        records.append(FetchedRecord(len(records), self.now_ms, kind, key, value, headers))

    def refer(self, topic: str, record: Json) -> None:
        """Reference data as it is from now on."""
        one = topic, record["name"], orjson.dumps(record)
        self.reference.append(one)
        for partition in self.all:
            partition.machine.refer(*one)

    def run(self, rng: random.Random | None = None) -> None:
        """Everything that waits and is due, in some order."""
        while True:
            waiting = [partition for partition in self.all if partition.waiting()]
            if not waiting:
                if not sum(partition.tick() for partition in self.all):
                    assert not self.bugs, self.bugs
                    return
                continue
            (rng.choice(waiting) if rng else waiting[0]).run(rng.randint(1, 7) if rng else 100)
            if rng and rng.random() < 0.1:
                rng.choice(self.all).restart()

    def later(self, days: int = 0, seconds: int = 0) -> None:
        self.now_ms += days * DAY_MS + seconds * 1000
        self.run()

    def settled(self, wallet_id: str, minor: int, reference: str, rail: str = "sepa", **fields: Any) -> None:
        """The ledger settles a credit (or with a negative amount a debit) over a rail."""
        self.sequence += 1
        facts = {"rail_facts": {"rail_reference": reference}, **fields}
        self._ledger(settled_event(wallet_id, minor, rail, self.sequence, rfc3339(self.now_ms), **facts))

    def ledger_event(self, wallet_id: str, **fields: Any) -> None:
        self.sequence += 1
        self._ledger(ledger_event(wallet_id, self.sequence, rfc3339(self.now_ms), **fields))

    def _ledger(self, event: Json) -> None:
        wallet_id = event["wallet_id"]
        self.send(LEDGER_EVENTS, partition_of(wallet_id, self.partitions), wallet_id.encode(), orjson.dumps(event))

    def statement(
        self,
        *lines: tuple[int, str],
        side: str = "partner",
        account: str = "sepa",
        day: str | None = None,
        **fields: Any,
    ) -> str:
        """A file with one statement; a line is an amount and a reference, and of today unless a day is given."""
        self.files += 1
        records = statement_records(self.files, lines, side, account, day or rfc3339(self.now_ms)[:10])
        records[-1] |= fields
        for record in records:
            self.external(record)
        return str(records[-1]["statement_id"])

    def external(self, record: Json) -> None:
        account = record["account"]
        self.send(EXTERNAL_STATEMENTS, partition_of(account, self.partitions), account.encode(), orjson.dumps(record))

    def decide(self, kind: str, by: str, exception: ReconciliationException | None = None, **fields: Any) -> None:
        self.decisions += 1
        decision = {"kind": kind, "book": "sepa", "decision_id": f"d{self.decisions}", "by": by}
        if exception is not None:
            decision["exception_id"] = exception.exception_id
        value = orjson.dumps({**decision, **fields})
        self.send(RECONCILIATION_DECISIONS, partition_of("sepa", self.partitions), b"sepa", value)
        self.run()

    def records(self, topic: str) -> list[bytes]:
        return [record.value or b"" for partition in range(self.partitions) for record in self.topics[topic, partition]]

    def exceptions(self) -> dict[str, ReconciliationException]:
        """As they were told last."""
        told = [decode_exception(value) for value in self.records(RECONCILIATION_EXCEPTIONS)]
        return {each.exception_id: each for each in told}

    def open(self) -> list[ReconciliationException]:
        return [each for each in self.exceptions().values() if each.state in OPEN_STATES]

    def events(self, *types: str) -> list[ReconciliationEvent]:
        found = [
            decode_reconciliation_event(value)
            for partition in self.all
            for value in partition.log
            if b'"type":"batch.sealed"' not in value[:64]
        ]
        return [event for event in found if event.type in types or not types]

    def commands(self) -> list[Json]:
        return [orjson.loads(value) for value in self.records(OPERATOR_COMMANDS)]

    def answer(self, code: str = "ok") -> None:
        """The ledger answers the last posting."""
        command = self.commands()[-1]
        cause = {"topic": OPERATOR_COMMANDS, "partition": 0, "offset": 0}
        cause["idempotency_key"] = command["idempotency_key"]
        self.sequence += 1
        self._ledger(posted_event(command, cause, self.sequence, rfc3339(self.now_ms), code))
        self.run()
