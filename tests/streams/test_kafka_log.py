"""Whose the writers of an event log are; what they do is in `test_kafka_writer`."""

from __future__ import annotations

from typing import Any

from streams.kafka_log import KafkaLogs
from streams.settings import Settings


def id_of(partition: int = 0, role: str = "ledger", **settings: Any) -> str:
    """The transactional id of a writer."""
    return KafkaLogs(Settings(**settings), role, "events", lambda short: short).writer(partition).transactional_id


def test_whoever_owns_a_partition_fences_whoever_had_it_and_nobody_else() -> None:
    assert id_of(worker_id="w1") == id_of(worker_id="w2")
    others = {id_of(1), id_of(10), id_of(role="fraud"), id_of(namespace="other.")}
    assert len(others | {id_of()}) == 5
