"""Dates of statements: days that exist, between 1970 and 2199, as the account servicer's calendar has them."""

from __future__ import annotations

import re
from datetime import date
from typing import Final

from agents.statements.refusal import Refusal, quoted

_FIRST_YEAR: Final = 1970
_LAST_YEAR: Final = 2199
#: xs:date or xs:dateTime, a time zone or not: the day is the one that is written.
_ISO: Final = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})(?:T[0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,9})?)?)?(?:Z|[+-][0-9]{2}:[0-9]{2})?"
)
_SIX: Final = re.compile(r"([0-9]{2})([0-9]{2})([0-9]{2})")
_HALF_A_YEAR: Final = 183


def day_of(year: int, month: int, day: int, text: str) -> date:
    """The day, which was written as `text`.

    Raises:
        Refusal: `date`, where it does not exist or is out of range.
    """
    try:
        found = date(year, month, day)
    except ValueError:
        raise Refusal("date", f"{quoted(text)} is no day of the calendar") from None
    if not _FIRST_YEAR <= year <= _LAST_YEAR:
        raise Refusal("date", f"{quoted(text)} is not between {_FIRST_YEAR} and {_LAST_YEAR}")
    return found


def iso_day(text: str) -> date:
    """The day of `YYYY-MM-DD`, of such a time, or of one with a time zone.

    Raises:
        Refusal: `date`.
    """
    found = _ISO.fullmatch(text)
    if found is None:
        raise Refusal("date", f"{quoted(text)} is no date: YYYY-MM-DD is wanted")
    return day_of(int(found[1]), int(found[2]), int(found[3]), text)


def six_digit_day(text: str) -> date:
    """The day of `YYMMDD`; years 70 to 99 are of the last century.

    Raises:
        Refusal: `date`.
    """
    found = _SIX.fullmatch(text)
    if found is None:
        raise Refusal("date", f"{quoted(text)} is no date: YYMMDD is wanted")
    short = int(found[1])
    return day_of(short + (1900 if short >= 70 else 2000), int(found[2]), int(found[3]), text)


def nearest_day(month_and_day: str, to: date) -> date:
    """The day of `MMDD` in the year that brings it next to another day, for entry dates come without a year.

    Raises:
        Refusal: `date`.
    """
    month, day = int(month_and_day[:2]), int(month_and_day[2:])
    if (month, day) == (2, 29):
        leap = [year for year in (to.year - 1, to.year, to.year + 1) if year % 4 == 0 and year % 100]
        return day_of(leap[0] if leap else to.year, month, day, month_and_day)
    same = day_of(to.year, month, day, month_and_day)
    apart = (same - to).days
    if apart > _HALF_A_YEAR and to.year > _FIRST_YEAR:
        return same.replace(year=to.year - 1)
    return same.replace(year=to.year + 1) if apart < -_HALF_A_YEAR and to.year < _LAST_YEAR else same
