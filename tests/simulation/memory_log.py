"""An in-memory Kafka: partitions, transactions and their coordinator, by Kafka's rules.

Control records take offsets; the markers of a transaction reach its partitions at different times; a producer of an
old epoch is fenced; readers with `read_committed` see nothing from the last stable offset on and never an aborted
record. Sources: KIP-98 (transactions), KIP-360 (epoch bump), Kafka's TransactionCoordinator.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import NamedTuple

CREATE_TIME, LOG_APPEND_TIME = 0, 1

Headers = Sequence[tuple[str, bytes | None]]
#: Calls back after some seconds: the broker's own work, which goes on whoever dies.
Later = Callable[[float, Callable[[], object]], object]


class ProducerFenced(Exception):
    """The producer's epoch is not the current one of its transactional id."""


class ConcurrentTransactions(Exception):
    """The last transaction of this transactional id is not finished: try again in a moment."""


class RecordTooLarge(Exception):
    """A record is larger than the topic's `max.message.bytes`; none of the request was appended."""


class InvalidTransaction(Exception):
    """There is no transaction that could end."""


class StoredRecord(NamedTuple):
    """A record as a consumer sees it."""

    offset: int
    timestamp: int
    timestamp_type: int
    key: bytes | None
    value: bytes | None
    headers: Headers


@dataclass(slots=True, eq=False)
class Span:
    """A transaction's part in one partition."""

    first_offset: int
    #: True: committed, False: aborted, None: neither yet.
    committed: bool | None = None


class Partition:
    """One partition: its entries in offset order, control records included (as None)."""

    def __init__(self, topic: str, index: int, max_bytes: int, append_time: bool):
        self.topic, self.index = topic, index
        self.max_bytes, self.append_time = max_bytes, append_time
        self.start = 0
        self._entries: list[tuple[StoredRecord | None, Span | None]] = []
        self._open: dict[int, Span] = {}

    @property
    def end(self) -> int:
        """High watermark: the offset that comes next."""
        return len(self._entries)

    @property
    def last_stable(self) -> int:
        """First offset of the first open transaction, or the end where none is open."""
        return min((span.first_offset for span in self._open.values()), default=len(self._entries))

    def append(
        self, now_ms: int, key: bytes | None, value: bytes | None, headers: Headers, producer: int | None = None
    ) -> int:
        """Append a data record; `producer` where it belongs to that producer's transaction."""
        offset = len(self._entries)
        span = None
        if producer is not None:
            span = self._open.get(producer)
            if span is None:
                span = self._open[producer] = Span(offset)
        kind = LOG_APPEND_TIME if self.append_time else CREATE_TIME
        self._entries.append((StoredRecord(offset, now_ms, kind, key, value, headers), span))
        return offset

    def mark(self, producer: int, commit: bool) -> None:
        """Write the control record that ends the producer's transaction here."""
        span = self._open.pop(producer)
        span.committed = commit
        self._entries.append((None, span))

    def fetch(self, position: int, most: int) -> tuple[list[StoredRecord], int]:
        """Up to `most` committed records from `position`, and the position behind all that was passed."""
        found: list[StoredRecord] = []
        at, stable = max(position, self.start), self.last_stable
        while at < stable:
            record, span = self._entries[at]
            if record is not None and (span is None or span.committed):
                if len(found) == most:
                    break
                found.append(record)
            at += 1
        return found, max(at, position)

    def committed(self) -> list[StoredRecord]:
        """Every committed record below the last stable offset, deleted ones too."""
        return [
            record
            for record, span in self._entries[: self.last_stable]
            if record is not None and (span is None or span.committed)
        ]

    def delete_before(self, offset: int) -> None:
        """Retention: offsets below are gone."""
        self.start = max(self.start, min(offset, self.end))

    def truncate(self, end: int) -> None:
        """Lose the tail from `end` on; transactions that lost their marker are aborted."""
        del self._entries[end:]
        self._open = {}
        ended = {id(span) for record, span in self._entries if record is None}
        cut = {id(span): span for _, span in self._entries if span is not None and id(span) not in ended}
        for span in cut.values():
            span.committed = False
            self._entries.append((None, span))
        self.start = min(self.start, self.end)


class _State(Enum):
    EMPTY = auto()
    ONGOING = auto()
    ENDING = auto()


class Identity(NamedTuple):
    """Who a transactional producer is: its transactional id, producer id and epoch."""

    transactional_id: str
    producer: int
    epoch: int


@dataclass(slots=True)
class _Transactional:
    producer: int
    epoch: int = -1
    state: _State = _State.EMPTY
    committing: bool = False
    partitions: list[Partition] = field(default_factory=list)
    number: int = 0
    timeout_s: float = 10.0
    unmarked: int = 0


