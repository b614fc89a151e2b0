"""Why a broker died, from the last lines of its log."""

from __future__ import annotations

import os
from pathlib import Path

_SHOWN_LINES = 15
_READ_BYTES = 64 << 10

ADDRESS_IN_USE = "another process has just taken its port"

#: What a log says -> what it means and what to do. The first that is found is told.
_CAUSES: tuple[tuple[str, str], ...] = (
    ("No space left on device", "the disk is full: make room or choose another data folder"),
    ("Disk quota exceeded", "the disk quota is used up: make room or choose another data folder"),
    ("Address already in use", ADDRESS_IN_USE),
    ("Failed to acquire lock on file", "another broker uses the data folder: stop it or choose another folder"),
    ("java.lang.OutOfMemoryError", "the Java heap is too small: raise --heap-mb"),
    ("Could not reserve enough space", "the machine has no memory for the Java heap: lower --heap-mb"),
    ("insufficient memory for the Java Runtime", "the machine has no memory for Java: free some"),
    ("UnsupportedClassVersionError", "this Java is too old: it must be 17 or newer"),
)


def _read(log: Path, since: int) -> str:
    try:
        with log.open("rb") as file:
            file.seek(max(since, file.seek(0, os.SEEK_END) - _READ_BYTES))
            return file.read().decode("utf-8", errors="replace")
    except OSError:
        return ""


def explain(what: str, log: Path, since: int = 0) -> str:
    """One message of what happened, its cause where the log shows a known one, and the last log lines.

    Args:
        what: what happened, the start of the message.
        log: the broker's log file; it may be missing.
        since: byte position in the log where the start in question begins.
    """
    text = _read(log, since)
    # Stack frames would push out the lines that people understand; the file has them.
    lines = [line for line in text.splitlines() if not line.startswith(("\tat ", "\t... "))][-_SHOWN_LINES:]
    cause = next((f": {advice}" for sign, advice in _CAUSES if sign in text), "")
    shown = "".join(f"\n  {line}" for line in lines)
    return f"{what}{cause}\nLast lines of {log}:{shown or ' none'}"
