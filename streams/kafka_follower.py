"""A consumer of committed records beside the processors: in a group of its own, placed by whoever reads with it."""

from __future__ import annotations

from typing import Any

from aiokafka import AIOKafkaConsumer

from streams.connection import client_arguments
from streams.settings import Settings


def follower(settings: Settings, name: str, *, fetch_max_wait_ms: int, max_partition_fetch_bytes: int) -> Any:
    """The consumer of the group `name`, which commits nothing by itself.

    Args:
        settings: where the broker is, and the namespace that the group's name begins with.
        name: of the group, and behind the worker's id of the client.
        fetch_max_wait_ms: how long a broker may wait for more records.
        max_partition_fetch_bytes: of one partition in one fetch.
    """
    session_ms = int(settings.session_timeout_s * 1000)
    return AIOKafkaConsumer(
        **client_arguments(settings),
        client_id=f"{settings.worker_id}-{name}",
        group_id=f"{settings.namespace}{name}",
        isolation_level="read_committed",
        enable_auto_commit=False,
        # Only until whoever reads has sought.
        auto_offset_reset="earliest",
        check_crcs=True,
        fetch_max_wait_ms=fetch_max_wait_ms,
        max_partition_fetch_bytes=max_partition_fetch_bytes,
        session_timeout_ms=session_ms,
        heartbeat_interval_ms=max(100, session_ms // 10),
    )
