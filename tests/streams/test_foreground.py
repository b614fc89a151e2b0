"""What a process in the foreground asks of the machine."""

from __future__ import annotations

import subprocess
import sys

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
@pytest.mark.parametrize(("soft", "hard"), [(128, 512), (512, 512)])
def test_a_process_takes_as_many_open_files_as_it_may(soft: int, hard: int) -> None:
    """Shells and systemd give 1,024 unless asked for more; some partitions with their stores need more."""
    code = _CODE.format(soft=soft, hard=hard)
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert told.split() == [str(hard)] * 2
