"""What the runtime asks of a state machine. The runtime knows no wallet; the ledger is one machine that it runs.

A machine is pure: no clock, no I/O, no randomness. Its state is a fold of its own event log, kept in tables
(see `streams.overlay`); `apply` alone changes it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from streams.overlay import Overlay, Table

Headers = Sequence[tuple[str, bytes | None]]


class InputRecord(Protocol):
    """A record as the consumer hands it over; aiokafka's `ConsumerRecord` is one."""

    @property
    def offset(self) -> int: ...
    @property
    def timestamp(self) -> int: ...
    @property
    def timestamp_type(self) -> int | None: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def headers(self) -> Headers: ...


# A named tuple's own constructor is a Python function; this one makes three of them for each request.
_new_tuple = tuple.__new__


class Message(NamedTuple):
    """A record to write: short topic name, partition index, key, value, headers."""

    topic: str
    partition: int
    key: bytes | None
    value: bytes | None
    headers: Headers = ()


@dataclass(slots=True)
class Context:
    """What a decision may know of its surroundings: where the record came from and the partition's time."""

    topic: str
    partition: int
    partitions: int
    recorded_at_ms: int
    recorded_at: str


class Output:
    """What the records of a batch lead to: numbered events, and other records to write with them.

    The runtime makes one for each batch. A machine takes the next number with `next_sequence`, writes it into
    its event and hands over the event's bytes.
    """

    __slots__ = ("_log", "_partition", "dead_letters", "events", "labels", "messages", "sequence")

    def __init__(self, event_log: str, partition: int, sequence: int):
        self._log = event_log
        self._partition = partition
        #: Sequence of the last event written.
        self.sequence = sequence
        self.events: list[Message] = []
        #: One label for each event, for metrics.
        self.labels: list[tuple[str, str | None]] = []
        self.messages: list[Message] = []
        #: For metrics: of each dead letter its place among `messages`, and why and in which stage it became one.
        self.dead_letters: list[tuple[int, tuple[str, str]]] = []

    def next_sequence(self) -> int:
        """The number of the next event; `event` must follow."""
        return self.sequence + 1

    def event(self, key: bytes | None, value: bytes, label: tuple[str, str | None]) -> None:
        """Write the event that has the next number."""
        self.sequence += 1
        self.events.append(_new_tuple(Message, (self._log, self._partition, key, value, ())))
        self.labels.append(label)

    def send(self, topic: str, partition: int, key: bytes | None, value: bytes | None, headers: Headers = ()) -> None:
        """Write another record in the same transaction."""
        self.messages.append(_new_tuple(Message, (topic, partition, key, value, headers)))

    def dead_letter(
        self, topic: str, key: bytes | None, value: bytes | None, headers: Headers, label: tuple[str, str]
    ) -> None:
        """Write a record that could not be handled; `label` is the reason and the stage."""
        self.dead_letters.append((len(self.messages), label))
        self.send(topic, self._partition, key, value, headers)

    def truncate(self, sequence: int, messages: int) -> None:
        """Forget every event after `sequence` and all but the first `messages` other records."""
        forgotten = self.sequence - sequence
        if forgotten:
            del self.events[-forgotten:]
            del self.labels[-forgotten:]
        self.sequence = sequence
        del self.messages[messages:]
        self.dead_letters = [one for one in self.dead_letters if one[0] < messages]


class Machine(Protocol):
    """A deterministic state machine that the partition processor runs."""

    #: Tables of the state.
    tables: tuple[Table[Any], ...]

    def step(self, state: Overlay, record: InputRecord, context: Context, out: Output) -> None:
        """Decide one record: write at least one event, and apply each to `state`.

        Any exception is a bug: changes and output of the record are rolled back and `failed` is called.
        """

    def failed(self, state: Overlay, record: InputRecord, context: Context, error: Exception, out: Output) -> None:
        """What to write instead where `step` raised: at least one event, so that the offset is answered."""

    def oversized(self, state: Overlay, record: InputRecord, context: Context, out: Output) -> None:
        """What to write instead where the output of `step` is larger than the broker takes."""

    def fold(self, state: Overlay, value: bytes) -> None:
        """Apply one event of the log, given as its bytes."""

    def finish(self, state: Overlay, context: Context, last_sequence: int) -> list[Message]:
        """Projections of all that a batch changed, written once at its end."""

    def due_at_ms(self, state: Overlay) -> int | None:
        """When the state next wants time to pass, in Unix milliseconds; None where nothing is due ever."""

    def tick(self, due_at_ms: int, partition: int) -> Message:
        """The record that lets time pass up to `due_at_ms`."""
