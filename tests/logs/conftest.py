"""Runs each log test on the in-memory cluster and on Kafka."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from streams.settings import Settings
from tests.broker import Kafka
from tests.logs.cluster import PARTITIONS, Cluster
from tests.logs.in_memory import MemoryCluster
from tests.logs.on_kafka import KafkaCluster
from tests.simulation.loop import SimulatedLoop
from tests.streams.toy import create_topics

Check = Callable[[Cluster], Coroutine[Any, Any, None]]
OnCluster = Callable[[Check], None]


def _in_memory(check: Check) -> None:
    loop = SimulatedLoop()
    try:
        loop.run_until_complete(check(MemoryCluster(loop)))
    finally:
        loop.close()


def _on_kafka(kafka: Kafka, namespace: str, data_dir: Path) -> OnCluster:
    settings = Settings(
        bootstrap_servers=kafka.bootstrap_servers,
        namespace=namespace,
        partitions=PARTITIONS,
        data_dir=data_dir,
        worker_id="w1",
        web_port=0,
        session_timeout_s=3.0,
    )

    async def run(check: Check) -> None:
        await create_topics(settings)
        await check(KafkaCluster(settings))

    return lambda check: asyncio.run(run(check))


@pytest.fixture(params=["memory", pytest.param("kafka", marks=pytest.mark.kafka)])
def on_cluster(request: pytest.FixtureRequest, namespace: str, tmp_path: Path) -> OnCluster:
    """Runs a test on a cluster."""
    if request.param == "memory":
        return _in_memory
    return _on_kafka(request.getfixturevalue("kafka"), namespace, tmp_path)
