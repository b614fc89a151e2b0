"""Cut-offs: by hand where clocks change, and by properties against every minute of the days around."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from schemas.business_days import is_business_day
from schemas.clock import rfc3339, unix_ms
from schemas.cut_offs import CutOff, execution_day, next_cut_off, upcoming_cut_offs
from schemas.rail_settings import CutOffs
from schemas.rails import Rail

DAY_MS = 86_400_000


def rail(times: str, zone: str = "UTC", calendar: str | None = None) -> Rail:
    cut_offs = CutOffs(time_zone=zone, times=tuple(times.split())) if times else None
    return Rail(name="r", settlement="deferred", calendar=calendar, cut_offs=cut_offs)


def listed(one: Rail, after: str, count: int) -> list[str]:
    return [rfc3339(found.at_ms)[:16] for found in upcoming_cut_offs(one, unix_ms(after), count)]


def test_without_times_there_is_none_and_the_day_is_that_of_utc() -> None:
    assert next_cut_off(rail(""), 0) is None
    assert upcoming_cut_offs(rail(""), 0, 5) == []
    assert execution_day(rail(""), 0, 0) == date(1970, 1, 1).toordinal()
    good_friday = unix_ms("2026-04-03T10:00:00Z")
    assert execution_day(rail("", calendar="TARGET2"), good_friday, good_friday) == date(2026, 4, 7).toordinal()


def test_what_comes_at_the_cut_off_goes_with_the_next() -> None:
    one = rail("10:00 15:30")
    at = unix_ms("2026-11-27T10:00:00Z")
    assert next_cut_off(one, at - 1) == CutOff(at, date(2026, 11, 27).toordinal())
    assert listed(one, "2026-11-27T10:00:00.000Z", 3) == ["2026-11-27T15:30", "2026-11-28T10:00", "2026-11-28T15:30"]


def test_the_order_in_which_times_are_written_does_not_matter() -> None:
    assert listed(rail("15:30 10:00 15:30"), "2026-11-27T00:00:00Z", 3) == listed(
        rail("10:00 15:30"), "2026-11-27T00:00:00Z", 3
    )


def test_days_off_have_none() -> None:
    one = rail("15:30", "Europe/Berlin", "TARGET2")
    assert listed(one, "2026-04-02T13:29:59Z", 2) == ["2026-04-02T13:30", "2026-04-07T13:30"]
    at, before = unix_ms("2026-04-02T13:30:00Z"), unix_ms("2026-04-02T13:29:59Z")
    assert execution_day(one, at, at) == date(2026, 4, 7).toordinal()
    assert execution_day(one, before, at) == date(2026, 4, 2).toordinal()
    assert execution_day(one, before, unix_ms("2026-04-02T22:00:00Z")) == date(2026, 4, 7).toordinal()


@pytest.mark.parametrize(
    ("times", "zone", "after", "expected"),
    [
        # Put forward at 01:00 UTC: 02:30 is skipped and is as much later, 03:00 comes before it.
        ("02:30 03:00", "Europe/Berlin", "2026-03-28T12:00:00Z", ["2026-03-29T01:00", "2026-03-29T01:30"]),
        # Put back at 01:00 UTC: 02:30 is there twice, the first counts.
        ("02:30", "Europe/Berlin", "2026-10-24T12:00:00Z", ["2026-10-25T00:30", "2026-10-26T01:30"]),
        # The same time of day is an hour earlier in UTC from then on.
        ("15:30", "Europe/Berlin", "2026-03-27T20:00:00Z", ["2026-03-28T14:30", "2026-03-29T13:30"]),
        # Half an hour on Lord Howe Island.
        ("02:15", "Australia/Lord_Howe", "2026-10-03T00:00:00Z", ["2026-10-03T15:45", "2026-10-04T15:15"]),
        # Samoa had no 30 December 2011.
        ("12:00", "Pacific/Apia", "2011-12-29T12:00:00Z", ["2011-12-29T22:00", "2011-12-30T22:00", "2011-12-31T22:00"]),
        # Half past midnight in Sao Paulo, where clocks were put forward at midnight.
        ("00:30", "America/Sao_Paulo", "2018-11-03T12:00:00Z", ["2018-11-04T03:30", "2018-11-05T02:30"]),
    ],
)
def test_clocks_that_change(times: str, zone: str, after: str, expected: list[str]) -> None:
    assert listed(rail(times, zone), after, len(expected)) == expected


ZONES = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "Asia/Kathmandu",
    "Pacific/Apia",
    "Africa/Cairo",
]
of_day = st.builds(lambda hour, minute: f"{hour:02}:{minute:02}", st.integers(0, 23), st.sampled_from([0, 15, 30, 59]))
rails = st.builds(
    lambda times, zone, calendar: rail(" ".join(times), zone, calendar),
    st.lists(of_day, min_size=1, max_size=4),
    st.sampled_from(ZONES),
    st.sampled_from([None, "TARGET2", "IL", "TARGET2+US"]),
)
moments = st.integers(unix_ms("2011-06-01T00:00:00Z"), unix_ms("2030-01-01T00:00:00Z"))
SAMOA = rail("00:00 12:00 23:59", "Pacific/Apia")


def instants(one: Rail, day: int) -> set[int]:
    """Cut-offs of a day, by the definition."""
    assert one.cut_offs is not None
    if not is_business_day(one.calendar, day):
        return set()
    zone = ZoneInfo(one.cut_offs.time_zone)
    times = [time.fromisoformat(text) for text in one.cut_offs.times]
    local = [datetime.combine(date.fromordinal(day), at, tzinfo=zone) for at in times]
    return {(at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1) for at in local}


@given(rails, moments)
@example(SAMOA, unix_ms("2011-12-28T12:00:00Z"))
@example(SAMOA, unix_ms("2011-12-31T00:00:00Z"))
def test_the_next_one_is_the_earliest_of_all_days_around(one: Rail, at_ms: int) -> None:
    found = next_cut_off(one, at_ms)
    today = at_ms // DAY_MS + date(1970, 1, 1).toordinal()
    around = {at: day for day in range(today - 4, today + 30) for at in instants(one, day) if at > at_ms}
    assert found is not None
    assert found.at_ms == min(around)
    assert found.at_ms in instants(one, found.day)
    assert is_business_day(one.calendar, found.day)


@given(rails, moments)
@example(SAMOA, unix_ms("2011-12-28T12:00:00Z"))
def test_they_ascend_and_none_is_left_out(one: Rail, at_ms: int) -> None:
    found = [cut_off.at_ms for cut_off in upcoming_cut_offs(one, at_ms, 12)]
    assert found == sorted(set(found))
    step, again = at_ms, []
    for _ in found:
        following = next_cut_off(one, step)
        assert following is not None
        step = following.at_ms
        again.append(step)
    assert again == found


@given(rails, moments, st.integers(0, 3 * DAY_MS))
def test_what_comes_later_never_goes_earlier(one: Rail, at_ms: int, later_ms: int) -> None:
    first, second = next_cut_off(one, at_ms), next_cut_off(one, at_ms + later_ms)
    assert first is not None
    assert second is not None
    assert first.at_ms <= second.at_ms
    assert first.at_ms > at_ms


def test_time_ends() -> None:
    with pytest.raises(OverflowError):
        upcoming_cut_offs(rail("10:00"), unix_ms("9999-12-29T00:00:00Z"), 10)
