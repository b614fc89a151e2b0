"""A ledger of several partitions in memory: the real machine, without Kafka, disk or a clock of its own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from agents.ledger.machine import LedgerMachine
from ops.in_memory import DictStore, FetchedRecord
from schemas.clock import rfc3339
from schemas.events import Source
from schemas.topics import INPUTS, INTERNAL_COMMANDS, LEDGER_EVENTS
from streams.batch import LOG_APPEND_TIME, BatchDecider, Progress
from streams.box import Taken
from streams.machine import Context, Headers, InputRecord, Message, Output
from streams.overlay import Overlay
from streams.persist import changes_of
from streams.seal import Span

_CACHE_ENTRIES = 1_000


class ReferenceRecord(NamedTuple):
    """A record of a topic of reference data, by the topic's short name."""

    topic: str
    key: str
    value: bytes


class FaultOnPurpose(Exception):
    """The bug that a story tells of."""


class FailingMachine(LedgerMachine):
    """The ledger, with a bug in every record whose key is in `fails_on`."""

    def __init__(self) -> None:
        super().__init__()
        self.fails_on: set[bytes] = set()

    def step(self, state: Overlay, record: InputRecord, context: Context, out: Output) -> None:
        super().step(state, record, context, out)
        if record.key in self.fails_on:
            raise FaultOnPurpose


@dataclass
class _Partition:
    state: Overlay
    store: DictStore
    decider: BatchDecider
    progress: Progress = field(default_factory=Progress)
    inputs: dict[str, list[FetchedRecord]] = field(default_factory=lambda: {topic: [] for topic in INPUTS})
    taken: dict[str, int] = field(default_factory=lambda: dict.fromkeys(INPUTS, 0))

    def take(self) -> Taken:
        """All that waits, in the order of the inputs."""
        records: list[tuple[str, Sequence[InputRecord]]] = []
        spans, count = {}, 0
        for topic, written in self.inputs.items():
            start, end = self.taken[topic], len(written)
            spans[topic] = Span(start, end)
            self.taken[topic] = end
            if end > start:
                records.append((topic, written[start:]))
                count += end - start
        return Taken(records, spans, count)


class LedgerInMemory:
    """Records go in by `append`; `settle` decides them and all that they lead to, in every partition."""

    def __init__(self, partitions: int, reference: Iterable[ReferenceRecord] = ()):
        self.machine = FailingMachine()
        for record in reference:
            self.machine.refer(*record)
        self._partitions = [self._partition(index, partitions) for index in range(partitions)]

    def _partition(self, index: int, partitions: int) -> _Partition:
        store = DictStore()
        decider = BatchDecider(self.machine, LEDGER_EVENTS, index, partitions, rfc3339)
        return _Partition(Overlay(self.machine.tables, store, _CACHE_ENTRIES), store, decider)

    def append(
        self, at_ms: int, topic: str, partition: int, key: bytes | None, value: bytes | None, headers: Headers = ()
    ) -> Source:
        """Put a record into an input topic, stamped by the broker with this time; returns where it is."""
        written = self._partitions[partition].inputs[topic]
        written.append(FetchedRecord(len(written), at_ms, LOG_APPEND_TIME, key, value, headers))
        return Source(topic, partition, len(written) - 1)

    def tick_of(self, partition: int) -> tuple[int, Message] | None:
        """When something is due next in a partition, in Unix milliseconds, and the record that says so."""
        due_at_ms = self.machine.due_at_ms(self._partitions[partition].state)
        return None if due_at_ms is None else (due_at_ms, self.machine.tick(due_at_ms, partition))

    def settle(self, at_ms: int) -> list[Message]:
        """Decide until nothing waits, letting internal commands arrive at once; returns all that was written."""
        written: list[Message] = []
        while batches := [batch for partition in self._partitions for batch in self._decide(partition)]:
            for message in batches:
                if message.topic == INTERNAL_COMMANDS:
                    self.append(at_ms, *message)
            written += batches
        return written

    def _decide(self, partition: _Partition) -> list[Message]:
        taken = partition.take()
        if not taken.count:
            return []
        batch = partition.decider.decide(partition.state, partition.progress, taken)
        partition.store.write(changes_of(partition.state))
        partition.state.settle()
        partition.progress = batch.after
        return list(batch.messages)
