"""Worker processes, and `walletstream up`, with the real ledger."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from ops.amlsim import generate, phases
from ops.cli.topics import apply_topics
from ops.errors import OperationError
from ops.processes import WorkerProcess, stop_all, wait_until_ready
from ops.submit import submit
from streams.settings import Settings
from tests.broker import Kafka

pytestmark = pytest.mark.slow

UP = [sys.executable, "-P", "-m", "ops", "up", "--port", "0"]


def environ_of(kafka: Kafka, namespace: str, folder: Path, partitions: int = 2) -> dict[str, str]:
    return {
        "WALLETSTREAM_BOOTSTRAP_SERVERS": kafka.bootstrap_servers,
        "WALLETSTREAM_NAMESPACE": namespace,
        "WALLETSTREAM_PARTITIONS": str(partitions),
        "WALLETSTREAM_DATA_DIR": str(folder / "state"),
        "WALLETSTREAM_SESSION_TIMEOUT_S": "3",
    }


@pytest.mark.kafka
def test_a_worker_answers_is_killed_and_goes_on(kafka: Kafka, namespace: str, tmp_path: Path) -> None:
    settings = Settings(bootstrap_servers=kafka.bootstrap_servers, namespace=namespace, partitions=2)
    asyncio.run(apply_topics(settings))
    worker = WorkerProcess("one", environ_of(kafka, namespace, tmp_path), tmp_path / "one.log")
    assert not worker.readiness().ready
    with pytest.raises(OperationError, match="was not started"):
        assert worker.pid
    try:
        for prefix in ("first", "second"):
            worker.start()
            wait_until_ready([worker], timeout_s=60)
            assert worker.exit_code is None
            todo = phases(generate(40, seed=1), "sum-of-outgoing", prefix)
            done = asyncio.run(submit(kafka.bootstrap_servers, namespace, todo, wait=True))
            assert done.tracker is not None
            assert done.tracker.codes == {"ok": sum(phase.count for phase in todo)}
            assert worker.kill() == -signal.SIGKILL
            assert not worker.running
        worker.start()
        wait_until_ready([worker], timeout_s=60)
        assert worker.stop() == 0
        assert worker.stop() == 0, "stopping twice is no error"
    finally:
        worker.kill()


@pytest.mark.kafka
def test_a_worker_that_cannot_run_is_told_with_its_log(kafka: Kafka, namespace: str, tmp_path: Path) -> None:
    worker = WorkerProcess("one", environ_of(kafka, namespace, tmp_path), tmp_path / "one.log")
    worker.start()
    with pytest.raises(OperationError) as caught:
        wait_until_ready([worker], timeout_s=60)
    assert "worker one ended with exit code 2" in str(caught.value)
    assert f"{namespace}transaction-requests.v1: does not exist" in str(caught.value)
    stop_all([worker])


def test_a_worker_that_is_not_ready_in_time_is_told_with_its_reasons(tmp_path: Path) -> None:
    away = Kafka("127.0.0.1:1", "given")
    worker = WorkerProcess("one", environ_of(away, "x.", tmp_path), tmp_path / "one.log")
    worker.start()
    try:
        deadline = time.monotonic() + 30
        while "connecting" not in "".join(worker.readiness().reasons):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        with pytest.raises(OperationError, match=r"not ready within 0 s: connecting.*127\.0\.0\.1:1"):
            wait_until_ready([worker], timeout_s=0)
        assert worker.stop() == 0
    finally:
        worker.kill()


@contextmanager
def up(folder: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    command = [*UP, "--data-dir", str(folder), *arguments]
    environ = {**os.environ, "WALLETSTREAM_PARTITIONS": "2"}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environ)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def read_until_ready(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    for line in process.stdout:
        if found := re.fullmatch(r"ready; export WALLETSTREAM_BOOTSTRAP_SERVERS=(\S+)\n", line):
            return found[1]
    raise AssertionError(process.communicate()[1])


@pytest.mark.kafka
def test_up_brings_everything_up_answers_and_stops_everything(tmp_path: Path) -> None:
    with up(tmp_path, "--workers", "2") as process:
        address = read_until_ready(process)
        children = psutil.Process(process.pid).children()
        # The broker, two of the ledger, one of each other role.
        assert len(children) == 6
        others = {"fraud", "settlement", "reconciliation"}
        assert {child.cmdline()[-1] for child in children} >= others
        todo = phases(generate(60, seed=1), "sum-of-outgoing")
        done = asyncio.run(submit(address, "wallet.", todo, wait=True))
        assert done.tracker is not None
        assert set(done.tracker.codes) == {"ok"}
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=60)
        assert (process.returncode, err) == (0, "")
        assert psutil.wait_procs(children, timeout=5)[1] == []
    logs = {f"{role}-1.log" for role in ("ledger", *others)}
    assert {"broker", "state", "ledger-2.log", *logs} <= {path.name for path in tmp_path.iterdir()}


@pytest.mark.kafka
def test_up_ends_with_an_error_where_a_worker_ends(tmp_path: Path) -> None:
    with up(tmp_path, "--workers", "1") as process:
        read_until_ready(process)
        (worker,) = [c for c in psutil.Process(process.pid).children() if c.cmdline()[-1] == "ledger"]
        children = psutil.Process(process.pid).children()
        worker.kill()
        _, err = process.communicate(timeout=60)
        assert process.returncode == 1
        assert "Error: worker ledger-1 ended with exit code -9" in err
        assert psutil.wait_procs(children, timeout=5)[1] == []
