"""A leashed process: the same process id, its own session, and dead as soon as its parent is."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from ops.broker.spawn import spawn_leashed

pytestmark = pytest.mark.slow

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="PR_SET_PDEATHSIG is Linux's")
SLEEP = ["/bin/sleep", "60"]


def spawn_sleep(tmp_path: Path) -> subprocess.Popen[bytes]:
    with (tmp_path / "out").open("wb") as output:
        process = spawn_leashed(SLEEP, output=output, cwd=tmp_path)
    wait_for_exec(process.pid)
    return process


def wait_for_exec(pid: int) -> None:
    deadline = time.monotonic() + 10
    while psutil.Process(pid).cmdline() != SLEEP:
        assert time.monotonic() < deadline, "the program was not started"
        time.sleep(0.01)


def test_the_program_runs_under_the_process_id_that_was_returned(tmp_path: Path) -> None:
    process = spawn_sleep(tmp_path)
    try:
        assert os.getsid(process.pid) == process.pid != os.getsid(0)
        assert psutil.Process(process.pid).cwd() == str(tmp_path)
    finally:
        process.kill()
        process.wait()


@linux_only
def test_it_outlives_the_thread_that_asked_for_it(tmp_path: Path) -> None:
    made: list[subprocess.Popen[bytes]] = []
    thread = threading.Thread(target=lambda: made.append(spawn_sleep(tmp_path)))
    thread.start()
    thread.join()
    time.sleep(0.2)
    try:
        assert made[0].poll() is None
    finally:
        made[0].kill()
        made[0].wait()


@linux_only
def test_kill_9_of_the_parent_kills_it(tmp_path: Path) -> None:
    script = (
        "import sys, pathlib; from ops.broker.spawn import spawn_leashed; here = pathlib.Path(sys.argv[1]); "
        f"print(spawn_leashed({SLEEP!r}, output=open(here / 'out', 'wb'), cwd=here).pid, flush=True); sys.stdin.read()"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert parent.stdout is not None
        child = psutil.Process(int(parent.stdout.readline()))
        wait_for_exec(child.pid)
    finally:
        parent.kill()
        parent.communicate()
    assert psutil.wait_procs([child], timeout=10)[1] == []


def test_a_program_that_is_not_there_ends_at_once_and_says_so(tmp_path: Path) -> None:
    with (tmp_path / "out").open("wb") as output:
        process = spawn_leashed(["/nonexistent/java"], output=output, cwd=tmp_path)
    assert process.wait(10) != 0
    assert "No such file" in (tmp_path / "out").read_text()


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with (tmp_path / "out").open("wb") as output, pytest.raises(OSError, match="gone"):
        spawn_leashed(SLEEP, output=output, cwd=tmp_path / "gone")
