"""The broker of an in-memory Kafka: topics, transactions and their coordinator, by Kafka's rules.

The markers of a transaction reach its partitions at different times; a producer of an old epoch is fenced. What is
refused is refused with the error classes of aiokafka. Sources: KIP-98 (transactions), KIP-360 (epoch bump), Kafka's
TransactionCoordinator.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import NamedTuple

from aiokafka.errors import ConcurrentTransactions, InvalidTxnState, MessageSizeTooLargeError, ProducerFenced

from tests.simulation.memory_log import Headers, Partition

#: Calls back after some seconds: the broker's own work, which goes on whoever dies.
Later = Callable[[float, Callable[[], object]], object]


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
            MessageSizeTooLargeError: nothing of this request was appended; the transaction stays open and may commit.
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
            InvalidTxnState: there is none, or it was decided the other way.
        """
        held = self._held(identity)
        if held.state is _State.ENDING and held.committing == commit:
            return
        if held.state is not _State.ONGOING:
            raise InvalidTxnState(identity.transactional_id)
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
            raise MessageSizeTooLargeError(f"{partition.topic}: {len(value)} bytes, {partition.max_bytes} are allowed")

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
