"""Times on the wire: RFC 3339 in UTC with milliseconds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@lru_cache(maxsize=4_096)
def rfc3339(unix_ms: int) -> str:
    """`2026-11-23T04:50:00.123Z` for Unix milliseconds."""
    return (_EPOCH + timedelta(milliseconds=unix_ms)).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


@lru_cache(maxsize=4_096)
def unix_ms(text: str) -> int:
    """Unix milliseconds of an RFC 3339 time in UTC.

    Raises:
        ValueError: `text` is no such time.
    """
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError(f"{text!r} has no time zone")
    passed = at - _EPOCH
    return passed.days * 86_400_000 + passed.seconds * 1_000 + passed.microseconds // 1_000
