"""Start a process that cannot outlive this one."""

from __future__ import annotations

import os
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import IO

_LEASH = Path(__file__).with_name("leash.py")
_Job = tuple[Callable[[], "subprocess.Popen[bytes]"], "Future[subprocess.Popen[bytes]]"]
_jobs: queue.SimpleQueue[_Job] = queue.SimpleQueue()
_thread: threading.Thread | None = None
_thread_lock = threading.Lock()


def _serve() -> None:
    while True:
        start, answer = _jobs.get()
        try:
            answer.set_result(start())
        except BaseException as error:
            answer.set_exception(error)


def _forget_thread() -> None:
    """A forked child has none of its parent's threads."""
    global _thread, _thread_lock
    _thread, _thread_lock = None, threading.Lock()


os.register_at_fork(after_in_child=_forget_thread)


def spawn_leashed(command: Sequence[str], *, output: IO[bytes], cwd: Path) -> subprocess.Popen[bytes]:
    """Start `command` in a session of its own; on Linux the kernel kills it when this process ends, however it ends.

    The kernel counts the death of the *thread* that forked as the death of the parent, so every process is
    started by one thread that lives as long as this process does: a broker started from a pool's thread
    would otherwise be killed with the pool.

    Args:
        command: program by absolute path and its arguments.
        output: where standard output and standard error go.
        cwd: the working directory.

    Raises:
        OSError: the process cannot be started.
    """
    global _thread
    leashed = [sys.executable, "-I", "-S", str(_LEASH), str(os.getpid()), *command]

    def start() -> subprocess.Popen[bytes]:
        return subprocess.Popen(  # noqa: S603 - a fixed program of ours
            leashed,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=cwd,
            # Ctrl-C in a terminal goes to the whole process group; who started the broker stops it in order.
            start_new_session=True,
        )

    answer: Future[subprocess.Popen[bytes]] = Future()
    with _thread_lock:
        if _thread is None:
            _thread = threading.Thread(target=_serve, name="leashed-spawn", daemon=True)
            _thread.start()
        _jobs.put((start, answer))
    return answer.result()
