"""The consumer group and the inputs of a partition, as a processor sees them (the ports `Group` and `Inputs`).

Everything runs in the consumer's thread and within a time limit: aiokafka would retry some refusals for ever, such
as a commit for a topic that does not exist.
"""

from __future__ import annotations

from collections.abc import Coroutine, Mapping
from typing import Any, Final, TypeVar

from aiokafka.errors import (
    CommitFailedError,
    IllegalGenerationError,
    IllegalStateError,
    RebalanceInProgressError,
    UnknownMemberIdError,
)
from aiokafka.structs import OffsetAndMetadata
from faust.types import TP

from streams.consumer_thread import BatchThread
from streams.errors import NotOwner
from streams.ports import Bounds

T = TypeVar("T")

_TIMEOUT_S: Final = 8.0
_REFUSALS: Final = (
    CommitFailedError,
    IllegalGenerationError,
    IllegalStateError,
    RebalanceInProgressError,
    UnknownMemberIdError,
)


class KafkaGroup:
    """Commits offsets for a partition's inputs with the member's current generation (a `Group`)."""

    def __init__(self, thread: BatchThread, full_names: Mapping[str, str]):
        """`full_names` gives the full name of each input topic for its short one."""
        self._thread = thread
        self._full_names = full_names

    async def prove_ownership(self, partition: int) -> None:
        """Commit again what is committed for the partition's inputs, or 0.

        Raises:
            NotOwner: the group refused, or gave the partition away meanwhile.
            TimeoutError: the group's coordinator did not answer.
        """
        tps = [TP(full, partition) for full in self._full_names.values()]
        await _asked(self._thread, _commit(self._thread, tps, None), partition)

    async def acknowledge(self, partition: int, positions: Mapping[str, int]) -> None:
        """Commit the positions of the inputs (by short name).

        Raises:
            NotOwner: the group refused.
            TimeoutError: the group's coordinator did not answer.
        """
        offsets = {TP(self._full_names[topic], partition): position for topic, position in positions.items()}
        await _asked(self._thread, _commit(self._thread, list(offsets), offsets), partition)


class KafkaInputs:
    """The input topics of one processor (an `Inputs`)."""

    def __init__(self, thread: BatchThread, partition: int, full_names: Mapping[str, str]):
        self._thread = thread
        self._tps = {short: TP(full, partition) for short, full in full_names.items()}

    async def bounds(self, partition: int) -> Mapping[str, Bounds]:
        """First offset and last stable offset of every input.

        Raises:
            TimeoutError: the brokers did not answer.
            KafkaError: they refused.
        """
        tps = list(self._tps.values())
        starts, ends = await _asked(self._thread, _bounds(self._thread, tps), partition)
        return {short: Bounds(starts[tp], ends[tp]) for short, tp in self._tps.items()}

    async def seek(self, partition: int, positions: Mapping[str, int], incarnation: int) -> None:
        """Seek; every batch delivered from then on carries `incarnation`.

        Raises:
            NotOwner: the group has given the partition away.
        """
        targets = {self._tps[topic]: position for topic, position in positions.items()}
        await _asked(self._thread, _seek(self._thread, targets, incarnation), partition)

    def pause(self, partition: int, topic: str) -> None:
        """Deliver nothing of an input from now on."""
        del partition
        self._thread.pause(self._tps[topic])

    def resume(self, partition: int, topic: str) -> None:
        """Deliver again."""
        del partition
        self._thread.resume(self._tps[topic])


async def _asked(thread: BatchThread, work: Coroutine[Any, Any, T], partition: int) -> T:
    try:
        return await thread.run(work, _TIMEOUT_S)
    except _REFUSALS as error:
        raise NotOwner(f"the consumer group refuses partition {partition}: {error}") from error
    except TimeoutError:
        raise TimeoutError(f"Kafka has not answered for partition {partition} within {_TIMEOUT_S:g} s") from None


def _assignment_of(consumer: Any, tps: list[TP]) -> Any:
    """The member's assignment if it is settled and holds all of `tps`."""
    subscription = consumer._subscription.subscription
    assignment = None if subscription is None else subscription.assignment
    # The generation changes before the assignment does: only a settled one belongs to the generation.
    if assignment is None or not assignment.active or subscription._reassignment_in_progress:
        raise NotOwner("the consumer group is rebalancing")
    missing = [tp for tp in tps if tp not in assignment.tps]
    if missing:
        raise NotOwner(f"{missing[0].topic}/{missing[0].partition} is assigned to another member")
    return assignment


async def _commit(thread: BatchThread, tps: list[TP], offsets: Mapping[TP, int] | None) -> None:
    """In the thread: commit `offsets`, or once more what is committed."""
    consumer = thread.consumer_in_thread
    coordinator = consumer._coordinator
    assignment = _assignment_of(consumer, tps)
    if offsets is None:
        committed = await coordinator.fetch_committed_offsets(tps)
        offsets = {tp: committed[tp].offset if tp in committed else 0 for tp in tps}
    await coordinator.commit_offsets(assignment, {tp: OffsetAndMetadata(at, "") for tp, at in offsets.items()})
    if _assignment_of(consumer, tps) is not assignment:
        raise NotOwner("the consumer group has rebalanced meanwhile")


async def _bounds(thread: BatchThread, tps: list[TP]) -> tuple[Mapping[TP, int], Mapping[TP, int]]:
    """In the thread: first and last stable offsets."""
    consumer = thread.consumer_in_thread
    return await consumer.beginning_offsets(tps), await consumer.end_offsets(tps)


async def _seek(thread: BatchThread, positions: Mapping[TP, int], incarnation: int) -> None:
    """In the thread: seek, in one synchronous stretch."""
    _assignment_of(thread.consumer_in_thread, list(positions))
    thread.seek_as(incarnation, positions)
