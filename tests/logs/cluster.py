"""A cluster as the log tests see it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from streams.box import InputBatch
from streams.machine import Message
from streams.ports import Bounds, Group, Logs, LogWriter

PARTITIONS = 2


class Member(Protocol):
    """A member of the consumer group that owns all partitions."""

    @property
    def group(self) -> Group:
        """Its commits."""

    async def bounds(self) -> Mapping[str, Bounds]:
        """Bounds of the inputs of partition 0."""

    async def fetch_until(self, topic: str, start: int, end: int) -> list[InputBatch]:
        """Seek partition 0 of `topic` to `start`; what is delivered until the position is `end`."""

    def grow_stale(self) -> None:
        """The group goes on without telling the member, as it does with a stopped process."""


class Cluster(Protocol):
    """Topics of the toy role, and the ports over them."""

    @property
    def logs(self) -> Logs:
        """Writers and readers of the event log."""

    async def produce(self, topic: str, partition: int, *values: bytes) -> None:
        """Produce outside of transactions."""

    async def produce_transaction(self, topic: str, partition: int, *values: bytes, commit: bool) -> None:
        """Produce in a transaction of somebody else, and end it."""

    async def leave_open(self, writer: LogWriter, messages: Sequence[Message]) -> None:
        """Do step 3 with a fenced writer, but not step 4."""

    async def committed(self, topic: str, partition: int) -> list[tuple[int, bytes]]:
        """All committed records of a partition as (offset, value)."""

    def member(self) -> AbstractAsyncContextManager[Member]:
        """Join the consumer group."""
