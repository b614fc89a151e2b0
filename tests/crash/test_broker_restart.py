"""The broker goes away under load, in order and by `kill -9`, and comes back."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Final

import pytest

from ops.broker import EmbeddedBroker
from tests.crash.cluster import Cluster, Worker, wait_until
from tests.crash.proof import assert_proven
from tests.crash.stream import Stream
from tests.crash.traffic import Traffic

_PATIENCE_S: Final = 240.0
pytestmark = [pytest.mark.kafka, pytest.mark.slow]


@pytest.fixture
def cluster(own_broker: EmbeddedBroker, namespace: str, tmp_path: Path) -> Iterator[Cluster]:
    """A cluster on a broker that the test may kill."""
    with Cluster(tmp_path, own_broker.bootstrap_servers, namespace, 4) as made:
        made.apply_topics()
        yield made
        print(made.tails())


def test_workers_outlive_the_broker(own_broker: EmbeddedBroker, cluster: Cluster, stream: Stream) -> None:
    # A broker that was killed reads all its logs first: on a busy machine it answers nobody for a minute.
    workers = [cluster.start(name, max_failures="60") for name in ("a", "b")]
    for worker in workers:
        worker.wait_ready()
    with Traffic(cluster.settings, stream, rate=500) as traffic:
        traffic.wait_answered(700)
        own_broker.restart()
        traffic.wait_alive()
        own_broker.kill()
        own_broker.start()
        traffic.wait_alive()
        traffic.finish()
        own_broker.kill()
        for worker in workers:
            wait_until("it says who does not answer", partial(silent, worker))
        own_broker.start()
        for worker in workers:
            worker.wait_ready(_PATIENCE_S)
            assert worker.starts == 1
        traffic.go_on()
        traffic.wait_alive()
        assert_proven(cluster, traffic)
    assert cluster.stop() == {"a": 0, "b": 0}


def silent(worker: Worker) -> bool:
    """Whether the worker says that Kafka does not answer."""
    answer = worker.get("/readyz")
    return answer is not None and answer[0] == 503 and "connecting" in answer[1]
