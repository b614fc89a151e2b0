"""How fast an output topic grew."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops.bench.throughput import Throughput, median, spread
from ops.bench.watch import Growth, Sample, growth


def test_start_up_and_the_wait_at_the_end_do_not_count() -> None:
    samples = [Sample(0, 100), Sample(5, 100), Sample(6, 120), Sample(7, 170), Sample(8, 200), Sample(20, 200)]
    assert growth(samples) == Growth(2, 0.8)


@pytest.mark.parametrize(
    "samples", [[], [Sample(0, 5)], [Sample(0, 5), Sample(9, 5)], [Sample(0, 0), Sample(1, 7), Sample(2, 7)]]
)
def test_what_did_not_grow_has_no_rate(samples: list[Sample]) -> None:
    assert growth(samples) == Growth(0, 0)


@given(st.floats(100, 100_000), st.floats(0, 5), st.integers(10, 200), st.floats(0, 3))
def test_a_steady_rate_is_found_whatever_surrounds_it(rate: float, start_s: float, looks: int, idle_s: float) -> None:
    total = round(rate * looks * 0.05)
    samples = [
        Sample(n * 0.05, min(total, max(0, round((n * 0.05 - start_s) * rate))))
        for n in range(looks + int((start_s + idle_s) / 0.05) + 3)
    ]
    grown = growth(samples)
    assert total * grown.share / grown.seconds == pytest.approx(rate, rel=0.15)


def run(requests_per_s: float) -> Throughput:
    return Throughput(requests_per_s, 1, 1.0, 1.0, 1.0)


def test_the_run_in_the_middle_counts() -> None:
    assert median([run(3), run(1), run(2)]).requests_per_s == 2
    assert median([run(2), run(1)]).requests_per_s == 1
    assert spread([90, 100, 110]) == pytest.approx(0.2)
    assert spread([]) == 0


def test_an_unknown_rate_is_null_for_scripts() -> None:
    assert run(math.nan).as_json()["requests_per_s"] is None
    assert run(7).as_json()["requests_per_s"] == 7
