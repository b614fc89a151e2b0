"""Fees: which band counts, floors, the least and the largest fee."""

from __future__ import annotations

from decimal import ROUND_FLOOR, Decimal, localcontext
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.ledger.fees import fee_of
from schemas.fee_schedules import FeeSchedule
from schemas.money import INT64_MAX
from tests.schemas.reference_records import FEE


def schedule(*bands: tuple[int | None, int, int], **changes: Any) -> FeeSchedule:
    """A schedule of bands: up to, flat part, basis points."""
    tiers = [{"up_to_minor": up_to, "flat_minor": flat, "basis_points": points} for up_to, flat, points in bands]
    return FeeSchedule.model_validate_json(orjson.dumps(FEE | {"tiers": tiers} | changes))


BANDS = schedule((1_000, 25, 0), (10_000, 10, 150), (None, 0, 75))


@pytest.mark.parametrize(
    ("amount_minor", "fee_minor"),
    [
        (1, 25),
        (1_000, 25),
        # 10 and 1.5 % of 1001, which is 15.015.
        (1_001, 25),
        (1_066, 25),
        (1_067, 26),
        (10_000, 160),
        # The band counts for the whole amount: 0.75 % of 10001 is 75.0075.
        (10_001, 75),
        (INT64_MAX, INT64_MAX * 75 // 10_000),
    ],
)
def test_the_band_of_the_amount_counts_for_the_whole_of_it(amount_minor: int, fee_minor: int) -> None:
    assert fee_of(BANDS, amount_minor) == fee_minor


@pytest.mark.parametrize(
    ("amount_minor", "fee_minor"), [(1, 50), (5_000, 50), (5_099, 50), (5_100, 51), (50_000, 500), (50_100, 500)]
)
def test_the_least_and_the_largest_fee(amount_minor: int, fee_minor: int) -> None:
    assert fee_of(schedule((None, 0, 100), min_minor=50, max_minor=500), amount_minor) == fee_minor


def test_nothing_is_nothing() -> None:
    assert fee_of(schedule((None, 0, 0)), INT64_MAX) == 0
    assert fee_of(schedule((None, 7, 0), max_minor=0), 1) == 0
    assert fee_of(schedule((None, 0, 1)), 9_999) == 0
    assert fee_of(schedule((None, 0, 1)), 10_000) == 1


def test_it_never_leaves_int64() -> None:
    assert fee_of(schedule((None, INT64_MAX, 10_000)), INT64_MAX) == INT64_MAX
    assert fee_of(schedule((None, 0, 10_000), min_minor=INT64_MAX), 1) == INT64_MAX


MINOR = st.integers(0, INT64_MAX) | st.integers(0, 1_000)


@st.composite
def schedules(draw: st.DrawFn) -> FeeSchedule:
    bounds = sorted(draw(st.sets(st.integers(1, INT64_MAX) | st.integers(1, 1_000), max_size=5)))
    bands = [(up_to, draw(MINOR), draw(st.integers(0, 10_000))) for up_to in [*bounds, None]]
    least, most = draw(st.none() | MINOR), draw(st.none() | MINOR)
    if least is not None and most is not None:
        least, most = sorted((least, most))
    return schedule(*bands, min_minor=least, max_minor=most)


@given(schedules(), st.integers(1, INT64_MAX) | st.integers(1, 2_000))
def test_it_is_what_decimals_give(some: FeeSchedule, amount_minor: int) -> None:
    fitting = [band for band in some.tiers if band.up_to_minor is None or band.up_to_minor >= amount_minor]
    with localcontext() as context:
        context.prec = 60
        exact = Decimal(fitting[0].flat_minor) + Decimal(amount_minor) * Decimal(fitting[0].basis_points) / 10_000
        floored = int(exact.quantize(Decimal(1), ROUND_FLOOR))
    at_least = floored if some.min_minor is None or floored > some.min_minor else some.min_minor
    at_most = at_least if some.max_minor is None or at_least < some.max_minor else some.max_minor
    fee_minor = fee_of(some, amount_minor)
    assert fee_minor == (at_most if at_most < INT64_MAX else INT64_MAX)
    assert 0 <= fee_minor <= INT64_MAX


@given(st.integers(0, 10_000), MINOR, st.integers(1, 10**12), st.integers(1, 10**12))
def test_a_larger_amount_of_the_same_band_costs_no_less(points: int, flat: int, one: int, other: int) -> None:
    single = schedule((None, flat, points))
    smaller, larger = sorted((one, other))
    assert fee_of(single, smaller) <= fee_of(single, larger)