class Broker:
    """Topics and the transaction coordinator."""

    def __init__(self, now_ms: Callable[[], int], later: Later, marker_delay_s: Callable[[], float] = lambda: 0.0):
        self.now_ms = now_ms
        self._later = later
        self._marker_delay_s = marker_delay_s
        self.partitions: dict[tuple[str, int], Partition] = {}
        self._transactional: dict[str, _Transactional] = {}
        #: Bumped by `roll_back`; what was under way before it is lost.
        self._life = 0
        #: Called whenever a partition has more to read.
        self.on_readable: Callable[[Partition], object] = lambda _partition: None
        #: Called with each transaction that is decided: transactional id, epoch, commit.
        self.on_decided: Callable[[Identity, bool], object] = lambda _identity, _commit: None

    def create(self, topic: str, partitions: int, max_bytes: int = 1 << 20, append_time: bool = True) -> None:
        """Create a topic."""
        for index in range(partitions):
            self.partitions[topic, index] = Partition(topic, index, max_bytes, append_time)

    def partition(self, topic: str, index: int) -> Partition:
        """A partition; KeyError where there is none."""
        return self.partitions[topic, index]

    def produce(self, topic: str, index: int, key: bytes | None, value: bytes | None, headers: Headers = ()) -> int:
        """Append one record outside of transactions."""
        partition = self.partitions[topic, index]
        self._check_size(partition, value)
        offset = partition.append(self.now_ms(), key, value, headers)
        self.on_readable(partition)
        return offset

    # ---- transactions ----------------------------------------------------------------------------

    def init_producer(self, transactional_id: str, timeout_s: float = 10.0) -> Identity:
        """InitProducerId: fences whoever held the id.

        Raises:
            ConcurrentTransactions: the old transaction is being finished; where it was open, it is aborted first.
        """
        held = self._transactional.setdefault(transactional_id, _Transactional(1000 + len(self._transactional)))
        if held.state is _State.ONGOING:
            held.epoch += 1
            self._decide(transactional_id, held, commit=False)
        if held.state is _State.ENDING:
            raise ConcurrentTransactions(transactional_id)
        held.epoch += 1
        held.timeout_s = timeout_s
        return Identity(transactional_id, held.producer, held.epoch)

    def produce_in(
        self, identity: Identity, topic: str, index: int, records: Sequence[tuple[bytes | None, bytes | None, Headers]]
    ) -> list[int]:
        """Append records (key, value, headers) to one partition within the producer's transaction; their offsets.

        Raises:
            ProducerFenced: the epoch is old.
            ConcurrentTransactions: the last transaction is not finished.
            RecordTooLarge: nothing of this request was appended; the transaction stays open and may commit.
        """
        held = self._held(identity)
        if held.state is _State.ENDING:
            raise ConcurrentTransactions(identity.transactional_id)
        partition = self.partitions[topic, index]
        for _, value, _ in records:
            self._check_size(partition, value)
        if held.state is _State.EMPTY:
            held.state = _State.ONGOING
            held.number += 1
            held.partitions = []
            self._later(held.timeout_s, self._timeout(identity.transactional_id, held, held.number))
        if partition not in held.partitions:
            held.partitions.append(partition)
        now_ms = self.now_ms()
        return [partition.append(now_ms, key, value, headers, held.producer) for key, value, headers in records]

    def end(self, identity: Identity, commit: bool) -> None:
        """EndTxn: decides the transaction; its markers follow. Said twice, it is done once.

        Raises:
            ProducerFenced: the epoch is old.
            InvalidTransaction: there is none, or it was decided the other way.
        """
        held = self._held(identity)
        if held.state is _State.ENDING and held.committing == commit:
            return
        if held.state is not _State.ONGOING:
            raise InvalidTransaction(identity.transactional_id)
        self._decide(identity.transactional_id, held, commit)

    def _held(self, identity: Identity) -> _Transactional:
        held = self._transactional[identity.transactional_id]
        if held.epoch != identity.epoch:
            raise ProducerFenced(f"{identity.transactional_id}: epoch {identity.epoch}, now {held.epoch}")
        return held

    def _decide(self, transactional_id: str, held: _Transactional, commit: bool) -> None:
        self.on_decided(Identity(transactional_id, held.producer, held.epoch), commit)
        held.state, held.committing = _State.ENDING, commit
        held.unmarked = len(held.partitions)
        for partition in held.partitions:
            self._later(self._marker_delay_s(), self._marker(held, partition, self._life))

    def _marker(self, held: _Transactional, partition: Partition, life: int) -> Callable[[], None]:
        def write() -> None:
            if life != self._life:
                return
            partition.mark(held.producer, held.committing)
            held.unmarked -= 1
            if not held.unmarked:
                held.state = _State.EMPTY
            self.on_readable(partition)

        return write

    def _timeout(self, transactional_id: str, held: _Transactional, number: int) -> Callable[[], None]:
        def abort() -> None:
            if held.state is _State.ONGOING and held.number == number:
                held.epoch += 1
                self._decide(transactional_id, held, commit=False)

        return abort

    @staticmethod
    def _check_size(partition: Partition, value: bytes | None) -> None:
        if value is not None and len(value) > partition.max_bytes:
            raise RecordTooLarge(f"{partition.topic}: {len(value)} bytes, {partition.max_bytes} are allowed")

    # ---- disaster --------------------------------------------------------------------------------

    def ends(self) -> dict[tuple[str, int], int] | None:
        """A snapshot to roll back to; None while a transaction's markers are being written."""
        if any(held.state is _State.ENDING for held in self._transactional.values()):
            return None
        return {name: partition.end for name, partition in self.partitions.items()}

    def roll_back(self, ends: dict[tuple[str, int], int]) -> None:
        """Lose everything since a snapshot, as a cluster does that is restored from older disks."""
        self._life += 1
        for held in self._transactional.values():
            held.state = _State.EMPTY
            held.epoch += 1
        for name, end in ends.items():
            self.partitions[name].truncate(end)
