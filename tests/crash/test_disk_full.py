"""No room for the local state: the worker ends and says so; with room it goes on where the log is."""

from __future__ import annotations

import resource
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.crash.cluster import Cluster
from tests.crash.proof import assert_proven
from tests.crash.stream import Stream
from tests.crash.traffic import Traffic

pytestmark = [pytest.mark.kafka, pytest.mark.slow]

#: Small memtables, so that the disk is written to soon.
SMALL = {"store_write_buffer_mb": "4"}


@pytest.fixture
def partitions() -> int:
    """One, whose memtable is full four times as soon as one of four."""
    return 1


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 2 MiB; the test is skipped where this user may not mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        pytest.skip(f"a full disk needs a small file system, and mounting one failed: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_ends_the_worker_with_a_message(cluster: Cluster, stream: Stream, small_disk: Path) -> None:
    worker = cluster.start("a", data_dir=str(small_disk), max_failures="2", **SMALL)
    worker.wait_ready()
    with Traffic(cluster.settings, stream, rate=4_000, backlog=100_000) as traffic:
        assert worker.wait(120) == 1
        said = worker.log_text()
        assert "No space left on device" in said
        assert "free disk space there or move WALLETSTREAM_DATA_DIR" in said
        subprocess.run(["mount", "-o", "remount,size=300m", str(small_disk)], check=True)
        worker.start().wait_ready()
        traffic.wait_alive()
        assert_proven(cluster, traffic)


def test_files_that_may_not_grow(cluster: Cluster, stream: Stream) -> None:
    """The same without a file system of its own: a limit on the size of files, taken back later."""
    worker = cluster.start("a", max_failures="1", **SMALL)
    worker.wait_ready()
    resource.prlimit(worker.process.pid, resource.RLIMIT_FSIZE, (200_000, resource.RLIM_INFINITY))
    with Traffic(cluster.settings, stream, rate=4_000, backlog=100_000) as traffic:
        assert worker.wait(120) == 1
        assert "cannot write the store" in worker.log_text()
        worker.start().wait_ready()
        traffic.wait_alive()
        assert_proven(cluster, traffic)
