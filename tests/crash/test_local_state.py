"""The local state is only a copy: deleted, older, or of another history, it is never believed against the log."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.broker import Kafka
from tests.crash.cluster import Cluster
from tests.crash.proof import assert_proven
from tests.crash.stream import Stream
from tests.crash.traffic import Traffic

pytestmark = [pytest.mark.kafka, pytest.mark.slow]


def test_deleted_or_older_it_is_brought_up_to_date(cluster: Cluster, stream: Stream, tmp_path: Path) -> None:
    worker = cluster.start("a")
    worker.wait_ready()
    local, backup = cluster.data_dir / "a", tmp_path / "backup"
    with Traffic(cluster.settings, stream, rate=600) as traffic:
        traffic.wait_answered(1_000)
        assert worker.terminate() == 0
        shutil.copytree(local, backup)
        worker.start().wait_ready()
        traffic.wait_answered(2_000)
        worker.kill()
        shutil.rmtree(local)
        shutil.copytree(backup, local)
        worker.start().wait_ready()
        assert worker.metric("walletstream_rebuilt_total") == 0, "an older state of this history is as good as any"
        traffic.wait_alive()
        worker.kill()
        shutil.rmtree(local)
        worker.start().wait_ready()
        traffic.wait_alive()
        # Under the feet of a running worker: RocksDB works on in files that have no name any more.
        shutil.rmtree(local)
        traffic.wait_alive()
        worker.process.terminate()
        worker.wait()
        worker.start().wait_ready()
        assert_proven(cluster, traffic)


def test_a_state_newer_than_the_log_and_of_another_history_is_rebuilt(
    cluster: Cluster, kafka: Kafka, namespace: str, tmp_path: Path
) -> None:
    """The same wallets with other balances, further on in its log: believed, every balance would be wrong."""
    stream = Stream(seed=21, wallets=100, partitions=cluster.partitions)
    with Cluster(tmp_path / "other", kafka.bootstrap_servers, f"{namespace}other.", cluster.partitions) as other:
        other.apply_topics()
        worker = other.start("a")
        worker.wait_ready()
        with Traffic(other.settings, stream, rate=3_000, limit=5_000) as traffic:
            traffic.wait_answered(5_000)
        assert worker.terminate() == 0
    worker = cluster.start("a")
    worker.wait_ready()
    with Traffic(cluster.settings, stream, rate=600) as traffic:
        traffic.wait_answered(1_000)
        assert worker.terminate() == 0
        shutil.rmtree(cluster.data_dir / "a")
        shutil.copytree(other.data_dir / "a", cluster.data_dir / "a")
        worker.start().wait_ready()
        assert worker.metric("walletstream_rebuilt_total") == cluster.partitions
        assert "contradicted the event log" in worker.log_text()
        assert_proven(cluster, traffic)
