"""`walletstream broker` as a process."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

pytestmark = pytest.mark.kafka

READY = re.compile(r"Kafka [\d.]+ ready on 127\.0\.0\.1:(\d+) \(data (.+), process (\d+), log (.+)\)\n")
COMMAND = [sys.executable, "-c", "from ops.cli import main; main()", "broker"]


@contextmanager
def cli(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen([*COMMAND, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def ready_line(process: subprocess.Popen[str]) -> re.Match[str]:
    assert process.stdout is not None
    match = READY.fullmatch(process.stdout.readline())
    assert match is not None
    return match


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_one_line_when_ready_and_a_clean_stop(tmp_path: Path, signum: signal.Signals) -> None:
    with cli("--port", "0", "--data-dir", str(tmp_path / "data")) as process:
        ready = ready_line(process)
        java = psutil.Process(int(ready[3]))
        with socket.create_connection(("127.0.0.1", int(ready[1])), timeout=5):
            pass
        assert Path(ready[4]).is_file()
        process.send_signal(signum)
        out, err = process.communicate(timeout=30)
        assert (process.returncode, out, err) == (0, "", "")
        assert not java.is_running()


def test_a_signal_while_it_starts_leaves_nothing(tmp_path: Path) -> None:
    with cli("--port", "0", "--data-dir", str(tmp_path)) as process:
        owner = psutil.Process(process.pid)
        while not (children := owner.children()):
            assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=30)
        assert (process.returncode, out, err) == (0, "", "")
        assert psutil.wait_procs(children, timeout=5)[1] == []


def test_a_broker_that_dies_is_an_error_with_its_log(tmp_path: Path) -> None:
    with cli("--port", "0", "--data-dir", str(tmp_path)) as process:
        psutil.Process(int(ready_line(process)[3])).kill()
        _, err = process.communicate(timeout=30)
        assert process.returncode == 1
        assert "the broker ended with exit code -9" in err
        assert "broker.log" in err


def test_a_port_in_use_is_an_error(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with cli("--port", str(port), "--data-dir", str(tmp_path)) as process:
            out, err = process.communicate(timeout=30)
            assert (process.returncode, out) == (1, "")
            assert f"Error: port {port} on 127.0.0.1 is in use" in err
