"""What a process in the foreground asks of the machine."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

_CODE = """
import resource
from streams.foreground import Foreground, run_foreground
from streams.health import WorkerStatus
from streams.settings import Settings

soft, hard = {soft}, {hard}
resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

class Process(Foreground):
    def __init__(self):
        pass

    async def run(self):
        print(*resource.getrlimit(resource.RLIMIT_NOFILE))
        return 0

    async def serve(self):
        return 0

raise SystemExit(run_foreground(Process(), Settings()))
"""


@pytest.mark.slow
def test_a_process_says_which_variables_are_no_settings() -> None:
    """`durabilty=replicated` would run it with one copy of everything."""
    environ = {**os.environ, "WALLETSTREAM_DURABILTY": "replicated", "WALLETSTREAM_JAVA": "/java"}
    code = _CODE.format(soft=512, hard=512)
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environ).stderr
    (line,) = [line for line in told.splitlines() if "WALLETSTREAM_" in line]
    assert "level=warning" in line
    assert "WALLETSTREAM_DURABILTY is no setting and has no effect: rename it to WALLETSTREAM_DURABILITY" in line


@pytest.mark.slow
@pytest.mark.parametrize(("soft", "hard"), [(128, 512), (512, 512)])
def test_a_process_takes_as_many_open_files_as_it_may(soft: int, hard: int) -> None:
    """Shells and systemd give 1,024 unless asked for more; some partitions with their stores need more."""
    code = _CODE.format(soft=soft, hard=hard)
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert told.split() == [str(hard)] * 2


_TUNED = """
import asyncio, sys, time
from streams import foreground
from streams.settings import Settings

class Process(foreground.Foreground):
    def __init__(self):
        pass

    async def run(self):
        print(type(asyncio.get_running_loop()).__module__, type(asyncio.new_event_loop()).__module__)
        print(sys.getswitchinterval())
        return 0

    async def serve(self):
        return 0

foreground.keep_freed_memory = lambda: print("keeps freed memory")
foreground.tell_apart_closed_connections = lambda: print("tells apart closed connections")
foreground._END_S = 0.1
code = foreground.run_foreground(Process(), Settings())
time.sleep(0.3)
print("ended in time, with", code)
"""


def test_a_process_is_tuned_before_its_work_begins() -> None:
    """Each of it is measured: without, a worker takes more of the CPU, or answers later."""
    told = subprocess.run([sys.executable, "-c", _TUNED], capture_output=True, text=True, check=True).stdout
    assert told.splitlines() == [
        "keeps freed memory",
        "tells apart closed connections",
        # Of the main thread, and of threads that make one by themselves, as Faust's consumer does.
        "uvloop uvloop",
        "0.0005",
        "ended in time, with 0",
    ]


_LEFT = """
import asyncio, threading, time
from streams import foreground
from streams.settings import Settings

class Process(foreground.Foreground):
    def __init__(self):
        pass

    async def run(self):
        {leaves}
        await asyncio.sleep(0.01)
        return foreground.fatal("Refused: there is a reason", 2)

    async def serve(self):
        return 0

async def stubborn():
    while True:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            pass

foreground._END_S = 0.2
raise SystemExit(foreground.run_foreground(Process(), Settings()))
"""


@pytest.mark.parametrize(
    "leaves",
    [
        "self.left = asyncio.ensure_future(stubborn())",
        "self.left = asyncio.get_running_loop().run_in_executor(None, time.sleep, 60)",
        "threading.Thread(target=time.sleep, args=(60,)).start()",
    ],
    ids=["a task that cannot be cancelled", "a call of a database that does not answer", "a thread"],
)
def test_what_does_not_end_with_it_does_not_keep_the_process(leaves: str) -> None:
    """A worker that failed and stays would have partitions that nobody else is given, or a supervisor that waits."""
    started = time.monotonic()
    code = _LEFT.format(leaves=leaves)
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=20)
    assert time.monotonic() - started < 10
    assert ended.returncode == 2
    assert ended.stderr.splitlines()[-1] == "Refused: there is a reason"
