"""What cells say: numbers exactly, times to the millisecond."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops.fraud.cells import exact, major_units, minor_units, number, time_in, time_ms
from schemas.clock import rfc3339
from schemas.money import INT64_MAX

BAD_NUMBERS = [
    "x",
    "1_000",
    "1,5",
    "0x10",
    "",
    " ",
    "NaN",
    "inf",
    "-Infinity",
    "1e999",
    "٣",
    "1 2",
    "--1",
    "9" * 41,
    ".",
]


@pytest.mark.parametrize("text", BAD_NUMBERS)
def test_what_is_no_number(text: str) -> None:
    for read in (exact, number, minor_units, lambda text: major_units(text, 2), time_in(1_000)):
        with pytest.raises(ValueError, match=r".*"):
            read(text)


@given(st.integers(-INT64_MAX, INT64_MAX))
def test_integers_are_read_as_they_are(value: int) -> None:
    assert number(str(value)) == minor_units(str(value)) == exact(f" {value} ") == value
    assert type(number(f"{value}.0")) is int


@given(st.integers(-(10**12), 10**12), st.integers(0, 4), st.integers(0, 6))
def test_amounts_in_major_units_are_exact_or_refused(units: int, places: int, decimals: int) -> None:
    text = f"{Decimal(units).scaleb(-places):f}"
    expected = Fraction(units, 10**places) * 10**decimals
    if expected.denominator == 1:
        assert major_units(text, decimals) == expected
    else:
        with pytest.raises(ValueError, match=f"more than {decimals} decimals"):
            major_units(text, decimals)


@pytest.mark.parametrize(
    ("text", "decimals", "minor"),
    [
        ("103.55", 2, 10_355),
        ("5", 2, 500),
        ("5.", 2, 500),
        (".5", 2, 50),
        ("1.500", 2, 150),
        ("-1.5", 1, -15),
        ("1e2", 0, 100),
    ],
)
def test_amounts_in_many_forms(text: str, decimals: int, minor: int) -> None:
    assert major_units(text, decimals) == minor


@pytest.mark.parametrize("text", [str(INT64_MAX + 1), "-" + str(INT64_MAX + 1), "9" * 30])
def test_amounts_that_no_ledger_holds(text: str) -> None:
    for read in (minor_units, lambda text: major_units(text, 2)):
        with pytest.raises(ValueError, match="is more than any amount"):
            read(text)


def test_numbers_that_are_no_integers_are_the_floats_next_to_them() -> None:
    assert (number("0.1"), number("52.520006599999998"), number("-1.5e1")) == (0.1, 52.520006599999998, -15)


@given(st.integers(-62_135_596_800_000, 253_402_300_799_999))
def test_times_are_read_as_they_are_written(t_ms: int) -> None:
    text = rfc3339(t_ms).rjust(24, "0")
    assert (
        time_ms(text) == time_ms(text[:-1]) == time_ms(text[:-1] + "+00:00") == time_ms(text.replace("T", " ")) == t_ms
    )
    whole = text[:19]
    for written in (whole, whole + "Z", whole + "+00:00", whole.lower() + "z", f" {whole}Z "):
        assert time_ms(written) == t_ms - t_ms % 1_000


@pytest.mark.parametrize(
    ("text", "t_ms"),
    [
        ("1970-01-01", 0),
        ("1970-01-01T01:30:00+01:30", 0),
        ("1969-12-31T23:59:59.999999Z", -1),
        ("1970-01-01T00:00:00.0019Z", 1),
        ("19700102T000000Z", 86_400_000),
        ("1.5", 1_500),
        ("-1", -1_000),
        ("99999999999", 99_999_999_999_000),
        ("100000000000", 100_000_000_000),
    ],
)
def test_times_in_many_forms(text: str, t_ms: int) -> None:
    assert time_ms(text) == t_ms


@pytest.mark.parametrize(
    "text",
    [
        "now",
        "2026-13-01",
        "2026-02-29T00:00:00Z",
        "2026-01-01T24:00:00Z",
        "2026-01-01T00:60:00Z",
        "2026-01-01T00:00:61",
        "2026-02-29",
        "23.11.2026",
        "11/23/2026",
        "2026",
        "9" * 50,
        "1e40",
    ],
)
def test_what_is_no_time(text: str) -> None:
    if text == "2026":
        # Seconds: a year alone says nothing else.
        assert time_ms(text) == 2_026_000
        return
    with pytest.raises(ValueError, match="is no time"):
        time_ms(text)


def test_times_in_units() -> None:
    assert time_in(86_400_000)("149") == 149 * 86_400_000
    assert time_in(1_000)("0.0019") == 1
    assert time_in(1)("-0.5") == -1
    with pytest.raises(ValueError, match="none of the years"):
        time_in(86_400_000)("1e20")
