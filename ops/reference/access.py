"""`docs/reference/access.md`: what each role has to be allowed by Kafka's access control."""

from __future__ import annotations

from collections.abc import Iterator

from ops.access import ACCESS, Access
from ops.reference.markdown import fenced, page, table
from schemas.topics import VERSION

_INTRODUCTION = """
What workers of each role need where the brokers have an authorizer, and no more. Topics are named here by their short
names: on the broker they are namespace + name + `.v1`, and groups and transactional ids begin with the namespace too.
[Security](../operating/security.md) says how to set it up, and what people and their tools need.

The commands grant it: `ADMIN` is `--bootstrap-server` and `--command-config` of an administrator, the user is named as
its role, and the namespace is `wallet.`. `Describe` and `DescribeConfigs` on topics are for the check at every start. A
transactional id is granted by what it begins with (`--resource-pattern-type prefixed`): one for each partition
follows.
"""


def access_page() -> str:
    """The page."""
    parts = [part for access in ACCESS.values() for part in _role(access)]
    return page("Access of roles", "`ops/access.py`", _INTRODUCTION, *parts)


def _role(access: Access) -> Iterator[str]:
    yield f"## {access.role}"
    yield table(
        ("resource", "names", "operations"),
        [
            ("topic", _names(access.reads), "`Read`"),
            ("topic", _names(access.writes), "`Write`"),
            ("topic", _names(access.checks), "`Describe`, `DescribeConfigs`"),
            ("group", _names(access.groups), "`Read`"),
            ("transactional id, prefixed", _names(access.transactional_ids), "`Write`"),
        ],
    )
    yield fenced("\n".join(_commands(access)), "sh")


def _names(names: tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in names) or "none"


def _commands(access: Access) -> Iterator[str]:
    """As `kafka-acls.sh` takes them."""
    add = f"kafka-acls.sh $ADMIN --add --allow-principal User:{access.role}"

    def topics(names: tuple[str, ...]) -> str:
        return " ".join(f"--topic wallet.{name}.{VERSION}" for name in names)

    yield f"{add} --operation Read {topics(access.reads)}"
    if access.writes:
        yield f"{add} --operation Write {topics(access.writes)}"
    yield f"{add} --operation Describe --operation DescribeConfigs {topics(access.checks)}"
    yield f"{add} --operation Read {' '.join(f'--group wallet.{name}' for name in access.groups)}"
    for name in access.transactional_ids:
        yield f"{add} --operation Write --resource-pattern-type prefixed --transactional-id wallet.{name}"
