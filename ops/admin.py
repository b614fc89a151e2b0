"""The broker's administration: what topics there are, creating and altering them, and facts for `doctor`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, NamedTuple

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import InvalidReplicationFactorError, KafkaConnectionError, KafkaError, for_code
from aiokafka.protocol.admin import ApiVersionRequest

from ops.errors import OperationError
from ops.topics import Alter, Create
from streams.cluster import topics_by_name
from streams.connection import Brokers, address_of, client_arguments
from streams.refusals import Refusal, refusal_of, why_refused
from streams.topic_rules import TopicState

#: The key of the request Fetch.
_FETCH: Final = 1
_UNKNOWN_TOPIC: Final = 3
_TOPIC_EXISTS: Final = 36
#: Kafka's `ConfigSource.DYNAMIC_TOPIC_CONFIG`: an override of the topic itself.
_TOPIC_OVERRIDE: Final = 1
_REQUEST_TIMEOUT_MS: Final = 15_000


def _why(answer: Mapping[str, Any]) -> str:
    """Why a broker refused, in its words, and what to do where that is known."""
    error = for_code(answer["error_code"])()
    words = (answer["error_message"] or type(error).__name__).rstrip(".")
    if isinstance(error, InvalidReplicationFactorError):
        return f"{words}; start more brokers, or for development on a single one set WALLETSTREAM_DURABILITY=embedded"
    refusal = refusal_of(error)
    return words if refusal is None else f"{words}; {refusal.mend}"


class NotLetIn(OperationError):
    """The brokers are there and refuse; `refusal` says what, and how to mend it."""

    def __init__(self, refusal: Refusal):
        super().__init__(str(refusal))
        self.refusal = refusal


class Cluster(NamedTuple):
    """The brokers as one of them describes them."""

    cluster_id: str
    controller_id: int
    #: Broker id -> `host:port`.
    brokers: Mapping[int, str]


class Admin:
    """Administration of a Kafka cluster; made by `connect`."""

    def __init__(self, client: AIOKafkaAdminClient, brokers: Brokers):
        self._client = client
        self.brokers = brokers

    async def cluster(self) -> Cluster:
        """Which brokers there are."""
        described = await self._client.describe_cluster()
        brokers = {b["node_id"]: f"{b['host']}:{b['port']}" for b in described["brokers"]}
        return Cluster(str(described["cluster_id"]), int(described["controller_id"]), brokers)

    async def round_trip_ms(self, times: int = 5) -> float:
        """Median milliseconds that one broker takes for a request of a few bytes, however many topics there are."""
        took = []
        for _ in range(times):
            start = time.perf_counter()
            await self._client.describe_topics([])
            took.append((time.perf_counter() - start) * 1000)
        return sorted(took)[times // 2]

    async def fetch_version(self) -> int:
        """Newest version of the request Fetch that a broker takes: it tells Kafka's release."""
        client = AIOKafkaClient(**client_arguments(self.brokers), request_timeout_ms=_REQUEST_TIMEOUT_MS)
        try:
            await client.bootstrap()
            answer = await client.send(client.get_random_node(), ApiVersionRequest())
        finally:
            await client.close()
        return max((newest for api, _, newest in answer.api_versions if api == _FETCH), default=0)

    async def broker_config(self, broker_id: int, names: Sequence[str]) -> dict[str, str]:
        """Settings of a broker by name; those it does not know are absent."""
        resource = ConfigResource(ConfigResourceType.BROKER, str(broker_id), dict.fromkeys(names))
        (described,) = await self._described([resource])
        return {entry["config_names"]: entry["config_value"] for entry in described["config_entries"]}

    async def names(self, prefix: str) -> list[str]:
        """Full names of all topics that begin so."""
        return sorted(name for name in await self._client.list_topics() if name.startswith(prefix))

    @property
    def client(self) -> AIOKafkaAdminClient:
        """The library's client, connected."""
        return self._client

    async def partition_counts(self, names: Sequence[str]) -> dict[str, int]:
        """Partition counts of those topics that exist."""
        described = await topics_by_name(self._client, names)
        return {topic["topic"]: len(topic["partitions"]) for topic in described if topic["partitions"]}

    async def observe(self, names: Sequence[str]) -> dict[str, TopicState]:
        """The topics of these full names as they are; missing ones are absent."""
        layouts = {}
        for topic in await topics_by_name(self._client, names):
            if topic["error_code"] == _UNKNOWN_TOPIC or not topic["partitions"]:
                continue
            layouts[topic["topic"]] = topic["partitions"]
        if not layouts:
            return {}
        resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in layouts]
        observed = {}
        for described in await self._described(resources):
            partitions = layouts[described["resource_name"]]
            entries = described["config_entries"]
            observed[described["resource_name"]] = TopicState(
                partitions=len(partitions),
                replicas=min(len(p["replicas"]) for p in partitions),
                config={e["config_names"]: e["config_value"] for e in entries},
                overrides={e["config_names"]: e["config_value"] for e in entries if _is_override(e)},
                leaderless=tuple(sorted(p["partition"] for p in partitions if p["leader"] < 0)),
            )
        return observed

    async def create(self, topics: Iterable[Create]) -> None:
        """Create topics; one that somebody else has just created is as good.

        Raises:
            OperationError: the broker refused, in its words.
        """
        new = [
            NewTopic(topic.name, topic.partitions, topic.replicas, topic_configs=dict(topic.config)) for topic in topics
        ]
        if not new:
            return
        answer = (await self._client.create_topics(new, timeout_ms=_REQUEST_TIMEOUT_MS)).to_object()
        for error in answer["topic_errors"]:
            if error["error_code"] not in (0, _TOPIC_EXISTS):
                raise OperationError(f"the broker did not create {error['topic']}: {_why(error)}")

    async def alter(self, topics: Iterable[Alter], timeout_s: float = 30.0) -> None:
        """Set topics' settings, and return once they can be seen: the broker takes them a moment before it tells them.

        Overrides that `Alter.overrides` does not name fall back to the broker's default.

        Raises:
            OperationError: the broker refused, in its words, or does not tell them within `timeout_s` seconds.
        """
        wanted = {topic.name: dict(topic.overrides) for topic in topics}
        if not wanted:
            return
        resources = [ConfigResource(ConfigResourceType.TOPIC, name, config) for name, config in wanted.items()]
        for answer in await self._client.alter_configs(resources):
            for resource in answer.to_object()["resources"]:
                if resource["error_code"]:
                    raise OperationError(f"the broker did not alter {resource['resource_name']}: {_why(resource)}")
        deadline = time.monotonic() + timeout_s
        while {name: seen.overrides for name, seen in (await self.observe(list(wanted))).items()} != wanted:
            if time.monotonic() > deadline:
                raise OperationError(f"the settings of {', '.join(wanted)} cannot be seen after {timeout_s:.0f} s")
            await asyncio.sleep(0.05)

    async def wait_until_visible(self, partitions: Mapping[str, int], timeout_s: float = 30.0) -> None:
        """Return once brokers describe every topic with this many partitions, all of them led.

        Asks as often in a row as there are brokers, for each request goes to any of them.

        Raises:
            OperationError: not within `timeout_s` seconds.
        """
        needed = len((await self.cluster()).brokers)
        deadline = time.monotonic() + timeout_s
        in_a_row = 0
        while in_a_row < needed:
            described = {t["topic"]: t for t in await topics_by_name(self._client, list(partitions))}
            missing = [name for name, count in partitions.items() if not _is_visible(described.get(name), count)]
            in_a_row = 0 if missing else in_a_row + 1
            if missing and time.monotonic() > deadline:
                raise OperationError(
                    f"{', '.join(missing)} cannot be seen {timeout_s:.0f} s after they were created; "
                    "see whether all brokers are up, then run the command again"
                )
            if missing:
                await asyncio.sleep(0.05)

    async def delete(self, names: Sequence[str]) -> None:
        """Delete topics with all their records."""
        if names:
            await self._client.delete_topics(list(names))

    async def _described(self, resources: Sequence[ConfigResource]) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        for answer in await self._client.describe_configs(list(resources)):
            for resource in answer.to_object()["resources"]:
                if resource["error_code"]:
                    raise OperationError(f"the broker does not describe {resource['resource_name']}: {_why(resource)}")
                found.append(resource)
        return found


