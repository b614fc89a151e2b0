"""A worker that was stopped for longer than its session: it comes back with open transactions, boxes and locks."""

from __future__ import annotations

import re
import time

import pytest

from tests.crash.cluster import Cluster, wait_until
from tests.crash.proof import assert_proven
from tests.crash.stream import Stream
from tests.crash.traffic import Traffic

pytestmark = [pytest.mark.kafka, pytest.mark.slow]

#: How a worker notes that a partition is not its own any more.
DISOWNED = re.compile(r"Fenced|closed: |revoked partitions", re.IGNORECASE)


def test_a_zombie_is_fenced_and_comes_back(cluster: Cluster, stream: Stream) -> None:
    zombie, other = cluster.start("zombie"), cluster.start("other")
    zombie.wait_ready()
    other.wait_ready()
    with Traffic(cluster.settings, stream, rate=600) as traffic:
        traffic.wait_answered(1_000)
        zombie.freeze()
        taken_over_s = traffic.wait_alive()
        assert taken_over_s > 1, "the other had nothing to take over"
        wait_until("the other owns all", lambda: other.metric("walletstream_assigned_partitions") == 4)
        before = len(zombie.log_text())
        zombie.thaw()
        traffic.wait_alive()
        wait_until("the zombie noticed", lambda: bool(DISOWNED.search(zombie.log_text()[before:])))
        # It is a member again and gets its share back.
        wait_until("both work", lambda: zombie.ready and other.ready, 60)
        assert zombie.metric("walletstream_assigned_partitions") == 2
        traffic.wait_alive()
        # Once more, and now the one who took over is dead when it wakes up.
        zombie.freeze()
        traffic.wait_alive()
        other.kill()
        zombie.thaw()
        traffic.wait_alive()
        assert_proven(cluster, traffic)
    assert cluster.stop() == {"zombie": 0}
    assert zombie.starts == 1


def test_short_stops_within_the_session_cost_nothing(cluster: Cluster, stream: Stream) -> None:
    worker = cluster.start("a")
    worker.wait_ready()
    with Traffic(cluster.settings, stream, rate=600) as traffic:
        traffic.wait_answered(1_000)
        for _ in range(4):
            worker.freeze()
            time.sleep(0.5)
            worker.thaw()
            traffic.wait_alive()
        assert worker.metric("walletstream_fenced_total") == 0
        assert worker.metric("walletstream_restores_total") == cluster.partitions
        assert_proven(cluster, traffic)
