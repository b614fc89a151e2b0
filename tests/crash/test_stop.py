"""SIGTERM: the worker ends its cycles, leaves the group and writes its state down."""

from __future__ import annotations

import asyncio

import pytest

from schemas.topics import LEDGER_EVENTS
from streams.rocks import RocksStore
from streams.rocks_memory import StoreMemory
from streams.settings import Settings
from tests.crash.cluster import Cluster
from tests.crash.proof import assert_proven
from tests.crash.stream import Stream
from tests.crash.traffic import Traffic
from tests.crash.truth import records

pytestmark = [pytest.mark.kafka, pytest.mark.slow]


async def last_offsets(settings: Settings) -> dict[int, int]:
    """Offset of the last event of each partition."""
    return {record.partition: record.offset async for record in records(settings, LEDGER_EVENTS)}


def test_sigterm_under_load_loses_nothing_and_leaves_nothing_to_fold(cluster: Cluster, stream: Stream) -> None:
    worker = cluster.start("a")
    worker.wait_ready()
    with Traffic(cluster.settings, stream, rate=1_000) as traffic:
        traffic.wait_answered(2_000)
        assert worker.terminate() == 0
        assert "stopped" in worker.log_text()
        at = asyncio.run(last_offsets(cluster.settings))
        for partition in range(cluster.partitions):
            store = RocksStore(cluster.data_dir / "a" / str(partition), StoreMemory(8, 4))
            try:
                mark = store.mark()
                assert mark is not None
                assert mark.seal_offset == at[partition], "the next start would have to fold what is behind the mark"
            finally:
                store.close()
        worker.start()
        # It has left the group, so nobody waits for its session to end.
        assert worker.wait_ready() < 10
        traffic.wait_alive()
        assert worker.terminate() == 0
        worker.start().wait_ready()
        assert_proven(cluster, traffic)
