"""An honest ledger in memory: the real machine, driven batch by batch, on topics that are lists.

Offsets are as Kafka gives them: every transaction leaves a control record, so that there are gaps in the topics that
the ledger writes, its own input among them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import orjson

from agents.ledger.machine import LedgerMachine
from schemas import topics
from schemas.catalogue import TOPICS
from schemas.clock import rfc3339
from schemas.partitioning import partition_of
from streams.batch import Batch, BatchDecider, Progress
from streams.box import Taken
from streams.machine import Headers, InputRecord, Message
from streams.overlay import Overlay
from streams.persist import changes_of, load_buckets
from streams.seal import Span

START_MS = 1_795_409_400_000


class LogRecord(NamedTuple):
    """A record of a topic, with the fields that Kafka's consumers give it."""

    offset: int
    timestamp: int
    timestamp_type: int
    key: bytes | None
    value: bytes | None
    headers: Headers = ()


class DictStore:
    """The copy of the state that an overlay reads."""

    def __init__(self) -> None:
        self.data: dict[str, dict[str, bytes]] = {}

    def get(self, table: str, key: str) -> bytes | None:
        return self.data.get(table, {}).get(key)

    def get_many(self, table: str, keys: Sequence[str]) -> Sequence[bytes | None]:
        return [self.get(table, key) for key in keys]

    def scan(self, table: str, start: str = "") -> Iterator[tuple[str, bytes]]:
        return iter(sorted(pair for pair in self.data.get(table, {}).items() if pair[0] >= start))

    def tables(self) -> list[str]:
        return list(self.data)

    def write(self, state: Overlay) -> None:
        for table, changed in changes_of(state).items():
            rows = self.data.setdefault(table, {})
            for key, value in changed.items():
                if value is None:
                    rows.pop(key, None)
                else:
                    rows[key] = value


class Ledger:
    """All partitions of a ledger and its topics. `topics[name][partition]` lists `LogRecord`s."""

    def __init__(self, partitions: int = 2, machine: LedgerMachine | None = None):
        self.partitions = partitions
        self.machine = machine or LedgerMachine()
        self.topics: dict[str, list[list[LogRecord]]] = {
            t.name: [[] for _ in range(partitions)] for t in TOPICS if t.co_partitioned
        }
        self.ends: dict[tuple[str, int], int] = {}
        self.stores = [DictStore() for _ in range(partitions)]
        self.overlays = [Overlay(self.machine.tables, store) for store in self.stores]
        self.progress = [Progress() for _ in range(partitions)]
        self.seals = [b""] * partitions
        self.now_ms = START_MS
        #: All that was written, in order: what one transaction wrote together, or a plain producer alone.
        self.history: list[tuple[bool, list[Message]]] = []
        self._requests = 0

    def append(
        self, topic: str, partition: int, key: bytes | None, value: bytes | None, headers: Headers = ()
    ) -> LogRecord:
        """Produce one record, as a plain producer does it."""
        self.history.append((False, [Message(topic, partition, key, value, headers)]))
        return self._append(topic, partition, key, value, headers)

    def _append(
        self, topic: str, partition: int, key: bytes | None, value: bytes | None, headers: Headers
    ) -> LogRecord:
        offset = self.ends.get((topic, partition), 0)
        self.ends[topic, partition] = offset + 1
        record = LogRecord(offset, self.now_ms, 1, key, value, headers)
        self.topics[topic][partition].append(record)
        return record

    def send(
        self, topic: str = topics.TRANSACTION_REQUESTS, *, partition: int | None = None, **fields: Any
    ) -> LogRecord:
        """Produce one command, keyed by its wallet."""
        self._requests += 1
        fields.setdefault("idempotency_key", f"k{self._requests}")
        wallet_id = fields["wallet_id"]
        at = partition_of(wallet_id, self.partitions) if partition is None else partition
        return self.append(topic, at, wallet_id.encode(), orjson.dumps(fields))

    def run(self, *, max_records: int = 50) -> None:
        """Let every partition decide until nothing waits anywhere."""
        while any(self.step(p, max_records) for p in range(self.partitions)):
            pass

    def step(self, partition: int, max_records: int = 50) -> bool:
        """One batch of one partition; False where nothing waits."""
        before = self.progress[partition]
        taken = self._take(partition, before, max_records)
        if not taken.count:
            return False
        self.now_ms += 7
        overlay = self.overlays[partition]
        load_buckets(overlay, self.stores[partition])  # type: ignore[arg-type]
        decider = BatchDecider(self.machine, topics.LEDGER_EVENTS, partition, self.partitions, rfc3339)
        batch = decider.decide(overlay, before, taken)
        self._commit(batch)
        self.stores[partition].write(overlay)
        overlay.settle()
        self.progress[partition] = batch.after
        self.seals[partition] = batch.seal
        return True

    def _take(self, partition: int, before: Progress, max_records: int) -> Taken:
        records: list[tuple[str, list[InputRecord]]] = []
        spans = {}
        for topic in topics.INPUTS:
            start = before.positions.get(topic, 0)
            waiting = [r for r in self.topics[topic][partition] if r.offset >= start][:max_records]
            if waiting:
                records.append((topic, list(waiting)))
            spans[topic] = Span(start, waiting[-1].offset + 1 if waiting else start)
        return Taken(records, spans, sum(len(part) for _, part in records))  # type: ignore[arg-type]

    def _commit(self, batch: Batch) -> None:
        self.history.append((True, list(batch.messages)))
        touched = set()
        for message in batch.messages:
            self._append(message.topic, message.partition, message.key, message.value, message.headers)
            touched.add((message.topic, message.partition))
        for place in touched:
            self.ends[place] += 1
