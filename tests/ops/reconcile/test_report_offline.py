"""The report of a folder that `reconcile files` has written."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from agents.reconciliation.matching.lines import Line
from ops.cli import main
from ops.reconcile.report_offline import Broken, cases_of
from schemas.reconciliation_reasons import REASONS, SIDES

HEADER = ["id", "amount", "currency", "date", "reference"]
LEFT = [
    ["l1", "10.00", "EUR", "2026-11-20", "A"],
    ["l2", "20.00", "EUR", "2026-11-20", "B"],
    ["l3", "30.00", "EUR", "2026-11-01", "only with us"],
    ["l4", "40.00", "EUR", "2026-11-27", "late"],
    ["l5", "50.00", "EUR", "2026-11-20", "<script>alert(1)</script>"],
]
RIGHT = [
    ["r1", "10.00", "EUR", "2026-11-20", "A"],
    ["r2", "20.50", "EUR", "2026-11-20", "B"],
    ["r3", "33.00", "EUR", "2026-11-10", "only in the file"],
]
SIDE = {
    "id": "id",
    "amount": "amount",
    "amount_unit": "major",
    "asset": "currency",
    "date": "date",
    "references": {"end_to_end_id": "reference"},
}
RULES = {
    "left": SIDE,
    "right": SIDE,
    "expected_lag_business_days": 2,
    "passes": [{"name": "by reference", "keys": ["end_to_end_id"]}],
}


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["reconcile", *arguments])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Tables, rules, and what was matched."""
    for name, rows in (("left", LEFT), ("right", RIGHT)):
        with (tmp_path / f"{name}.csv").open("w", newline="") as file:
            csv.writer(file).writerows([HEADER, *rows])
    (tmp_path / "rules.json").write_text(json.dumps(RULES))
    result = run("files", *named(tmp_path), "--out", str(tmp_path / "out"), "--as-of", "2026-11-28")
    assert result.exit_code == 0, result.output
    return tmp_path


def named(folder: Path) -> list[str]:
    return [
        *("--left", str(folder / "left.csv")),
        *("--right", str(folder / "right.csv")),
        *("--rules", str(folder / "rules.json")),
    ]


def told(folder: Path, *arguments: str) -> Any:
    result = run("report", "--files", str(folder / "out"), "--day", "2026-11-28", "--json", *arguments)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_everything_that_was_read_is_in_the_report(folder: Path) -> None:
    report = told(folder, *named(folder))
    (rate,) = report["match_rate"]["assets"]
    assert (rate["matched"], rate["expected"], rate["not_matched"]) == (2, 1, 5)
    assert rate["matched_minor"] + rate["expected_minor"] + rate["not_matched_minor"] == 1_000 + 4_000 + sum(
        (2_000, 3_000, 5_000, 2_050, 3_300)
    )
    assert {(one["name"], one["at_risk_minor"]) for one in report["breaks"]["by_reason"]} == {
        ("missing_left", 3_300),
        ("missing_right", 8_000),
        ("amount_over", 50),
    }
    assert {(one["name"], one["cases"]) for one in report["breaks"]["by_age"]} == {("8-30 days", 4)}
    assert [line["line_id"] for line in report["in_file_not_with_us"]] == ["row 3", "row 2"]
    assert [line["line_id"] for line in report["with_us_not_in_file"]] == ["row 3", "row 5", "row 2"]
    assert (
        report["in_file_not_with_us"][1]["case_id"] == report["with_us_not_in_file"][2]["case_id"] == "left:2+right:2"
    )


def test_without_the_tables_it_says_what_it_does_not_know(folder: Path) -> None:
    report = told(folder)
    assert report["breaks"]["cases"] == 4
    assert "--left" in report["notes"][0]
    text = run("report", "--files", str(folder / "out")).output
    assert "cash at risk: not known" in text


def test_files_beside_each_other(folder: Path) -> None:
    result = run("report", "--files", str(folder / "out"), *named(folder), "--out", str(folder / "report"))
    assert result.exit_code == 0, result.output
    written = (folder / "report" / "report.html").read_text()
    assert "<script>" not in written
    assert "&lt;script&gt;alert(1)" in written
    assert len(result.output.splitlines()) == len(list((folder / "report").iterdir())) == 9
    page = run("report", "--files", str(folder / "out"), *named(folder), "--format", "html")
    assert page.output.startswith("<!doctype html>")


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("matches.csv", None, "cannot be read"),
        ("exceptions.csv", None, "cannot be read"),
        ("matches.csv", "a,b\n", "has no column match_id"),
        ("exceptions.csv", "side,row,reason,candidates\nleft,1,odd,\n", "row 1: 'odd' is no reason"),
        ("exceptions.csv", "side,row,reason,candidates\nup,1,date,\n", "row 1: 'up' is no side"),
        ("exceptions.csv", "side,row,reason,candidates\nleft,1.5,date,\n", "row 1: '1.5' is no integer"),
        ("exceptions.csv", "side,row,reason,candidates\nleft,1\n", "row 1: cells are missing"),
        ("exceptions.csv", "side,row,reason,candidates\nleft,99,date,\n", "row 99 of the left table is not there"),
        ("exceptions.csv", 'side,row,reason,candidates\nleft,1,"date,\n', "is no CSV"),
    ],
)
def test_a_folder_that_is_not_whole(folder: Path, name: str, text: str | None, message: str) -> None:
    path = folder / "out" / name
    path.unlink() if text is None else path.write_text(text)
    result = run("report", "--files", str(folder / "out"), *named(folder))
    assert result.exit_code == 2
    assert message in result.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--files", "x", "--format", "csv"], "need a folder: --out DIR"),
        (["--left", "x"], "belong together, and to --files"),
        (["--files", "x", "--left", "x"], "belong together"),
        (["--files", "x", "--day", "today"], "is no day"),
        (["--files", "x", "--from", "2026-11-01"], "belong together"),
    ],
)
def test_what_is_asked_wrongly(arguments: list[str], message: str) -> None:
    result = run("report", *arguments)
    assert result.exit_code == 2
    assert message in result.output


rows = st.integers(1, 6)
broken_rows = st.lists(
    st.builds(
        Broken,
        st.sampled_from(["left", "right"]),
        rows,
        st.sampled_from(REASONS),
        st.lists(rows, max_size=2, unique=True).map(tuple),
    ),
    unique_by=lambda one: one[:2],
)


@given(broken_rows)
def test_every_row_is_in_one_case_and_expected_ones_in_none(broken: list[Broken]) -> None:
    lines = {(one.side, one.row): Line(str(one.row), one.row * 10, "EUR", 739_000) for one in broken}
    cases = list(cases_of(broken, lines))
    placed = sorted((line.where, line.line_id) for case in cases for line in case.lines)
    assert placed == sorted((one.side, f"row {one.row}") for one in broken if one.reason != "expected")
    assert len({case.case_id for case in cases}) == len(cases)
    assert all(case.at_risk_minor is not None and case.at_risk_minor >= 0 for case in cases)
    assert all(len({line.section for line in case.lines}) == len(case.lines) for case in cases)


@pytest.mark.parametrize("reason", ["date", "reference"])
def test_two_rows_of_one_amount_put_it_at_risk_as_on_the_stream(reason: str) -> None:
    """They differ by nothing, and it is not known that they belong together."""
    lines = {(side, 1): Line("1", -2_500, "EUR", 739_000) for side in SIDES}
    (case,) = cases_of([Broken("left", 1, reason, (1,)), Broken("right", 1, reason, (1,))], lines)
    assert case.at_risk_minor == 2_500
