"""Business days of named calendars. Pure: days are proleptic ordinals (`date.toordinal`), and nothing asks for today.

Holidays come from the `holidays` library, for countries, their parts, and financial markets. A calendar is a name such
as `TARGET2`, `DE`, `DE-BY` or `XNYS`, or several joined by `+`, which all have to be open. None is the calendar on
which every day is a business day.
"""

from __future__ import annotations

import re
from datetime import date
from functools import lru_cache
from typing import Final

import holidays
from holidays import HolidayBase

#: The euro's payment systems go by names that the library does not have: T2 has followed TARGET2, with its calendar.
_ALIASES: Final = {"TARGET2": "ECB", "TARGET": "ECB", "T2": "ECB"}
#: The library has classes by other names too, such as Germany: one name for each calendar is enough.
_NAME: Final = re.compile(r"([A-Z][A-Z0-9]{1,5})(?:-([A-Za-z0-9 ]{1,40}))?")
#: Longest run of days off that is looked through; the longest holidays of any calendar take less than a month.
_LONGEST_CLOSURE_DAYS: Final = 90
_LATEST_DAY: Final = date.max.toordinal()


class UnknownCalendar(ValueError):
    """There is no calendar of this name."""


def check_calendar(calendar: str) -> None:
    """
    Raises:
        UnknownCalendar: one of the names in it is no calendar.
    """
    for name in calendar.split("+"):
        _holidays_of(name)


def is_business_day(calendar: str | None, day: int) -> bool:
    """Whether `day` is a business day of the calendar.

    Raises:
        UnknownCalendar: there is no such calendar.
    """
    if calendar is None:
        return True
    return _is_open(calendar, day)


def business_day_on_or_after(calendar: str | None, day: int) -> int:
    """`day` itself if it is a business day, else the next one.

    Raises:
        UnknownCalendar: there is no such calendar.
        OverflowError: there is none within 90 days, or before the end of year 9999.
    """
    for candidate in range(day, min(day + _LONGEST_CLOSURE_DAYS, _LATEST_DAY + 1)):
        if is_business_day(calendar, candidate):
            return candidate
    raise OverflowError(f"calendar {calendar} has no business day within {_LONGEST_CLOSURE_DAYS} days of day {day}")


def business_day_add(calendar: str | None, day: int, business_days: int) -> int:
    """The day `business_days` business days after `day`, as T+2 is counted: from a day off as from the next open day.

    Args:
        calendar: name of the calendar.
        day: where to count from.
        business_days: how many, at least 0; with 0 it is `day`, or the next business day.

    Raises:
        ValueError: `business_days` is negative.
        UnknownCalendar: there is no such calendar.
        OverflowError: the calendar is closed for more than 90 days, or year 9999 ends.
    """
    if business_days < 0:
        raise ValueError(f"{business_days} business days: only later days can be counted to")
    found = business_day_on_or_after(calendar, day)
    for _ in range(business_days):
        found = business_day_on_or_after(calendar, found + 1)
    return found


def business_days_between(calendar: str | None, from_day: int, to_day: int) -> int:
    """How many business days there are in (`from_day`, `to_day`]; 0 where `to_day` is not later.

    Raises:
        UnknownCalendar: there is no such calendar.
    """
    return sum(is_business_day(calendar, day) for day in range(from_day + 1, to_day + 1))


@lru_cache(maxsize=65_536)
def _is_open(calendar: str, day: int) -> bool:
    at = date.fromordinal(day)
    return all(_holidays_of(name).is_working_day(at) for name in calendar.split("+"))


@lru_cache(maxsize=256)
def _holidays_of(name: str) -> HolidayBase:
    """
    Raises:
        UnknownCalendar: the library has no such market, country or part of one.
    """
    found = _NAME.fullmatch(_ALIASES.get(name, name))
    try:
        if found is None:
            raise NotImplementedError
        code, part = found.groups()
        if part is None and code in _markets():
            return holidays.financial_holidays(code)
        return holidays.country_holidays(code, subdiv=part)
    except NotImplementedError:
        raise UnknownCalendar(
            f"{name!r} is no calendar; there are TARGET2, countries such as DE, parts of them such as DE-BY, and "
            "markets such as XNYS"
        ) from None


@lru_cache(maxsize=1)
def _markets() -> frozenset[str]:
    return frozenset(holidays.list_supported_financial())
