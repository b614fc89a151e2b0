"""The edges of a partition processor. Kafka and RocksDB stand behind them; in the simulation, memory does."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple, Protocol

from streams.machine import Message


class LogPosition(NamedTuple):
    """Where a transaction's seal stands in the event log, and the position behind the transaction's records."""

    seal_offset: int
    next_offset: int


class Bounds(NamedTuple):
    """First offset that a topic partition still holds, and the offset that comes next (last stable offset)."""

    start: int
    end: int


class Mark(NamedTuple):
    """How far a store has come: the seal it stands at, as bytes, and where that seal is in the event log."""

    seal_offset: int
    seal: bytes


#: Table -> key -> value, or None to remove. No table is without a key.
Changes = Mapping[str, Mapping[str, bytes | None]]


class Store(Protocol):
    """Local state of one partition: a copy that may be lost, for the event log is the truth."""

    def get(self, table: str, key: str) -> bytes | None: ...

    def get_many(self, table: str, keys: Sequence[str]) -> Sequence[bytes | None]: ...

    def scan(self, table: str, start: str = "") -> Iterator[tuple[str, bytes]]: ...

    def tables(self) -> Sequence[str]:
        """Names of the tables that exist."""

    def drop_table(self, table: str) -> None:
        """Forget a table and all that is in it."""

    def mark(self) -> Mark | None:
        """How far this store has come; None where it is empty."""

    def write(self, changes: Changes, mark: Mark) -> None:
        """Write changes and the mark: all or nothing.

        Raises:
            StoreError: nothing was written.
        """

    def close(self) -> None:
        """Close the handle; the files stay."""


class Stores(Protocol):
    """Opens stores."""

    def open(self, partition: int) -> Store:
        """The partition's store, as it was left.

        Raises:
            StoreError: it cannot be opened.
        """

    def open_empty(self, partition: int) -> Store:
        """An empty store for the partition; what was there is deleted."""


class LogWriter(Protocol):
    """A transactional producer whose `transactional.id` belongs to one partition."""

    async def fence(self) -> None:
        """Take over the transactional id; returns only once the old holder's transaction is finished.

        Raises:
            Unavailable: no broker answers.
        """

    async def transact(
        self, messages: Iterable[Message], before_commit: Callable[[LogPosition], Awaitable[None]] | None = None
    ) -> LogPosition:
        """Steps 3 and 4: write all messages in one transaction and commit it.

        The last message of the event log is the seal. `before_commit` is awaited between the steps, with where the seal
        is: everything is written, the commit is not sent. Any exception means that the outcome is unknown.

        Raises:
            Fenced: another incarnation holds the transactional id.
            MessageTooLarge: the broker does not take one of the records.
        """

    async def close(self) -> None:
        """Stop within 5 s, or be dropped. An error is told and changes nothing: the next writer fences this one."""


class LogReader(Protocol):
    """Reads the partition's event log with `read_committed`."""

    async def bounds(self) -> Bounds: ...

    async def high_watermark(self) -> int:
        """The offset that comes next, whether all before it is committed or not."""

    async def record_at(self, offset: int) -> bytes | None:
        """Value of the record at exactly this offset, or None where there is none."""

    def read(self, start: int, end: int) -> AsyncIterator[list[tuple[int, bytes]]]:
        """Chunks of (offset, value) from `start` until the position reaches `end`."""

    async def close(self) -> None: ...


class Group(Protocol):
    """The consumer group, for ownership and for lag tools; it never positions."""

    async def prove_ownership(self, partition: int) -> None:
        """Commit offsets with the current generation.

        Raises:
            NotOwner: the group refused.
        """

    async def acknowledge(self, partition: int, positions: Mapping[str, int]) -> None:
        """Step 6: commit the positions of the inputs.

        Raises:
            NotOwner: the group refused.
        """


class Inputs(Protocol):
    """The consumer that feeds a partition's box."""

    async def bounds(self, partition: int) -> Mapping[str, Bounds]:
        """Bounds of every input topic's partition of that index."""

    async def seek(self, partition: int, positions: Mapping[str, int], incarnation: int) -> None:
        """Seek; every batch delivered from then on carries `incarnation`."""

    def pause(self, partition: int, topic: str) -> None: ...

    def resume(self, partition: int, topic: str) -> None: ...


class Clock(Protocol):
    """The worker's own clock: for health and time limits only, never for decisions."""

    def now_ms(self) -> int: ...


class Logs(Protocol):
    """Makes the writers and readers of a partition's event log."""

    def writer(self, partition: int) -> LogWriter:
        """A new, unfenced writer."""

    def reader(self, partition: int) -> LogReader:
        """A new reader."""


class Ports(NamedTuple):
    """Everything a processor touches."""

    stores: Stores
    logs: Logs
    group: Group
    inputs: Inputs
    clock: Clock
