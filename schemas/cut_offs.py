"""Cut-offs of a rail: when batches close, and on which day they are executed. Pure; times are Unix milliseconds.

A cut-off is a time of day in the rail's time zone, on each business day of its calendar. Where clocks are put forward
and skip it, it is as much later; where they are put back and have it twice, it is the first (PEP 495, `fold=0`).
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from itertools import islice
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from schemas.business_days import business_day_on_or_after, is_business_day
from schemas.rails import Rail

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)
#: A day that a time zone skips as a whole (Samoa, 30 December 2011) moves its cut-offs into the next.
_MOVED_DAYS: Final = 2
_LAST_DAY: Final = date.max.toordinal() - 1


class CutOff(NamedTuple):
    """One cut-off: when it is, and the business day that it belongs to (proleptic ordinal)."""

    at_ms: int
    day: int


def next_cut_off(rail: Rail, at_ms: int) -> CutOff | None:
    """The first cut-off after `at_ms`; what comes at the very moment of one goes with the next. None without any.

    Raises:
        UnknownCalendar: this version knows no such calendar.
        OverflowError: year 9999 ends.
    """
    return next(cut_offs_after(rail, at_ms), None)


def upcoming_cut_offs(rail: Rail, at_ms: int, count: int) -> list[CutOff]:
    """The next `count` cut-offs after `at_ms`, in order; none where the rail has none.

    Raises:
        UnknownCalendar: this version knows no such calendar.
        OverflowError: year 9999 ends.
    """
    return list(islice(cut_offs_after(rail, at_ms), count))


def cut_offs_after(rail: Rail, at_ms: int) -> Iterator[CutOff]:
    """All cut-offs after `at_ms`, in order, without end; none where the rail has none."""
    if rail.cut_offs is None:
        return
    zone = ZoneInfo(rail.cut_offs.time_zone)
    times = [time.fromisoformat(text) for text in rail.cut_offs.times]
    day = _local_day(zone, at_ms) - _MOVED_DAYS
    waiting: list[CutOff] = []
    last_ms = at_ms
    while day <= _LAST_DAY:
        # The days before have put everything there that can come before this one.
        if is_business_day(rail.calendar, day):
            waiting += [CutOff(_unix_ms(zone, day, of_day), day) for of_day in times]
        due_before_ms = _unix_ms(zone, day - _MOVED_DAYS, time())
        for cut_off in sorted(one for one in waiting if one.at_ms <= due_before_ms):
            if cut_off.at_ms > last_ms:
                last_ms = cut_off.at_ms
                yield cut_off
        waiting = [one for one in waiting if one.at_ms > due_before_ms]
        day += 1
    raise OverflowError("there are no days after year 9999")


def execution_day(rail: Rail, opened_ms: int, at_ms: int) -> int:
    """Business day (proleptic ordinal) on which what was gathered since `opened_ms` and is handed over now is executed.

    That of the first cut-off after `opened_ms`, by which it was closed; where that day is over, of the next cut-off.
    Without cut-offs it is the day of `at_ms` in UTC, or the next business day.

    Raises:
        UnknownCalendar: this version knows no such calendar.
        OverflowError: year 9999 ends.
    """
    cut_off = next_cut_off(rail, opened_ms)
    if cut_off is None or rail.cut_offs is None:
        return business_day_on_or_after(rail.calendar, _local_day(UTC, at_ms))
    if _local_day(ZoneInfo(rail.cut_offs.time_zone), at_ms) > cut_off.day:
        cut_off = next_cut_off(rail, at_ms) or cut_off
    return cut_off.day


def _local_day(zone: tzinfo, at_ms: int) -> int:
    return (_EPOCH + at_ms * _MILLISECOND).astimezone(zone).toordinal()


def _unix_ms(zone: tzinfo, day: int, of_day: time) -> int:
    at = datetime.combine(date.fromordinal(day), of_day, tzinfo=zone)
    return (at - _EPOCH) // _MILLISECOND
