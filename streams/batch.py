"""Step 2 of the commit protocol: decide what was taken, against an overlay, before anything is written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast

from streams.box import Taken
from streams.errors import BatchTooLarge, Refused, StoreError
from streams.machine import Context, InputRecord, Machine, Outgoing, Output
from streams.overlay import Overlay
from streams.seal import GENESIS, write_seal

#: Kafka's `TimestampType.LOG_APPEND_TIME`.
LOG_APPEND_TIME = 1


#: Decides one record.
Step = Callable[[Overlay, InputRecord, Context, Output], None]


@dataclass(slots=True)
class Progress:
    """How far the fold has come: what the last seal says, and what the next batch continues."""

    sequence: int = -1
    hash: str = GENESIS
    time_ms: int = 0
    positions: dict[str, int] = field(default_factory=dict)
    seal_offset: int = -1
    next_offset: int = 0


@dataclass(slots=True)
class Batch:
    """One decided batch: all messages of its transaction, the seal as last event, and what it makes of `Progress`."""

    messages: Outgoing
    #: One label for each event, for metrics.
    labels: list[tuple[str, str | None]]
    seal: bytes
    after: Progress
    count: int
    #: The first record decided, as (topic, offset); None in a batch that only seals positions.
    first: tuple[str, int] | None
    #: Reason and stage of each dead letter, for metrics.
    dead_letters: list[tuple[str, str]] = field(default_factory=list)
    #: Of all events but the seal.
    event_bytes: int = 0


@dataclass(slots=True)
class BatchDecider:
    """Decides batches of one partition. Pure but for what the overlay reads from the store."""

    machine: Machine
    event_log: str
    partition: int
    partitions: int
    rfc3339: Callable[[int], str]
    #: Inputs whose records are stamped by the workers of another role, not by the broker.
    logs: frozenset[str] = frozenset()
    #: Records whose result the broker does not take: (topic, offset).
    oversized: set[tuple[str, int]] = field(default_factory=set)
    #: A batch ends before the record with which its events come to more: memory and time limits of transactions hold no
    #: more, whatever few records lead to. One record may.
    most_event_bytes: int = 32 << 20
    #: Called with each exception that a machine raised, for the log.
    on_bug: Callable[[InputRecord, Context, Exception], None] | None = None

    def decide(self, state: Overlay, before: Progress, taken: Taken) -> Batch:
        """Step 2. `before` and the store stay as they are; all changes are in `state` and in the batch.

        A machine hardly ever raises, so that a savepoint for each record is made only where it did: the batch is
        decided once more from its beginning, and being pure the machine does the same again.

        Raises:
            StoreError: the store cannot be read.
            Refused: a record is not stamped with the broker's append time.
            BatchTooLarge: it leads to too much; fewer records do not.
        """
        try:
            return self._decide(state, before, taken, self._step if self.oversized else self.machine.step)
        except (StoreError, MemoryError, Refused, BatchTooLarge):
            raise
        except Exception:
            state.forget()
            with state.careful():
                return self._decide(state, before, taken, self._step_carefully, look_ahead=False)

    def _decide(self, state: Overlay, before: Progress, taken: Taken, step: Step, *, look_ahead: bool = True) -> Batch:
        now_ms = before.time_ms
        context = Context("", self.partition, self.partitions, now_ms, self.rfc3339(now_ms))
        out = Output(self.event_log, self.partition, before.sequence)
        for topic, records in taken.records:
            context.topic = topic
            if look_ahead:
                self.machine.look_ahead(state, records, context)
            for record in records:
                if record.timestamp_type != LOG_APPEND_TIME and topic not in self.logs:
                    raise Refused(f"{topic} is not stamped by the broker: set message.timestamp.type=LogAppendTime")
                if (timestamp := record.timestamp) > now_ms:
                    now_ms = timestamp
                    context.recorded_at_ms = now_ms
                    context.recorded_at = self.rfc3339(now_ms)
                step(state, record, context, out)
                if out.event_bytes > self.most_event_bytes:
                    _refuse_more(taken, topic, record, out)
        decided_bytes = out.event_bytes
        self.machine.complete(state, context, out)
        if decided_bytes <= self.most_event_bytes < out.event_bytes and taken.count > 1:
            raise BatchTooLarge(taken.count // 2, out.event_bytes)
        return self._seal(state, before, taken, out, context)

    def _step(self, state: Overlay, record: InputRecord, context: Context, out: Output) -> None:
        if (context.topic, record.offset) in self.oversized:
            self.machine.oversized(state, record, context, out)
        else:
            self.machine.step(state, record, context, out)

    def _step_carefully(self, state: Overlay, record: InputRecord, context: Context, out: Output) -> None:
        """A bug in the machine is an answer of its own, not the end of the batch."""
        state.savepoint()
        written = out.so_far()
        try:
            self._step(state, record, context, out)
        except (StoreError, MemoryError):
            raise
        except Exception as error:
            state.roll_back()
            out.return_to(written)
            if self.on_bug is not None:
                self.on_bug(record, context, error)
            self.machine.failed(state, record, context, error, out)

    def _seal(self, state: Overlay, before: Progress, taken: Taken, out: Output, context: Context) -> Batch:
        last = out.sequence + 1
        seal, digest = write_seal(
            sequence=last,
            first_sequence=before.sequence + 1,
            inputs=taken.spans,
            partition=self.partition,
            partitions=self.partitions,
            partition_time=context.recorded_at,
            previous_hash=before.hash,
            events=cast("list[bytes]", [value for _, value, _ in out.events]),
        )
        self.machine.finish(state, context, last, out)
        out.events.append((b"", seal, ()))
        positions = {topic: span.to for topic, span in taken.spans.items()}
        after = Progress(last, digest, context.recorded_at_ms, positions)
        first = (taken.records[0][0], taken.records[0][1][0].offset) if taken.records else None
        return Batch(out.outgoing, out.labels, seal, after, taken.count, first, out.dead_letters, out.event_bytes)


def _refuse_more(taken: Taken, topic: str, last: InputRecord, out: Output) -> None:
    """What is decided up to a record is too much, unless that is all."""
    decided = 0
    for each, records in taken.records:
        if each == topic:
            decided += 1 + next(at for at, record in enumerate(records) if record is last)
            break
        decided += len(records)
    if decided < taken.count:
        raise BatchTooLarge(max(1, decided - 1), out.event_bytes)
