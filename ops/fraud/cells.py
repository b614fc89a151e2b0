"""What a cell of a table says: numbers and amounts exactly, times in milliseconds. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from datetime import UTC, datetime
from fractions import Fraction
from functools import lru_cache
from typing import Final

from schemas.money import INT64_MAX

#: Reads a cell that is not empty.
Read = Callable[[str], int | float | str]

UNITS_MS: Final = {"ms": 1, "s": 1_000, "minute": 60_000, "hour": 3_600_000, "day": 86_400_000}
#: Longest cell of a field, in characters.
MAX_TEXT: Final = 1_000
_MAX_DIGITS: Final = 40
_NUMBER: Final = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?", re.ASCII)
_INTEGER: Final = re.compile(r"[+-]?\d{1,40}", re.ASCII)
#: A time without a unit is in seconds below this, else in milliseconds: 5138 in the one, 1973 in the other.
_MILLISECONDS_FROM: Final = 10**11
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
#: For times without a zone, which are taken for UTC.
_EPOCH_LOCAL: Final = _EPOCH.replace(tzinfo=None)
_DAY_MS: Final = 86_400_000
#: How a minute of the day is written, and how a second of it at the end of a time in UTC -> milliseconds.
_MINUTES_MS: Final = {f"{minute // 60:02}:{minute % 60:02}": minute * 60_000 for minute in range(24 * 60)}
_SECONDS_MS: Final = {f":{second:02}{zone}": second * 1_000 for second in range(60) for zone in ("Z", "", "+00:00")}
_YEAR_1_MS: Final = -62_135_596_800_000
_YEAR_10000_MS: Final = 253_402_300_800_000


def exact(text: str) -> int | Fraction:
    """A number as it is written.

    Raises:
        ValueError: it is none, or one of more digits than any amount has.
    """
    text = text.strip(" ")
    if _INTEGER.fullmatch(text):
        return int(text)
    if len(text) > _MAX_DIGITS or not _NUMBER.fullmatch(text):
        raise ValueError(f"{_shown(text)} is no number")
    value = Fraction(text) if abs(_exponent(text)) <= _MAX_DIGITS else None
    if value is None:
        raise ValueError(f"{_shown(text)} is too large or too small a number")
    return value.numerator if value.denominator == 1 else value


def _exponent(text: str) -> int:
    return int(text.lower().partition("e")[2] or 0)


def number(text: str) -> int | float:
    """A number as facts have it: an int, or the float next to what is none.

    Raises:
        ValueError: it is no number.
    """
    if text.isdecimal() and text.isascii() and len(text) <= _MAX_DIGITS:
        return int(text)
    value = exact(text)
    if isinstance(value, int):
        return value
    near = float(value)
    return near if math.isfinite(near) else int(value)


def minor_units(
    text: str, instead: str = 'say how many decimals its asset has, as in {"column": "..", "decimals": 2}'
) -> int:
    """An amount that is written in minor units.

    Args:
        text: the amount.
        instead: how a mapping says that amounts are in major units.

    Raises:
        ValueError: it is no integer, or too large.
    """
    if text.isdecimal() and text.isascii() and len(text) < 19:
        return int(text)
    value = exact(text)
    if not isinstance(value, int):
        raise ValueError(f"{_shown(text)} is no whole number of minor units; of an amount in major units {instead}")
    return _amount(value, text)


def major_units(text: str, decimals: int) -> int:
    """An amount that is written in major units, such as 103.55, in minor units.

    Raises:
        ValueError: it is no number, too large, or has more decimals than its asset.
    """
    whole, _, rest = text.partition(".")
    digits = whole + rest
    # The usual form: 103.55. A point alone, a sign or an exponent goes the long way.
    if len(rest) <= decimals and whole and digits.isdecimal() and digits.isascii() and len(digits) + decimals < 19:
        missing: int = 10 ** (decimals - len(rest))
        return int(digits) * missing
    value = exact(text) * 10**decimals
    if isinstance(value, Fraction):
        if value.denominator != 1:
            raise ValueError(f"{_shown(text)} has more than {decimals} decimals")
        value = value.numerator
    return _amount(value, text)


def _amount(value: int, text: str) -> int:
    if abs(value) > INT64_MAX:
        raise ValueError(f"{_shown(text)} is more than any amount: at most {INT64_MAX} minor units")
    return value


def time_ms(text: str) -> int:
    """A time of RFC 3339 or ISO 8601, UTC where it has no zone, or a number of seconds or milliseconds since 1970.

    Finer digits are cut off, as everywhere.

    Raises:
        ValueError: it is none of them.
    """
    # The usual form first: 2026-11-23T04:50:00Z. Days come again and again.
    minute_ms, second_ms = _MINUTES_MS.get(text[11:16]), _SECONDS_MS.get(text[16:])
    try:
        if minute_ms is not None and second_ms is not None:
            return _day_ms(text[:11]) + minute_ms + second_ms
        return _any_time_ms(text)
    except ValueError:
        raise ValueError(f"{_shown(text)} is no time: 2026-11-23T04:50:00Z, or a number since 1970 is") from None


@lru_cache(maxsize=10_000)
def _day_ms(day: str) -> int:
    """The beginning of a day in UTC, as in `2026-11-23T`."""
    return _any_time_ms(day + "00:00")


def _any_time_ms(text: str) -> int:
    # RFC 3339 takes t and z for T and Z.
    text = text.strip(" ").upper()
    if text[4:5] != "-" and _NUMBER.fullmatch(text):
        return _number_ms(text)
    at = datetime.fromisoformat(text)
    passed = at - (_EPOCH_LOCAL if at.tzinfo is None else _EPOCH)
    return passed.days * _DAY_MS + passed.seconds * 1_000 + passed.microseconds // 1_000


def _number_ms(text: str) -> int:
    value = exact(text)
    if -_MILLISECONDS_FROM < value < _MILLISECONDS_FROM:
        value *= 1_000
    return _floor(value)


def time_in(unit_ms: int) -> Callable[[str], int]:
    """Reads times that are numbers of such units since 1970."""

    def read(text: str) -> int:
        return _floor((int(text) if text.isdecimal() and text.isascii() and len(text) < 19 else exact(text)) * unit_ms)

    return read


def _floor(value: int | Fraction) -> int:
    if not _YEAR_1_MS <= value < _YEAR_10000_MS:
        raise ValueError("it is in none of the years 1 to 9999")
    return math.floor(value)


def _shown(text: str) -> str:
    return repr(text if len(text) <= 40 else text[:40] + "..")
