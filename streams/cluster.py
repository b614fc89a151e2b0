"""Asks the cluster for the topics of a role, before a worker may start. The rules are in `streams.topic_rules`."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from typing import Any, Final

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import TopicAuthorizationFailedError, for_code
from aiokafka.protocol.metadata import MetadataRequest

from schemas.topics import Topic, full_name
from streams.connection import client_arguments
from streams.settings import Settings
from streams.topic_rules import Problem, TopicState, find_problems

_TIMEOUT_S: Final = 15.0
_REFUSED: Final = TopicAuthorizationFailedError.errno


async def read_topics(settings: Settings, names: Sequence[str]) -> dict[str, TopicState]:
    """State of those topics (full names) that exist.

    Raises:
        KafkaConnectionError: no broker answers.
        KafkaError: the broker refuses.
        TimeoutError: the brokers answer too slowly.
    """
    admin = AIOKafkaAdminClient(**client_arguments(settings), request_timeout_ms=10_000, client_id="walletstream-check")
    async with asyncio.timeout(_TIMEOUT_S):
        try:
            await admin.start()
            described = {one["topic"]: one for one in await admin.describe_topics() if one["topic"] in set(names)}
            await _refuse_hidden(admin, [name for name in names if name not in described])
            configs = await _configs(admin, list(described))
        finally:
            with contextlib.suppress(Exception):
                await admin.close()
    return {name: _state(topic, configs[name]) for name, topic in described.items()}


async def _refuse_hidden(admin: Any, missing: Sequence[str]) -> None:
    """Whoever asks for all topics is told of those alone that he may know; asked for by name the others are refused.

    Raises:
        TopicAuthorizationFailedError: with the names that are.
    """
    if missing:
        await topics_by_name(admin, missing)


async def topics_by_name(admin: Any, names: Sequence[str]) -> list[dict[str, Any]]:
    """Topics as an admin client of aiokafka is told of them. None is created by asking, whatever brokers do for others.

    Raises:
        TopicAuthorizationFailedError: this user may not know some of them; with their names.
    """
    answer = await admin._send_request(MetadataRequest(list(names), allow_auto_topic_creation=False))
    topics: list[dict[str, Any]] = answer.to_object()["topics"]
    if hidden := [topic["topic"] for topic in topics if topic["error_code"] == _REFUSED]:
        raise TopicAuthorizationFailedError(sorted(hidden))
    return topics


def _state(described: Any, config: Mapping[str, str]) -> TopicState:
    partitions = described["partitions"]
    return TopicState(len(partitions), min((len(one["replicas"]) for one in partitions), default=0), config)


async def _configs(admin: Any, names: Sequence[str]) -> dict[str, dict[str, str]]:
    if not names:
        return {}
    configs: dict[str, dict[str, str]] = {}
    for response in await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name) for name in names]):
        for error_code, message, _type, name, entries in response.resources:
            if error_code == _REFUSED:
                raise TopicAuthorizationFailedError(f"{name} (DescribeConfigs)")
            if error_code:
                raise for_code(error_code)(f"configuration of {name}: {message}")
            configs[name] = {entry[0]: entry[1] for entry in entries}
    return configs


async def check_cluster(
    settings: Settings, topics: Sequence[Topic], inputs: Sequence[str], event_log: str
) -> list[Problem]:
    """All that is wrong with the topics of a role; empty where a worker may start.

    Args:
        settings: brokers, namespace, partitions, durability and retention of idempotency keys.
        topics: entries of the catalogue.
        inputs: short names of those that are read.
        event_log: short name of the log that the state is a fold of.

    Raises:
        KafkaError, TimeoutError: see `read_topics`.
    """
    names = {topic.name: full_name(settings.namespace, topic.name) for topic in topics}
    found = await read_topics(settings, list(names.values()))
    states = {topic: found[full] for topic, full in names.items() if full in found}
    return find_problems(settings, topics, states, inputs, event_log)
