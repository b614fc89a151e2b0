"""Structured logs to standard error: one line for each event, its fields as `key=value` (logfmt)."""

from __future__ import annotations

import logging
import sys
import time
from collections import Counter
from collections.abc import Callable
from typing import Any, Final

_PLAIN: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:@+")
_FIELDS: Final = "fields"
_LIBRARIES: Final = ("aiokafka", "faust", "mode", "aiohttp", "asyncio")
_AT_MOST_EVERY_S: Final = 10.0


def fields(**values: object) -> dict[str, Any]:
    """Fields of a log line: `log.info("restored", extra=fields(partition=3))`."""
    return {_FIELDS: values}


class LogfmtFormatter(logging.Formatter):
    """`time=... level=info logger=streams.supervisor msg="partition restored" partition=3`."""

    def format(self, record: logging.LogRecord) -> str:
        """One record; a traceback follows on lines of its own."""
        at = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        values: dict[str, object] = {
            "time": f"{at}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "msg": record.getMessage(),
            **getattr(record, _FIELDS, {}),
        }
        line = " ".join(f"{key}={quoted(value)}" for key, value in values.items())
        if record.exc_info:
            line += "\n" + self.formatException(record.exc_info)
        return line


def quoted(value: object) -> str:
    """A value as logfmt has it: bare where it is plain, else in quotes with control characters escaped."""
    text = str(value)
    if text and _PLAIN.issuperset(text):
        return text
    escaped = (
        text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\r", "\\r").replace("\t", "\\t")
    )
    return f'"{escaped}"'


class Throttle(logging.Filter):
    """Lets a library say the same thing once in ten seconds: without a broker aiokafka says it 100 times a second."""

    def __init__(self, clock: Callable[[], float] = time.monotonic):
        super().__init__()
        self._clock = clock
        self._last: dict[tuple[str, str], float] = {}
        self._held_back: Counter[tuple[str, str]] = Counter()

    def filter(self, record: logging.LogRecord) -> bool:
        """False where the record is held back; the next one that passes says how many were."""
        if not record.name.startswith(_LIBRARIES):
            return True
        key = record.name, str(record.msg)
        now = self._clock()
        if now - self._last.get(key, -_AT_MOST_EVERY_S) < _AT_MOST_EVERY_S:
            self._held_back[key] += 1
            return False
        self._last[key] = now
        if held_back := self._held_back.pop(key, 0):
            setattr(record, _FIELDS, {"held_back": held_back})
        return True


def configure_logging(level: str) -> None:
    """Send all logs to standard error. The libraries below are heard from their warnings on."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(LogfmtFormatter())
    handler.addFilter(Throttle())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    noisy = logging.DEBUG if level == "debug" else logging.WARNING
    for name in _LIBRARIES:
        logging.getLogger(name).setLevel(noisy)
