"""What the cluster must be before a worker may start: every rule whose breach loses or doubles money."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import for_code

from schemas.topics import (
    DEAD_LETTERS,
    IDEMPOTENCY_MARGIN_MS,
    Durability,
    Topic,
    full_name,
    replication_factor,
)
from streams.settings import Settings

_TIMEOUT_S: Final = 15.0
_DAY_MS: Final = 86_400_000
_FOR_EVER: Final = "-1"
#: Besides twice the input's bytes (a value as JSON text), what an envelope needs.
_ENVELOPE_BYTES: Final = 64 << 10
_APPLY: Final = "run `walletstream topics apply`"


@dataclass(frozen=True)
class Problem:
    """What is wrong with a topic, and how to mend it."""

    topic: str
    what: str
    mend: str

    def __str__(self) -> str:
        return f"{self.topic}: {self.what}; {self.mend}"


@dataclass(frozen=True)
class TopicState:
    """A topic as the cluster has it."""

    partitions: int
    #: Replicas of the partition that has the fewest.
    replicas: int
    #: Settings by Kafka's names, defaults among them.
    config: Mapping[str, str]


async def read_topics(settings: Settings, names: Sequence[str]) -> dict[str, TopicState]:
    """State of those topics (full names) that exist.

    Raises:
        KafkaConnectionError: no broker answers.
        KafkaError: the broker refuses.
        TimeoutError: the brokers answer too slowly.
    """
    admin = AIOKafkaAdminClient(
        bootstrap_servers=settings.bootstrap_servers, request_timeout_ms=10_000, client_id="walletstream-check"
    )
    async with asyncio.timeout(_TIMEOUT_S):
        try:
            await admin.start()
            described = {one["topic"]: one for one in await admin.describe_topics() if one["topic"] in set(names)}
            configs = await _configs(admin, list(described))
        finally:
            with contextlib.suppress(Exception):
                await admin.close()
    return {name: _state(topic, configs[name]) for name, topic in described.items()}


def _state(described: Any, config: Mapping[str, str]) -> TopicState:
    partitions = described["partitions"]
    return TopicState(len(partitions), min((len(one["replicas"]) for one in partitions), default=0), config)


async def _configs(admin: Any, names: Sequence[str]) -> dict[str, dict[str, str]]:
    if not names:
        return {}
    configs: dict[str, dict[str, str]] = {}
    for response in await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name) for name in names]):
        for error_code, message, _type, name, entries in response.resources:
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


def find_problems(
    settings: Settings,
    topics: Sequence[Topic],
    states: Mapping[str, TopicState],
    inputs: Sequence[str],
    event_log: str,
) -> list[Problem]:
    """The rules, on the states of the existing topics by short name."""
    problems: list[Problem] = []
    for topic in topics:
        name = full_name(settings.namespace, topic.name)
        state = states.get(topic.name)
        if state is None:
            problems.append(Problem(name, "does not exist", _APPLY))
            continue
        found = [
            *_partition_problems(settings, topic, state),
            *_durability_problems(settings.durability, state),
            *_log_problems(topic, state, topic.name == event_log, topic.name in inputs),
        ]
        problems += [Problem(name, what, mend) for what, mend in found]
    return [
        *problems,
        *_size_problems(settings, topics, states, inputs),
        *_retention_problems(settings, states, inputs),
    ]


def _partition_problems(settings: Settings, topic: Topic, state: TopicState) -> list[tuple[str, str]]:
    expected = topic.partition_count(settings.partitions)
    if state.partitions == expected:
        return []
    return [
        (
            f"has {state.partitions} partitions instead of {expected}",
            f"set WALLETSTREAM_PARTITIONS={state.partitions} if all topics have as many; never add partitions to a "
            "topic in use, for wallets would move",
        )
    ]


def _durability_problems(durability: Durability, state: TopicState) -> list[tuple[str, str]]:
    problems = []
    replicas = replication_factor(durability)
    if state.replicas < replicas:
        problems.append((f"has {state.replicas} replicas, below {replicas}", "reassign its partitions"))
    in_sync = 2 if durability == "replicated" else 1
    if int(state.config["min.insync.replicas"]) < in_sync:
        problems.append((f"min.insync.replicas is {state.config['min.insync.replicas']}, below {in_sync}", _APPLY))
    if state.config["unclean.leader.election.enable"] != "false":
        problems.append(("unclean.leader.election.enable loses what was acknowledged", _APPLY))
    return problems


def _log_problems(topic: Topic, state: TopicState, is_event_log: bool, is_input: bool) -> list[tuple[str, str]]:
    config = state.config
    problems = []
    if (topic.append_time or is_input) and config["message.timestamp.type"] != "LogAppendTime":
        problems.append(("message.timestamp.type is not LogAppendTime: the broker does not say when", _APPLY))
    if (is_event_log or is_input) and config["cleanup.policy"] != "delete":
        problems.append((f"cleanup.policy is {config['cleanup.policy']}: records would vanish", _APPLY))
    if is_event_log:
        problems += [
            (f"{key} is {config[key]}: the event log must be kept for ever (-1)", _APPLY)
            for key in ("retention.ms", "retention.bytes")
            if config[key] != _FOR_EVER
        ]
    return problems


def _size_problems(
    settings: Settings, topics: Sequence[Topic], states: Mapping[str, TopicState], inputs: Sequence[str]
) -> list[Problem]:
    """What holds a whole input record must take one of the largest."""
    largest = max((topic.max_message_bytes for topic in topics), default=0)
    envelopes = {topic.name for topic in topics if topic.max_message_bytes == largest}
    plain_inputs = [_max_bytes(states[name]) for name in inputs if name in states and name not in envelopes]
    needed = 2 * max(plain_inputs, default=0) + _ENVELOPE_BYTES
    return [
        Problem(
            full_name(settings.namespace, name),
            f"max.message.bytes is {_max_bytes(states[name])}, below {needed} (twice the inputs' and 64 KiB)",
            _APPLY,
        )
        for name in sorted(envelopes)
        if len(plain_inputs) and name in states and _max_bytes(states[name]) < needed
    ]


def _retention_problems(settings: Settings, states: Mapping[str, TopicState], inputs: Sequence[str]) -> list[Problem]:
    """A record that outlives the memory of its idempotency key would be decided twice."""
    problems = []
    remembered_ms = settings.idempotency_retention_s * 1000
    for name in [*inputs, DEAD_LETTERS]:
        if name not in states:
            continue
        retention_ms = int(states[name].config["retention.ms"])
        needed_ms = retention_ms + IDEMPOTENCY_MARGIN_MS
        if retention_ms < 0:
            kept, mend = "for ever", "shorten retention.ms"
        else:
            kept = f"for {retention_ms / _DAY_MS:g} days"
            mend = f"shorten retention.ms or set WALLETSTREAM_IDEMPOTENCY_RETENTION_S to at least {needed_ms // 1000}"
        if retention_ms < 0 or needed_ms > remembered_ms:
            what = f"is kept {kept}, but idempotency keys are remembered for only {remembered_ms / _DAY_MS:g} days"
            problems.append(Problem(full_name(settings.namespace, name), what, mend))
    return problems


def _max_bytes(state: TopicState) -> int:
    return int(state.config["max.message.bytes"])
