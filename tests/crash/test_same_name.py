"""Two workers of the same worker id share a data directory: the lock tells them apart, never a wrong balance."""

from __future__ import annotations

import pytest

from tests.crash.cluster import Cluster, wait_until
from tests.crash.proof import assert_proven
from tests.crash.stream import Stream
from tests.crash.traffic import Traffic

pytestmark = [pytest.mark.kafka, pytest.mark.slow]


def test_the_second_rebuilds_in_a_directory_of_its_own(cluster: Cluster, stream: Stream) -> None:
    first = cluster.start("same", name="first")
    second = cluster.start("same", name="second")
    first.wait_ready()
    second.wait_ready()
    with Traffic(cluster.settings, stream, rate=600) as traffic:
        traffic.wait_answered(1_000)
        first.freeze()
        traffic.wait_alive()
        # A stopped process keeps its locks; nobody waits for them.
        assert "another process holds" in second.log_text()
        own = [path.name for path in (cluster.data_dir / "same").glob("*~*")]
        assert len(own) == 2
        first.thaw()
        traffic.wait_alive()
        wait_until("both work", lambda: first.ready and second.ready)
        traffic.wait_alive()
        second.kill()
        traffic.wait_alive()
        # What the second has left is cleared away by the next of that name.
        second.start().wait_ready()
        assert not {path.name for path in (cluster.data_dir / "same").glob("*~*")} & set(own)
        assert_proven(cluster, traffic)
