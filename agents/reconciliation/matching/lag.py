"""What is not there yet and not late: business days between two days."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Final, NamedTuple

from agents.reconciliation.matching.lines import Exception_, Line
from schemas.reconciliation_reasons import SIDES, Side

_WORKING_DAYS: Final = 5
_WEEK: Final = 7
#: Reasons that time may mend.
_MAY_COME: Final = ("missing_left", "missing_right", "split_incomplete")


def is_business_day(day: int, holidays: Collection[int]) -> bool:
    """Whether an ordinal is from Monday to Friday and no holiday. Day 1 of the calendar was a Monday."""
    return (day - 1) % _WEEK < _WORKING_DAYS and day not in holidays


def business_days_after(first: int, last: int, holidays: Collection[int]) -> int:
    """How many business days there are after `first`, up to and with `last`; 0 where `last` is not later."""
    if last <= first:
        return 0
    weeks, rest = divmod(last - first, _WEEK)
    days = weeks * _WORKING_DAYS + sum(is_business_day(last - back, ()) for back in range(rest))
    return days - sum(first < day <= last and is_business_day(day, ()) for day in holidays)


class Lag(NamedTuple):
    """How long the other side may take.

    Args:
        business_days: days in which it may come; None: nothing is expected.
        as_of_day: the day on which it is asked; None: nothing is expected.
        holidays: days that are no business days.
    """

    business_days: int | None
    as_of_day: int | None
    holidays: Collection[int] = frozenset()

    def covers(self, day: int) -> bool:
        """Whether the other side of what happened on a day may still come."""
        if self.business_days is None or self.as_of_day is None:
            return False
        return business_days_after(day, self.as_of_day, self.holidays) <= self.business_days

    def part(
        self, exceptions: Iterable[Exception_], lines: Mapping[Side, Iterable[Line]]
    ) -> tuple[list[Exception_], list[Exception_]]:
        """Exceptions, and those among them that are none yet: `expected`.

        Args:
            exceptions: as they were explained.
            lines: of each side, those that they are about.
        """
        if self.business_days is None or self.as_of_day is None:
            return list(exceptions), []
        days = {(side, line.line_id): line.day for side in SIDES for line in lines[side]}
        broken: list[Exception_] = []
        expected: list[Exception_] = []
        for each in exceptions:
            if each.reason in _MAY_COME and self.covers(days[each.side, each.line_id]):
                expected.append(Exception_(each.side, each.line_id, "expected", each.candidates))
            else:
                broken.append(each)
        return broken, expected
