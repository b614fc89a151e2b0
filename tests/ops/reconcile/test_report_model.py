"""Whatever a report is made of, its parts add up to it."""

from __future__ import annotations

import pytest
from hypothesis import given

from ops.reconcile.report_model import (
    Case,
    CaseLine,
    Rate,
    Report,
    age_bucket,
    at_risk,
    by_age,
    by_reason,
    rates,
    section,
    sum_matched,
    total_rate,
)
from tests.ops.reconcile.reports import reports


@given(reports)
def test_sums_by_reason_and_by_age_are_those_of_all_cases(report: Report) -> None:
    for groups in (by_reason(report), by_age(report), at_risk(report)):
        assert sum(group.cases for group in groups) == len(report.cases)
        for asset in {case.asset for case in report.cases}:
            risk = sum(case.at_risk_minor or 0 for case in report.cases if case.asset == asset)
            assert sum(group.at_risk_minor for group in groups if group.asset == asset) == risk


@given(reports)
def test_every_line_is_in_one_section_and_in_one_rate(report: Report) -> None:
    lines = [line for case in report.cases for line in case.lines]
    listed = [line for which in ("in_file", "with_us") for _, line in section(report, which)]
    assert len(listed) == len(lines)
    found = rates(report)
    assert sum(one.broken for one in found) == len(lines)
    assert sum(one.broken_minor for one in found) == sum(abs(line.amount_minor or 0) for line in lines)
    assert sum(one.matched for one in found) == sum(one.left_lines + one.right_lines for one in report.matched)
    assert sum(one.matched_minor for one in found) == sum(one.amount_minor for one in report.matched)
    assert sum(one.expected for one in found) == sum(one.lines for one in report.expected)
    total = total_rate(found)
    assert total.lines == sum(one.lines for one in found)


@given(reports)
def test_matches_of_one_pass_are_added_up(report: Report) -> None:
    summed = sum_matched(report.matched)
    assert len({one[:3] for one in summed}) == len(summed)
    for place in range(3, 8):
        assert sum(one[place] for one in summed) == sum(one[place] for one in report.matched)  # type: ignore[misc]
    assert sum_matched(summed) == summed


@pytest.mark.parametrize(
    ("counts", "basis_points"),
    [((0, 0, 0), None), ((0, 5, 0), None), ((1, 9, 0), 10_000), ((99_999, 0, 1), 9_999), ((0, 0, 1), 0)],
)
def test_a_rate_is_of_what_is_due_and_never_rounded_up(counts: tuple[int, int, int], basis_points: int | None) -> None:
    assert Rate("EUR", *counts, 0, 0, 0).rate_bp == basis_points


@pytest.mark.parametrize(
    ("day", "bucket"),
    [
        ("2026-11-28", "0-1 days"),
        ("2026-11-27", "0-1 days"),
        ("2026-11-26", "2-3 days"),
        ("2026-11-21", "4-7 days"),
        ("2026-10-29", "8-30 days"),
        ("2026-10-28", "over 30 days"),
        ("2027-01-01", "0-1 days"),
        (None, "no date"),
    ],
)
def test_ages(day: str | None, bucket: str) -> None:
    line = CaseLine("in_file", "bank", "l", 1, "EUR", day, {}, "")
    case = Case("c", "b", "missing_left", "open", "", "EUR", 1, (line,))
    assert age_bucket(case, "2026-11-28") == bucket
