"""Days as the books know them: UTC days, written `2026-11-23`."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Final, NamedTuple

from ops.errors import OperationError

_DAY_S: Final = 86_400


class Period(NamedTuple):
    """Days from `first` to `last`, both included."""

    first: str
    last: str

    @property
    def name(self) -> str:
        """`2026-11-23`, or `2026-11-01_2026-11-30`: for file names."""
        return self.first if self.first == self.last else f"{self.first}_{self.last}"

    @property
    def ends_at_s(self) -> int:
        """When its last day is over, in Unix seconds."""
        last = date.fromisoformat(self.last)
        # Behind the last day that there is, 9999-12-31, no date stands.
        return int(datetime(last.year, last.month, last.day, tzinfo=UTC).timestamp()) + _DAY_S


def today() -> str:
    """The day that it is in UTC."""
    return datetime.now(UTC).date().isoformat()


def read_day(text: str) -> str:
    """A day that exists, in the one form that is used.

    Raises:
        OperationError: it is none.
    """
    try:
        found = date.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.isoformat() != text:
        raise OperationError(f"{text!r} is no day: write it as 2026-11-23, a day in UTC")
    return text


def read_period(day: str | None, first: str | None, last: str | None) -> Period:
    """What `--day`, or `--from` with `--to`, say.

    Raises:
        OperationError: neither or both are given, or the days are none or not in order.
    """
    if (day is None) == (first is None and last is None):
        raise OperationError("say which days: --day 2026-11-23, or --from 2026-11-01 --to 2026-11-30")
    if day is not None:
        return Period(read_day(day), day)
    if first is None or last is None:
        raise OperationError("--from and --to belong together; both days are included")
    period = Period(read_day(first), read_day(last))
    if period.first > period.last:
        raise OperationError(f"--from {first} is later than --to {last}")
    return period
