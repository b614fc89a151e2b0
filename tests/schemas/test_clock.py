from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.clock import rfc3339, unix_ms


@pytest.mark.parametrize(
    ("at_ms", "text"),
    [
        (0, "1970-01-01T00:00:00.000Z"),
        (1, "1970-01-01T00:00:00.001Z"),
        (-1, "1969-12-31T23:59:59.999Z"),
        (951_782_400_000, "2000-02-29T00:00:00.000Z"),
        (1_795_409_400_123, "2026-11-23T04:50:00.123Z"),
    ],
)
def test_it_writes_utc_with_milliseconds(at_ms: int, text: str) -> None:
    assert rfc3339(at_ms) == text
    assert unix_ms(text) == at_ms


@given(st.integers(-(10**12), 253_402_300_799_999))
def test_it_reads_what_it_writes(at_ms: int) -> None:
    assert unix_ms(rfc3339(at_ms)) == at_ms


@given(st.lists(st.integers(0, 4_000_000_000_000), min_size=2, max_size=2))
def test_text_sorts_as_time_does(times_ms: list[int]) -> None:
    assert sorted(times_ms) == [unix_ms(text) for text in sorted(map(rfc3339, times_ms))]


@pytest.mark.parametrize(
    ("text", "at_ms"),
    [
        ("2026-11-23T04:50:00Z", 1_795_409_400_000),
        ("2026-11-23T04:50:00.1Z", 1_795_409_400_100),
        ("2026-11-23T04:50:00.123999999Z", 1_795_409_400_123),
    ],
)
def test_it_reads_other_precisions_and_rounds_down(text: str, at_ms: int) -> None:
    assert unix_ms(text) == at_ms


@pytest.mark.parametrize("text", ["", "now", "2026-02-30T00:00:00Z", "2026-11-23T25:00:00Z", "2026-11-23T04:50:00"])
def test_what_is_no_time_in_utc_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the message is the standard library's
        unix_ms(text)
