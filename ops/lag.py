"""How far a consumer group is behind, by the offsets that it has committed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from ops.admin import topic_partitions
from ops.errors import OperationError
from streams.connection import Brokers, client_arguments


class GroupLag:
    """The lag of one group in some topics; made by `open_lag`."""

    def __init__(self, consumer: AIOKafkaConsumer, partitions: Sequence[TopicPartition]):
        self._consumer = consumer
        self._partitions = partitions

    async def lags(self) -> Mapping[tuple[str, int], int]:
        """(full name of the topic, partition) -> committed records that the group has not acknowledged yet.

        A group that has acknowledged nothing lags by all that there is.
        """
        ends = await self._consumer.end_offsets(self._partitions)
        lags = {}
        for partition, end in ends.items():
            committed = await self._consumer.committed(partition)
            lags[partition.topic, partition.partition] = max(0, end - (committed or 0))
        return lags


@asynccontextmanager
async def open_lag(brokers: Brokers, group: str, topics: Sequence[str]) -> AsyncIterator[GroupLag]:
    """Look at a group's lag without joining it.

    Raises:
        OperationError: no broker answers, or a topic is missing.
    """
    counts = await topic_partitions(brokers, topics)
    partitions = [TopicPartition(topic, index) for topic in topics for index in range(counts[topic])]
    consumer = AIOKafkaConsumer(
        **client_arguments(brokers),
        group_id=group,
        enable_auto_commit=False,
        isolation_level="read_committed",
    )
    try:
        await consumer.start()
        consumer.assign(partitions)
        consumer.pause(*partitions)
        yield GroupLag(consumer, partitions)
    except KafkaError as error:
        raise OperationError(f"the lag of {group} cannot be read: {error!r}") from error
    finally:
        await consumer.stop()
