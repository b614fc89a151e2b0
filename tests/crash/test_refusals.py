"""What must be there before a worker takes anything: else it says what is missing, and ends or waits."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.records_to_delete import RecordsToDelete
from aiokafka.structs import TopicPartition

from ops.broker.ports import free_ports
from schemas.catalogue import topic_named
from schemas.topic_config import topic_config
from schemas.topics import TRANSACTION_REQUESTS, full_name
from streams.settings import Settings
from tests.broker import Kafka
from tests.crash.cluster import Cluster, wait_until
from tests.crash.proof import assert_proven
from tests.crash.stream import Stream
from tests.crash.traffic import Traffic

pytestmark = [pytest.mark.kafka, pytest.mark.slow]


def administer(settings: Settings, step: Callable[[Any], Awaitable[Any]]) -> Any:
    """Do one thing to the broker."""

    async def run() -> Any:
        admin = AIOKafkaAdminClient(bootstrap_servers=settings.bootstrap_servers)
        await admin.start()
        try:
            return await step(admin)
        finally:
            await admin.close()

    return asyncio.run(run())


def recreate(settings: Settings, topic: str) -> None:
    """Delete the topic of the requests and create it anew, empty."""
    new = NewTopic(
        topic, settings.partitions, 1, topic_configs=topic_config(topic_named(TRANSACTION_REQUESTS), "embedded")
    )
    administer(settings, lambda admin: admin.delete_topics([topic]))
    wait_until("the topic is gone", lambda: topic not in administer(settings, lambda admin: admin.list_topics()))
    administer(settings, lambda admin: admin.create_topics([new]))


def test_topics_that_nobody_applied(kafka: Kafka, namespace: str, tmp_path: Path) -> None:
    with Cluster(tmp_path, kafka.bootstrap_servers, namespace, 4) as cluster:
        worker = cluster.start("a")
        assert worker.wait() == 2
        said = worker.log_text()
        assert f"{namespace}transaction-requests.v1: does not exist; run `walletstream topics apply`" in said
        assert "Traceback" not in said


def test_another_partition_count(cluster: Cluster) -> None:
    worker = cluster.start("a", partitions="8")
    assert worker.wait() == 2
    said = worker.log_text()
    assert "has 4 partitions instead of 8" in said
    assert "WALLETSTREAM_PARTITIONS=4" in said
    assert "Traceback" not in said


def test_a_broker_that_is_away_is_waited_for(kafka: Kafka, namespace: str, tmp_path: Path) -> None:
    (port,) = free_ports("127.0.0.1", 1)
    with Cluster(tmp_path, f"127.0.0.1:{port}", namespace, 4) as cluster:
        worker = cluster.start("a")
        wait_until(
            "it says why", lambda: f"Kafka at 127.0.0.1:{port} does not answer" in (worker.get("/readyz") or (0, ""))[1]
        )
        answer = worker.get("/readyz")
        assert answer is not None
        assert answer[0] == 503
        assert worker.get("/livez") == (200, "alive\n")
        assert worker.terminate() == 0


def test_a_web_port_that_is_taken(cluster: Cluster) -> None:
    first = cluster.start("first")
    first.wait_ready()
    second = cluster.worker("second")
    second.start(web_port=int(first.environment["WALLETSTREAM_WEB_PORT"]))
    assert second.wait() == 2
    assert "set WALLETSTREAM_WEB_PORT to a free port" in second.log_text()


def test_requests_that_were_recreated_or_deleted_unread(cluster: Cluster, stream: Stream) -> None:
    """First deleted unread: the log starts behind the seal. Then recreated: it ends before it."""
    worker = cluster.start("a")
    worker.wait_ready()
    topic = full_name(cluster.settings.namespace, TRANSACTION_REQUESTS)
    with Traffic(cluster.settings, stream, rate=1_000) as traffic:
        traffic.wait_answered(1_000)
        traffic.finish()
        assert worker.terminate() == 0
        before = traffic.witness.produced
        traffic.go_on()
        wait_until("requests that nobody reads", lambda: traffic.witness.produced > before + 500)

    ends = {TopicPartition(topic, partition): RecordsToDelete(-1) for partition in range(cluster.partitions)}
    administer(cluster.settings, lambda admin: admin.delete_records(ends, timeout_ms=10_000))
    assert worker.start().wait() == 2
    assert "offsets were deleted unread" in worker.log_text()

    recreate(cluster.settings, topic)
    assert worker.start().wait() == 2
    assert "the topic was recreated or truncated" in worker.log_text()


def test_a_topic_recreated_under_a_running_worker(cluster: Cluster, stream: Stream) -> None:
    worker = cluster.start("a")
    worker.wait_ready()
    topic = full_name(cluster.settings.namespace, TRANSACTION_REQUESTS)
    with Traffic(cluster.settings, stream, rate=1_000) as traffic:
        traffic.wait_answered(1_000)
        assert_proven(cluster, traffic)

    recreate(cluster.settings, topic)
    assert worker.wait(90) == 2
    assert "recreated" in worker.log_text()
