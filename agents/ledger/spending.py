"""What has left a wallet in a calendar hour, day and month of partition time, in UTC. Pure."""

from __future__ import annotations

from typing import NamedTuple

import msgspec.structs

from agents.ledger.state import Spent
from schemas.clock import rfc3339, unix_ms
from schemas.money import INT64_MAX

_HOUR_MS = 3_600_000
_DAY_MS = 24 * _HOUR_MS


class Windows(NamedTuple):
    """The windows that a moment is in: hours and days since 1970, months since the year 0."""

    hour: int
    day: int
    month: int


def windows_of(at_ms: int) -> Windows:
    """The windows of a moment in Unix milliseconds."""
    text = rfc3339(at_ms)
    return Windows(at_ms // _HOUR_MS, at_ms // _DAY_MS, int(text[:4]) * 12 + int(text[5:7]) - 1)


def end_of(window: str, at_ms: int) -> str:
    """When the `hour`, `day` or `month` of a moment is over."""
    hour, day, month = windows_of(at_ms)
    if window == "hour":
        return rfc3339((hour + 1) * _HOUR_MS)
    if window == "day":
        return rfc3339((day + 1) * _DAY_MS)
    year, in_year = divmod(month + 1, 12)
    return rfc3339(unix_ms(f"{year:04d}-{in_year + 1:02d}-01T00:00:00.000Z"))


def spent_in(spent: Spent | None, window: str, at_ms: int) -> tuple[int, int]:
    """How often and how much in the `hour`, `day` or `month` of a moment."""
    if spent is None or getattr(spent, window) != getattr(windows_of(at_ms), window):
        return 0, 0
    return getattr(spent, f"{window}_count"), getattr(spent, f"{window}_minor")


def spend(spent: Spent | None, at_ms: int, minor: int, count: int) -> Spent:
    """What has left the wallet once this amount has too; a sum beyond int64, which no row could keep, stops there."""
    now = windows_of(at_ms)
    changed: dict[str, int] = {}
    for window in Windows._fields:
        before_count, before_minor = spent_in(spent, window, at_ms)
        changed |= {
            window: getattr(now, window),
            f"{window}_count": before_count + count,
            f"{window}_minor": min(before_minor + minor, INT64_MAX),
        }
    return Spent(**changed)


def give_back(spent: Spent, counted_at_ms: int, minor: int, count: int) -> Spent:
    """Take an amount out of the windows that have counted it, as far as they are not over."""
    counted = windows_of(counted_at_ms)
    changed: dict[str, int] = {}
    for window in Windows._fields:
        if getattr(spent, window) == getattr(counted, window):
            changed[f"{window}_count"] = getattr(spent, f"{window}_count") - count
            # More may be given back than a sum that stopped there says.
            changed[f"{window}_minor"] = max(0, getattr(spent, f"{window}_minor") - minor)
    return msgspec.structs.replace(spent, **changed)
