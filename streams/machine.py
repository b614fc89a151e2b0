"""What the runtime asks of a state machine. The runtime knows no wallet; the ledger is one machine that it runs.

A machine is pure: no clock, no I/O, no randomness. Its state is a fold of its own event log, kept in tables
(see `streams.overlay`); `apply` alone changes it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from streams.overlay import Overlay
from streams.tables import Table

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


class Message(NamedTuple):
    """A record to write: short topic name, partition index, key, value, headers."""

    topic: str
    partition: int
    key: bytes | None
    value: bytes | None
    headers: Headers = ()


#: Short topic name and partition index.
Target = tuple[str, int]
#: Key, value and headers of a record whose target is known.
Record = tuple[bytes | None, bytes | None, Headers]


@dataclass(slots=True)
class Context:
    """What a decision may know of its surroundings: where the record came from and the partition's time."""

    topic: str
    partition: int
    partitions: int
    recorded_at_ms: int
    recorded_at: str


class Outgoing:
    """The records of one transaction by where they go, each target's in order; iterating gives `Message`s.

    Three records for each request are written: grouped from the start, nothing has to go through them again.
    """

    __slots__ = ("by_target",)

    def __init__(self, messages: Iterable[Message] = ()):
        #: Short topic name and partition index: key, value, headers. A list may be empty.
        self.by_target: dict[Target, list[Record]] = {}
        for topic, partition, key, value, headers in messages:
            self.by_target.setdefault((topic, partition), []).append((key, value, headers))

    def __len__(self) -> int:
        return sum(map(len, self.by_target.values()))

    def __iter__(self) -> Iterator[Message]:
        for (topic, partition), records in self.by_target.items():
            for key, value, headers in records:
                yield Message(topic, partition, key, value, headers)


class Written(NamedTuple):
    """How much of an `Output` had been written at some moment."""

    sequence: int
    #: Number of records by where they go.
    records: dict[Target, int]
    labels: int
    dead_letters: int


class Output:
    """What the records of a batch lead to: numbered events, and other records to write with them.

    The runtime makes one for each batch. A machine writes the number of the next event, `sequence` + 1, into
    its event and hands over the event's bytes.
    """

    __slots__ = ("_by_target", "_partition", "dead_letters", "event_bytes", "events", "labels", "outgoing", "sequence")

    def __init__(self, event_log: str, partition: int, sequence: int):
        self._partition = partition
        #: Sequence of the last event written.
        self.sequence = sequence
        self.outgoing = Outgoing()
        self._by_target = self.outgoing.by_target
        #: The events alone: key, value, headers.
        self.events: list[Record] = []
        #: What has been written of them, those that were returned among them.
        self.event_bytes = 0
        self._by_target[event_log, partition] = self.events
        #: One label for each event, or for each of those that it stands for; for metrics.
        self.labels: list[tuple[str, str | None]] = []
        #: Why and in which stage each dead letter became one, for metrics.
        self.dead_letters: list[tuple[str, str]] = []

    def event(self, key: bytes | None, value: bytes, label: tuple[str, str | None]) -> None:
        """Write the event that has the number `sequence` + 1."""
        self.sequence += 1
        self.event_bytes += len(value)
        self.events.append((key, value, ()))
        self.labels.append(label)

    def events_of(self, count: int, key: bytes | None, value: bytes, label: tuple[str, str | None]) -> None:
        """Write one event that stands for so many: it is labelled as often."""
        self.event(key, value, label)
        self.labels += [label] * (count - 1)

    def send(self, topic: str, partition: int, key: bytes | None, value: bytes | None, headers: Headers = ()) -> None:
        """Write another record in the same transaction."""
        target = (topic, partition)
        records = self._by_target.get(target)
        if records is None:
            records = self._by_target[target] = []
        records.append((key, value, headers))

    def send_all(self, messages: Iterable[Message]) -> None:
        """Write other records in the same transaction."""
        for message in messages:
            self.send(*message)

    def dead_letter(
        self, topic: str, key: bytes | None, value: bytes | None, headers: Headers, label: tuple[str, str]
    ) -> None:
        """Write a record that could not be handled; `label` is the reason and the stage."""
        self.dead_letters.append(label)
        self.send(topic, self._partition, key, value, headers)

    def so_far(self) -> Written:
        """How much has been written."""
        sizes = {target: len(records) for target, records in self._by_target.items()}
        return Written(self.sequence, sizes, len(self.labels), len(self.dead_letters))

    def return_to(self, written: Written) -> None:
        """Forget all that has been written since."""
        self.sequence = written.sequence
        for target, records in self._by_target.items():
            del records[written.records.get(target, 0) :]
        del self.labels[written.labels :]
        del self.dead_letters[written.dead_letters :]


class Machine(Protocol):
    """A deterministic state machine that the partition processor runs."""

    #: Tables of the state.
    tables: tuple[Table[Any], ...]

    def refer(self, topic: str, key: str, value: bytes | None) -> None:
        """Take one record of reference data (short topic name; None is a tombstone), for all that is decided later.

        Called between batches, never within one. It changes no state and is no input: `fold` must not need it.

        Raises:
            ValueError: the record is bad; the message says why. What was known before stays.
        """

    def look_ahead(self, state: Overlay, records: Sequence[InputRecord], context: Context) -> None:
        """Read at once what deciding each of these records, which come next, would look up by itself.

        It changes nothing, and nothing that is decided depends on it.
        """

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

    def complete(self, state: Overlay, context: Context, out: Output) -> None:
        """All records of the batch are decided: write the events that several of them share, before the seal."""

    def finish(self, state: Overlay, context: Context, last_sequence: int, out: Output) -> None:
        """Send projections of all that a batch changed, once at its end; `last_sequence` is the seal's."""

    def due_at_ms(self, state: Overlay) -> int | None:
        """When the state next wants time to pass, in Unix milliseconds; None where nothing is due ever."""

    def tick(self, due_at_ms: int, partition: int) -> Message:
        """The record that lets time pass up to `due_at_ms`."""
