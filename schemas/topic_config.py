"""What the broker is told of each topic of the catalogue, and what follows from how long they are kept."""

from __future__ import annotations

from typing import Final, Literal

from schemas.catalogue import topic_named
from schemas.topics import DAY_MS, DEAD_LETTERS, INPUTS, Topic

Durability = Literal["replicated", "embedded"]

#: Retention frees whole segments, so that these bound how much longer than its retention a record may live.
SEGMENT_MS: Final = DAY_MS
IDEMPOTENCY_MARGIN_MS: Final = 7 * DAY_MS

_REPLICAS: Final[dict[Durability, tuple[int, int]]] = {"replicated": (3, 2), "embedded": (1, 1)}


def replication_factor(durability: Durability) -> int:
    """Replicas of every topic: 3, or 1 on the embedded broker."""
    return _REPLICAS[durability][0]


def topic_config(topic: Topic, durability: Durability) -> dict[str, str]:
    """Kafka's configuration of a topic: what `topics apply` sets and `topics check` asks for."""
    config = {
        "cleanup.policy": topic.cleanup,
        "max.message.bytes": str(topic.max_message_bytes),
        "message.timestamp.type": "LogAppendTime" if topic.append_time else "CreateTime",
        "min.insync.replicas": str(_REPLICAS[durability][1]),
        "retention.bytes": "-1",
        "retention.ms": "-1" if topic.retention_ms is None else str(topic.retention_ms),
        "unclean.leader.election.enable": "false",
    }
    if topic.cleanup == "compact" or topic.retention_ms is not None:
        config["segment.ms"] = str(SEGMENT_MS)
    return config


def idempotency_floor_ms() -> int:
    """Least retention of idempotency keys: 7 days more than any input or dead letter is kept.

    A record that outlived the memory of its key would be decided a second time when it is read or replayed.
    """
    return max(topic_named(name).retention_ms or 0 for name in (*INPUTS, DEAD_LETTERS)) + IDEMPOTENCY_MARGIN_MS
