"""Workers join and leave under load: partitions move from hand to hand, and nothing with them is lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.broker import Kafka
from tests.crash.cluster import Cluster, Worker, wait_until
from tests.crash.proof import assert_proven
from tests.crash.stream import Stream
from tests.crash.traffic import Traffic

pytestmark = [pytest.mark.kafka, pytest.mark.slow]


def test_join_and_leave_under_load(cluster: Cluster, stream: Stream) -> None:
    first = cluster.start("first")
    first.wait_ready()
    with Traffic(cluster.settings, stream, rate=600) as traffic:
        traffic.wait_answered(1_000)
        second = cluster.start("second")
        second.wait_ready()
        traffic.wait_alive()
        wait_until("both have a half", lambda: first.metric("walletstream_assigned_partitions") == 2)
        third = cluster.start("third")
        third.wait_ready()
        traffic.wait_alive()
        assert first.terminate() == 0
        traffic.wait_alive()
        assert second.terminate() == 0
        traffic.wait_alive()
        assert third.metric("walletstream_assigned_partitions") == cluster.partitions
        assert_proven(cluster, traffic)
    assert third.terminate() == 0


def test_more_workers_than_partitions_wait_and_say_so(kafka: Kafka, namespace: str, tmp_path: Path) -> None:
    stream = Stream(seed=4, wallets=50, partitions=1)
    with Cluster(tmp_path, kafka.bootstrap_servers, namespace, 1) as cluster:
        cluster.apply_topics()
        workers = [cluster.start("a"), cluster.start("b")]
        with Traffic(cluster.settings, stream, rate=500) as traffic:
            traffic.wait_alive()

            def idle() -> list[Worker]:
                return [worker for worker in workers if "no assignment" in (worker.get("/readyz") or (0, ""))[1]]

            wait_until("one has nothing to do and says so", lambda: len(idle()) == 1)
            next(worker for worker in workers if worker not in idle()).kill()
            traffic.wait_alive()
            wait_until("the idle one has taken over", lambda: not idle())
            assert_proven(cluster, traffic)
