from __future__ import annotations

from fractions import Fraction
from math import floor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.views.rates import Converted, Rate, Rates

POSITIVE = st.integers(1, 2**63 - 1)


@given(amount_minor=st.integers(-(2**63), 2**63 - 1), numerator=POSITIVE, denominator=POSITIVE)
def test_what_is_converted_is_the_exact_product_floored(amount_minor: int, numerator: int, denominator: int) -> None:
    rates = Rates([Rate("PTS", "EUR", numerator, denominator, "r")])
    exact = Fraction(amount_minor) * Fraction(numerator, denominator)
    assert rates.convert(amount_minor, "PTS", "EUR") == Converted(floor(exact), "r")


def test_a_debt_is_floored_away_from_zero() -> None:
    rates = Rates([Rate("PTS", "EUR", 1, 100, "r")])
    assert [rates.convert(minor, "PTS", "EUR") for minor in (199, -199)] == [Converted(1, "r"), Converted(-2, "r")]


def test_nothing_is_inverted_and_nothing_is_chained() -> None:
    rates = Rates([Rate("USD", "EUR", 9, 10, "a"), Rate("EUR", "JPY", 160, 1, "b")])
    assert rates.convert(5, "EUR", "USD") is None
    assert rates.convert(5, "USD", "JPY") is None


def test_a_table_that_says_two_things_or_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="rates 'a' and 'b' both lead from USD to EUR"):
        Rates([Rate("USD", "EUR", 9, 10, "a"), Rate("USD", "EUR", 9, 11, "b")])
    for numerator, denominator in ((0, 1), (1, 0), (-1, 2)):
        with pytest.raises(ValueError, match="is not above 0"):
            Rates([Rate("USD", "EUR", numerator, denominator, "a")])
