"""What can be found out without a broker: settings, Java, disk."""

from __future__ import annotations

import fcntl
import os
import shutil
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from ops.broker import BrokerError
from ops.broker.java import find_java
from ops.doctor.finding import Finding, Level
from streams.settings import Settings, unknown_variables

_PREFIX: Final = "WALLETSTREAM_"
_GIB: Final = 1 << 30
#: `struct flock` of Linux on 64 bits: type, whence, start, length, process id.
_FLOCK: Final = "hhqqi4x"


def check_settings(settings: Settings, environ: Mapping[str, str]) -> Iterator[Finding]:
    """Settings that contradict each other, and variables that are no settings."""
    unknown = unknown_variables(environ)
    for name, mend in unknown.items():
        yield Finding("settings", Level.PROBLEM, f"{name} is no setting and has no effect", mend)
    if settings.batch_max_records > settings.box_max_records:
        yield Finding(
            "settings",
            Level.WARNING,
            f"a batch may have {settings.batch_max_records} records, but only {settings.box_max_records} may wait",
            f"set {_PREFIX}BOX_MAX_RECORDS to several times {_PREFIX}BATCH_MAX_RECORDS",
        )
    if not unknown:
        yield Finding(
            "settings",
            Level.OK,
            f"namespace {settings.namespace!r}, {settings.partitions} partitions, {settings.durability}, "
            f"worker {settings.worker_id}",
        )


def check_java(needed: bool) -> Iterator[Finding]:
    """Whether the embedded broker could run; a problem only where it is `needed`."""
    try:
        java = find_java()
    except BrokerError as error:
        level = Level.PROBLEM if needed else Level.NOTE
        yield Finding("java", level, str(error), None if needed else "workers need no Java; `broker` and `up` do")
    else:
        yield Finding("java", Level.OK, f"Java {java.major} at {java.path} (from {java.origin})")


def check_disk(settings: Settings) -> Iterator[Finding]:
    """Whether the data folder can be written, has room, and who holds the states in it."""
    folder = settings.data_dir / settings.worker_id
    existing = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
        yield Finding(
            "disk",
            Level.PROBLEM,
            f"{existing} cannot be written" if existing.is_dir() else f"{existing} is no folder",
            f"give this user the right to write it, or set {_PREFIX}DATA_DIR",
        )
        return
    yield from _check_room(existing, settings)
    yield from _check_locks(folder)


def _check_room(existing: Path, settings: Settings) -> Iterator[Finding]:
    usage = shutil.disk_usage(existing)
    free = f"{usage.free / _GIB:.1f} GiB free for {settings.data_dir}"
    mend = f"make room, or set {_PREFIX}DATA_DIR to a larger disk"
    if usage.free < _GIB:
        yield Finding("disk", Level.PROBLEM, f"only {free}", mend)
    elif usage.free < 10 * _GIB:
        yield Finding("disk", Level.WARNING, f"only {free}", mend)
    else:
        yield Finding("disk", Level.OK, free)
    inodes = os.statvfs(existing)
    if inodes.f_files and inodes.f_favail < 10_000:
        yield Finding("disk", Level.PROBLEM, f"only {inodes.f_favail} files can still be made there", mend)


def _check_locks(folder: Path) -> Iterator[Finding]:
    """RocksDB locks that a process holds: normal while a worker of this name runs, else not."""
    try:
        locks = sorted(folder.glob("*/LOCK"))
    except OSError:
        return
    holders: dict[int, list[str]] = {}
    for lock in locks:
        pid = lock_holder(lock)
        if pid is not None:
            holders.setdefault(pid, []).append(lock.parent.name)
    for pid, partitions in holders.items():
        listed = ", ".join(partitions)
        yield Finding(
            "disk",
            Level.NOTE,
            f"process {pid} holds the state of partition {listed} in {folder}",
            f"normal while worker {folder.name} runs; a second worker needs a {_PREFIX}WORKER_ID of its own",
        )


def lock_holder(path: Path) -> int | None:
    """Id of the process that holds the POSIX lock on a file; None where nobody does or the file cannot be opened."""
    asked = struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
    try:
        with path.open("r+b") as file:
            kind, _, _, _, pid = struct.unpack(_FLOCK, fcntl.fcntl(file, fcntl.F_GETLK, asked))
    except OSError:
        return None
    return pid if kind != fcntl.F_UNLCK else None
