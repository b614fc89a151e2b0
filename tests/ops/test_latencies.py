"""Percentiles."""

from __future__ import annotations

import math
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops.latencies import Latencies, nearest_rank, percentiles


def test_percentiles_are_those_of_the_nearest_rank() -> None:
    found = percentiles([n / 1000 for n in range(100, 0, -1)])
    assert (found.count, found.p50, found.p95, found.p99, found.max) == pytest.approx((100, 50, 95, 99, 100))


def test_nothing_has_no_percentiles() -> None:
    found = percentiles([])
    assert found.count == 0
    assert all(math.isnan(value) for value in (found.p50, found.p95, found.p99, found.max))
    assert found.as_json() == {"count": 0, "p50_ms": None, "p95_ms": None, "p99_ms": None, "max_ms": None}


@given(st.lists(st.floats(0, 100), min_size=1), st.floats(0.01, 1))
def test_at_least_so_many_are_not_above_it(values: list[float], quantile: float) -> None:
    found = nearest_rank(sorted(values), quantile)
    assert found in values
    assert sum(1 for value in values if value <= found) >= len(values) * quantile
    assert sum(1 for value in values if value < found) < len(values) * quantile


@given(st.lists(st.floats(0.001, 100), min_size=1))
def test_the_median_agrees(values: list[float]) -> None:
    assert percentiles(values).p50 == pytest.approx(statistics.median_low(values) * 1000)


def test_recent_ones_are_those_since_one_looked_last() -> None:
    latencies = Latencies()
    latencies.add(0.010)
    assert latencies.since_last().p50 == pytest.approx(10)
    assert latencies.since_last().count == 0
    latencies.add(0.030)
    latencies.add(0.030)
    recent, whole = latencies.since_last(), latencies.summary()
    assert [recent.count, recent.p50] == pytest.approx([2, 30])
    assert [whole.count, whole.p50, len(latencies)] == pytest.approx([3, 30, 3])
    assert whole.as_json()["max_ms"] == 30.0