@asynccontextmanager
async def connect(brokers: Brokers) -> AsyncIterator[Admin]:
    """An administration client, closed at the end.

    Raises:
        OperationError: no broker answers.
    """
    client = AIOKafkaAdminClient(**client_arguments(brokers), request_timeout_ms=_REQUEST_TIMEOUT_MS)
    try:
        try:
            await client.start()
        except (KafkaConnectionError, OSError) as error:
            raise await unreachable(brokers) from error
        try:
            yield Admin(client, brokers)
        except (KafkaError, TimeoutError) as error:
            if (refusal := refusal_of(error)) is not None:
                raise NotLetIn(refusal) from error
            raise OperationError(f"Kafka at {address_of(brokers)} failed: {error or type(error).__name__}") from error
    finally:
        await client.close()


async def topic_partitions(brokers: Brokers, names: Sequence[str]) -> dict[str, int]:
    """Partition counts of topics by their full names. Asked before a client is made, for clients wait long for a topic.

    Raises:
        OperationError: no broker answers, or a topic is missing.
    """
    async with connect(brokers) as admin:
        counts = await admin.partition_counts(names)
    if missing := [name for name in names if name not in counts]:
        raise OperationError(
            f"topic {', '.join(missing)} is missing; run `walletstream topics apply`, or set WALLETSTREAM_NAMESPACE"
        )
    return counts


async def unreachable(brokers: Brokers) -> OperationError:
    """The message where no broker answers, or where none lets us in; it is looked at why."""
    if (refusal := await why_refused(brokers)) is not None:
        return NotLetIn(refusal)
    return OperationError(
        f"no Kafka broker answers at {address_of(brokers)}; start one (`walletstream broker` runs one on this machine) "
        "or set WALLETSTREAM_BOOTSTRAP_SERVERS"
    )


def _is_override(entry: Mapping[str, Any]) -> bool:
    return entry["config_source"] == _TOPIC_OVERRIDE and not entry["is_sensitive"]


def _is_visible(topic: Mapping[str, Any] | None, partitions: int) -> bool:
    if topic is None or topic["error_code"]:
        return False
    found = topic["partitions"]
    return len(found) == partitions and all(p["leader"] >= 0 and not p["error_code"] for p in found)
