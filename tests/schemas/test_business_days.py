"""Business days: holidays that are known, and what holds for every calendar and day."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.business_days import (
    UnknownCalendar,
    business_day_add,
    business_day_on_or_after,
    business_days_between,
    check_calendar,
    is_business_day,
)

calendars = st.sampled_from([None, "TARGET2", "DE", "DE-BY", "XNYS", "IL", "CN", "JP", "TARGET2+US", "GB+JP"])
days = st.integers(date(1990, 1, 1).toordinal(), date(2090, 12, 31).toordinal())


def day(text: str) -> int:
    return date.fromisoformat(text).toordinal()


@pytest.mark.parametrize(
    ("calendar", "text", "is_open"),
    [
        ("TARGET2", "2026-04-03", False),  # Good Friday
        ("TARGET2", "2026-04-06", False),  # Easter Monday
        ("TARGET2", "2026-05-01", False),  # Labour Day
        ("TARGET2", "2026-12-24", True),
        ("TARGET2", "2026-12-25", False),
        ("TARGET2", "2026-12-26", False),  # a Saturday too
        ("TARGET2", "2026-10-03", False),  # a Saturday
        ("TARGET2", "2025-10-03", True),  # a holiday of Germany, not of T2
        ("T2", "2026-04-03", False),
        ("DE", "2025-10-03", False),
        ("DE", "2026-01-06", True),
        ("DE-BY", "2026-01-06", False),  # Epiphany, in Bavaria
        ("US", "2026-07-03", False),  # Independence Day is on a Saturday, and observed on Friday
        ("XNYS", "2026-04-03", False),
        ("IL", "2026-11-27", False),  # a Friday
        ("IL", "2026-11-29", True),  # a Sunday
        ("CN", "2025-09-28", True),  # a Sunday that is worked, for the days off in October
        ("TARGET2+US", "2026-11-26", False),  # Thanksgiving
        ("TARGET2", "2026-11-26", True),
        (None, "2026-12-25", True),
    ],
)
def test_days_that_are_known(calendar: str | None, text: str, is_open: bool) -> None:
    assert is_business_day(calendar, day(text)) is is_open


@pytest.mark.parametrize(
    ("calendar", "text", "count", "expected"),
    [
        ("TARGET2", "2026-04-02", 0, "2026-04-02"),
        ("TARGET2", "2026-04-02", 1, "2026-04-07"),  # over Easter
        ("TARGET2", "2026-04-04", 0, "2026-04-07"),
        ("TARGET2", "2026-04-04", 1, "2026-04-08"),
        ("TARGET2", "2026-12-24", 2, "2026-12-29"),
        (None, "2026-12-24", 2, "2026-12-26"),
    ],
)
def test_business_days_are_added(calendar: str | None, text: str, count: int, expected: str) -> None:
    assert date.fromordinal(business_day_add(calendar, day(text), count)).isoformat() == expected


@pytest.mark.parametrize(
    "name", ["", "XX", "target2", "DE-", "DE-XX", "DE-BY-BY", "TARGET2,US", "TARGET2-DE", "Germany"]
)
def test_a_calendar_that_is_not_known_is_named(name: str) -> None:
    for ask in (lambda: check_calendar(name), lambda: is_business_day(name, 700_000)):
        with pytest.raises(UnknownCalendar, match="is no calendar; there are TARGET2"):
            ask()


def test_only_later_days_are_counted_to() -> None:
    with pytest.raises(ValueError, match="-1 business days"):
        business_day_add("DE", day("2026-01-05"), -1)


def test_the_calendar_ends_with_year_9999() -> None:
    last = date.max.toordinal()
    assert business_day_on_or_after(None, last) == last
    with pytest.raises(OverflowError, match="no business day"):
        business_day_add(None, last, 1)


@given(calendars, days, st.integers(0, 30), st.integers(0, 30))
def test_adding_is_the_same_in_one_step_and_in_two(calendar: str | None, start: int, first: int, second: int) -> None:
    in_two = business_day_add(calendar, business_day_add(calendar, start, first), second)
    assert in_two == business_day_add(calendar, start, first + second)


@given(calendars, days, st.integers(0, 60))
def test_what_is_added_is_what_lies_between(calendar: str | None, start: int, count: int) -> None:
    begin = business_day_on_or_after(calendar, start)
    end = business_day_add(calendar, start, count)
    assert is_business_day(calendar, end)
    assert business_days_between(calendar, begin, end) == count
    assert business_days_between(calendar, end, begin) == 0


@given(calendars, days, st.integers(0, 20))
def test_a_later_day_never_leads_to_an_earlier_one(calendar: str | None, start: int, count: int) -> None:
    assert business_day_add(calendar, start, count) <= business_day_add(calendar, start + 1, count)


@given(days)
def test_joined_calendars_are_open_where_all_are(at: int) -> None:
    assert is_business_day("TARGET2+US", at) == (is_business_day("TARGET2", at) and is_business_day("US", at))
