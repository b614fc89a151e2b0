"""`walletstream demo` as a process: it holds, it says so, and it leaves nothing behind, however it ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

pytestmark = pytest.mark.kafka

DEMO = [sys.executable, "-P", "-m", "ops", "demo", "--fast"]


@contextmanager
def demo(folder: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A demo whose temporary files are in `folder`/tmp; killed at the end if it still runs."""
    (folder / "tmp").mkdir()
    process = subprocess.Popen(
        [*DEMO, "--plot", str(folder / "demo.png"), *arguments],
        cwd=folder,
        env={**os.environ, "TMPDIR": str(folder / "tmp")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def descendants(process: subprocess.Popen[str]) -> list[psutil.Process]:
    """All processes that it started and that live."""
    return psutil.Process(process.pid).children(recursive=True)


def assert_gone(processes: list[psutil.Process]) -> None:
    """All of them have ended."""
    assert psutil.wait_procs(processes, timeout=10)[1] == []


@pytest.mark.slow
@pytest.mark.timeout(420)
def test_a_worker_is_killed_and_everything_holds(tmp_path: Path) -> None:
    with demo(tmp_path, "--json") as process:
        out, err = process.communicate(timeout=400)
    assert process.returncode == 0, f"{out}\n{err}"
    said = json.loads(out)
    assert said["ok"] is True
    assert said["requests"] == said["answered"] > 12_000
    assert said["doubled"] == said["unsettled"] == said["balances"]["wrong"] == 0
    assert said["codes"]["malformed"] > 0
    assert said["codes"]["insufficient_funds"] > 0
    assert said["replayed"] > 0
    assert said["verify"]["line"].startswith("verify: OK")
    assert said["story"]["ok"] is True
    assert "Trial balance" in err
    assert "kill -9 ledger-2" in err
    assert "ledger-2 started again" in err
    assert (tmp_path / "demo.png").read_bytes().startswith(b"\x89PNG")
    assert list((tmp_path / "tmp").glob("walletstream-*")) == []


@pytest.mark.parametrize(
    ("signum", "line"),
    [
        (signal.SIGINT, "starting Kafka"),
        (signal.SIGTERM, "starting 2 workers"),
        (signal.SIGINT, "opening and funding"),
    ],
)
def test_a_signal_leaves_no_process_and_no_file(tmp_path: Path, signum: signal.Signals, line: str) -> None:
    with demo(tmp_path) as process:
        assert process.stdout is not None
        while line not in (said := process.stdout.readline()):
            assert said, process.communicate()[1]
        started = descendants(process)
        process.send_signal(signum)
        _, err = process.communicate(timeout=90)
    assert process.returncode == 1
    assert err.strip().endswith("Aborted!")
    assert_gone(started)
    assert list((tmp_path / "tmp").glob("walletstream-*")) == []


def test_killed_itself_it_takes_its_processes_along(tmp_path: Path) -> None:
    with demo(tmp_path) as process:
        assert process.stdout is not None
        # Broker and workers have been started, which is all that it takes.
        while "telling a story" not in (said := process.stdout.readline()):
            assert said, process.communicate()[1]
        started = descendants(process)
        assert len(started) >= 3
        process.kill()
        assert_gone(started)
