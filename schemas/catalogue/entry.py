"""An entry for reference data, of which most is alike."""

from __future__ import annotations

from schemas.topics import Topic


def reference_data(
    name: str, description: str, *, readers: tuple[str, ...], key: str, value: str, example: str
) -> Topic:
    """A compacted topic of a single partition that operators' tools write."""
    return Topic(
        name=name,
        description=description,
        owner="operators' tools",
        readers=readers,
        key=key,
        value=value,
        strict=True,
        cleanup="compact",
        retention_ms=None,
        co_partitioned=False,
        append_time=True,
        example=example,
    )
