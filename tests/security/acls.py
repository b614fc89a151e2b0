"""Grants permissions, as an administrator does with `kafka-acls.sh --add`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from aiokafka.client import AIOKafkaClient
from aiokafka.protocol.admin import CreateAclsRequest

from ops.access import Access
from schemas.topics import full_name
from streams.connection import Brokers, client_arguments

_TYPES: Final = {"topic": 2, "group": 3, "transactional-id": 5}
_OPERATIONS: Final = {"Read": 3, "Write": 4, "Create": 5, "Describe": 8, "DescribeConfigs": 10, "IdempotentWrite": 12}
_PATTERNS: Final = {"literal": 3, "prefixed": 4}
_ALLOW: Final = 3


class Grant(NamedTuple):
    """One permission."""

    kind: str
    name: str
    operation: str
    pattern: str = "literal"


def grants_of(access: Access, namespace: str) -> Iterator[Grant]:
    """What `docs/reference/access.md` lists of a role."""
    for operation, names in (
        ("Read", access.reads),
        ("Write", access.writes),
        ("Describe", access.checks),
        ("DescribeConfigs", access.checks),
    ):
        for name in names:
            yield Grant("topic", full_name(namespace, name), operation)
    for name in access.groups:
        yield Grant("group", f"{namespace}{name}", "Read")
    for name in access.transactional_ids:
        yield Grant("transactional-id", f"{namespace}{name}", "Write", "prefixed")


async def grant(brokers: Brokers, user: str, grants: Iterable[Grant]) -> None:
    """Let a user do all this."""
    client = AIOKafkaClient(**client_arguments(brokers))
    await client.bootstrap()
    try:
        for one in grants:
            request = CreateAclsRequest(
                _TYPES[one.kind],
                one.name,
                _PATTERNS[one.pattern],
                f"User:{user}",
                "*",
                _OPERATIONS[one.operation],
                _ALLOW,
            )
            answer = await client.send(client.get_random_node(), request)
            assert [code for code, _ in answer.creation_responses] == [0], answer
    finally:
        await client.close()
