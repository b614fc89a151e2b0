from __future__ import annotations

import asyncio

import pytest
from aiokafka.errors import KafkaConnectionError

from streams.cluster import _state, check_cluster
from streams.settings import Settings
from tests.streams import toy


@pytest.mark.kafka
def test_the_rules_on_a_real_cluster(toy_settings: Settings) -> None:
    async def problems() -> list[str]:
        found = await check_cluster(toy_settings, toy.TOPICS, list(toy.ROLE.inputs), toy.EVENTS)
        return [str(problem) for problem in found]

    async def check() -> None:
        missing = [problem.split(": ")[1].split(";")[0] for problem in await problems()]
        assert missing == ["does not exist"] * len(toy.TOPICS)
        await toy.create_topics(toy_settings, toy.TOPICS[1:])
        await toy.create_topics(toy_settings, toy.TOPICS[:1], toy_commands={"message.timestamp.type": "CreateTime"})
        (problem,) = await problems()
        assert problem.startswith(f"{toy_settings.namespace}toy-commands.v1: message.timestamp.type")

    asyncio.run(check())


def test_a_topic_has_as_many_replicas_as_the_partition_that_has_the_fewest() -> None:
    state = _state({"partitions": [{"replicas": [1, 2, 3]}, {"replicas": [2]}, {"replicas": [1, 3]}]}, {})
    assert (state.partitions, state.replicas) == (3, 1)


def test_no_broker_is_an_error_of_its_own() -> None:
    async def check() -> None:
        with pytest.raises(KafkaConnectionError):
            await check_cluster(Settings(bootstrap_servers="127.0.0.1:1"), toy.TOPICS, [], toy.EVENTS)

    asyncio.run(check())
