"""What the brokers let this user do: with topics, consumer groups and transactional ids."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import GroupAuthorizationFailedError, TransactionalIdAuthorizationFailed
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.coordination import FindCoordinatorRequest
from aiokafka.protocol.types import Array, Boolean, Int16, Int32, Schema, String

from ops.access import Access
from schemas.topics import full_name

_GROUP: Final = 0
_TRANSACTION: Final = 1
#: Kafka's `AclOperation`; the answer has a bit for each.
_OPERATIONS: Final = {"Read": 3, "Write": 4, "Describe": 8, "DescribeConfigs": 10}
#: Of `FindCoordinator`, by what is asked for.
_REFUSALS: Final = (GroupAuthorizationFailedError.errno, TransactionalIdAuthorizationFailed.errno)
_UNKNOWN_TOPIC: Final = 3


class _MetadataResponse(Response):  # type: ignore[misc]  # aiokafka has no types
    API_KEY = 3
    API_VERSION = 8
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        ("brokers", Array(("node_id", Int32), ("host", String("utf-8")), ("port", Int32), ("rack", String("utf-8")))),
        ("cluster_id", String("utf-8")),
        ("controller_id", Int32),
        (
            "topics",
            Array(
                ("error_code", Int16),
                ("topic", String("utf-8")),
                ("is_internal", Boolean),
                (
                    "partitions",
                    Array(
                        ("error_code", Int16),
                        ("partition", Int32),
                        ("leader", Int32),
                        ("leader_epoch", Int32),
                        ("replicas", Array(Int32)),
                        ("isr", Array(Int32)),
                        ("offline_replicas", Array(Int32)),
                    ),
                ),
                ("authorized_operations", Int32),
            ),
        ),
        ("cluster_authorized_operations", Int32),
    )


class _MetadataRequestStruct(RequestStruct):  # type: ignore[misc]
    API_KEY = 3
    #: The first that tells what one may do (Kafka 2.3).
    API_VERSION = 8
    RESPONSE_TYPE = _MetadataResponse
    SCHEMA = Schema(
        ("topics", Array(String("utf-8"))),
        ("allow_auto_topic_creation", Boolean),
        ("include_cluster_authorized_operations", Boolean),
        ("include_topic_authorized_operations", Boolean),
    )


class _MetadataRequest(Request[_MetadataRequestStruct]):  # type: ignore[misc]
    API_KEY = 3

    def __init__(self, topics: Sequence[str]):
        self._topics = list(topics)

    def build(self, request_struct_class: Any) -> Any:
        return request_struct_class(self._topics, False, False, True)


class Permissions(NamedTuple):
    """What was asked for and is granted."""

    #: Full name of a topic -> operations; topics that do not exist are absent, those that one may not know have none.
    topics: Mapping[str, frozenset[str]]
    #: Consumer groups and transactional ids that one may not even describe. Whether one may read groups and write in
    #: transactions no request tells that changes nothing; who may do that may describe them.
    refused: frozenset[str]


async def ask(
    client: AIOKafkaAdminClient, topics: Sequence[str], groups: Iterable[str], transactional_ids: Iterable[str]
) -> Permissions:
    """Ask the brokers, for full names.

    Raises:
        KafkaError: they cannot be asked.
    """
    answer = await client._send_request(_MetadataRequest(topics))
    granted = {
        topic: frozenset(name for name, bit in _OPERATIONS.items() if not code and operations >> bit & 1)
        for code, topic, _, _, operations in answer.topics
        if code != _UNKNOWN_TOPIC
    }
    refused = set()
    for kind, names in ((_GROUP, groups), (_TRANSACTION, transactional_ids)):
        for name in names:
            found = await client._send_request(FindCoordinatorRequest(name, kind))
            if found.error_code in _REFUSALS:
                refused.add(name)
    return Permissions(granted, frozenset(refused))


async def lacking(client: AIOKafkaAdminClient, access: Access, namespace: str) -> list[str]:
    """What a role needs and this user may not, as people say it; empty where it may do all.

    Raises:
        KafkaError: see `ask`.
    """
    needed: dict[str, set[str]] = {}
    for names, operation in (
        (access.reads, "Read"),
        (access.writes, "Write"),
        (access.checks, "Describe"),
        (access.checks, "DescribeConfigs"),
    ):
        for name in names:
            needed.setdefault(full_name(namespace, name), set()).add(operation)
    groups = [f"{namespace}{name}" for name in access.groups]
    # Of those that a role has by partition, the first one's.
    ids = [f"{namespace}{name}{'0' if name.endswith('-') else ''}" for name in access.transactional_ids]
    granted = await ask(client, list(needed), groups, ids)
    found = []
    for topic, operations in needed.items():
        if topic in granted.topics and (missing := operations - granted.topics[topic]):
            found.append(f"{', '.join(sorted(missing))} on topic {topic}")
    found += [f"Read on group {name}" for name in groups if name in granted.refused]
    found += [f"Write on transactional id {name}" for name in ids if name in granted.refused]
    return found
