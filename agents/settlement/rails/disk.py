"""Files that outlive a crash, and folders that several processes share."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from agents.settlement.rails.port import RailUnavailable

_ASK_AGAIN_S: Final = 0.005
#: A process that was stopped keeps its lock; whoever waits for it must say so in time.
LOCK_TIMEOUT_S: Final = 5.0


@contextmanager
def locked(path: Path, timeout_s: float = LOCK_TIMEOUT_S) -> Iterator[None]:
    """Hold the lock of this file among all processes and threads. Never waits for longer than `timeout_s`.

    Raises:
        RailUnavailable: somebody else has held it all the time; nothing was done.
    """
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    try:
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise RailUnavailable(f"another process has held {path} for {timeout_s:g} s") from None
                time.sleep(_ASK_AGAIN_S)
        yield
    finally:
        os.close(handle)  # gives the lock back


def write_durably(path: Path, content: bytes) -> None:
    """Write a file whole or not at all, and have it on disk; what was there before is replaced."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o640)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def append_durably(path: Path, line: bytes) -> None:
    """Add a line to a file and have it on disk. What was cut off there before stays a line of its own."""
    is_new = not path.exists()
    with path.open("ab+") as file:
        if file.tell():
            file.seek(-1, os.SEEK_END)
            if file.read(1) != b"\n":
                line = b"\n" + line
        file.write(line)
        file.flush()
        os.fsync(file.fileno())
    if is_new:
        sync_folder(path.parent)


def move_durably(source: Path, target: Path) -> None:
    """Move a file within a file system: it is in one of both places whenever somebody looks, also after a crash."""
    os.rename(source, target)
    sync_folder(target.parent)
    sync_folder(source.parent)


def make_folder(folder: Path) -> None:
    """Have a folder, and on disk that it is there: what is kept in it is lost with its name."""
    if folder.is_dir():
        return
    make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    sync_folder(folder.parent)


def sync_folder(folder: Path) -> None:
    """Have on disk which names a folder holds."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
