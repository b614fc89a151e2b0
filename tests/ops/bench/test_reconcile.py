"""The benchmark of reconciliation matches lines, and looks for sums in vain as long as it says."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from agents.reconciliation.matching.subsets import Class, steps
from ops.bench import reconcile
from ops.bench.reconcile import _payments, main, sums_s
from schemas.matching_rules import Bounds

pytestmark = pytest.mark.slow


def test_its_sides_are_the_same_each_time_and_nearly_agree() -> None:
    left, right = list(_payments(2_000, 0)), list(_payments(2_000, 1))
    assert left == list(_payments(2_000, 0))
    amounts = [{number: amount for number, amount, _ in side} for side in (left, right)]
    both = amounts[0].keys() & amounts[1].keys()
    assert all(amounts[0][number] == amounts[1][number] for number in both)
    assert len(both) == 2_000 - 10
    assert [number for number, *_ in left] != sorted(number for number, *_ in left)


def test_a_pass_of_sums_uses_up_its_steps() -> None:
    """Each line has as many candidates as may be: what a search takes is what the benchmark counts for it."""
    bounds = Bounds(subset_candidates=10, subset_steps=1_000)
    assert steps([Class(1, 1)] * 10) == 2 * 2**5
    assert sums_s(bounds, 3) > 0


def test_it_measures_and_prints() -> None:
    small = ["--lines", "2000", "--rows", "2000", "--subset-steps", "20000"]
    ran = CliRunner().invoke(main, [*small, "--json"])
    assert ran.exit_code == 0, ran.output
    found = json.loads(ran.output)
    assert found["lines"] == 2_000 - 2_000 // 2 // reconcile._ONE_MISSING_IN
    assert found["lines_per_s"] > 1_000
    assert found["file_lines_per_s"] > 100
    assert found["peak_rss_mb"] > 1
    assert found["one_sum_ms"] > 0
    assert "lines/s" in CliRunner().invoke(main, small).output
