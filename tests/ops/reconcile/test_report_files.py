"""The report as files: a page that needs nothing else and that no text breaks, tables and JSON alike."""

from __future__ import annotations

import csv
import io
import json
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings

from ops.amounts import Amounts
from ops.reconcile.report_charts import Bar, Part, bars
from ops.reconcile.report_files import as_json, tables, write_report
from ops.reconcile.report_html import MOST_LINES, page, percent
from ops.reconcile.report_model import Case, CaseLine, ExpectedLines, Imported, MatchedLines, Refused, Report
from ops.reconcile.report_text import lines
from schemas.assets import AssetRegistry
from schemas.reconciliation_proofs import decode_proof
from tests.contracts.codecs import examples_of
from tests.ops.reconcile.reports import reports
from tests.ops.reconcile.test_markup import HOSTILE, seen

AMOUNTS = Amounts(AssetRegistry())
PROOFS = [decode_proof(json.dumps(one).encode()) for one in examples_of("reconciliation-proofs").values()]
#: All that is in a page: nothing that loads or runs.
TAGS = {
    *("html", "head", "meta", "title", "style", "body", "header", "main", "footer", "section", "h1", "h2", "p", "dl"),
    *("div", "dt", "dd", "figure", "figcaption", "span", "svg", "rect", "text", "table", "caption", "thead", "tbody"),
    *("tr", "th", "td", "b", "bdi", "code"),
}
ATTRIBUTES = {
    *("lang", "charset", "http-equiv", "content", "name", "class", "title", "viewbox", "role", "preserveaspectratio"),
    *("x", "y", "width", "height", "rx", "text-anchor", "scope", "tabindex", "aria-label", "aria-hidden"),
}


class Tables(HTMLParser):
    """Headings and rows of all tables of a page."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.heads: list[tuple[str, ...]] = []
        self.rows: list[tuple[str, ...]] = []
        self._cells: list[str] | None = None
        self._is_head = False

    def handle_starttag(self, name: str, _attributes: object) -> None:
        if name in ("thead", "tbody"):
            self._is_head = name == "thead"
        if name == "tr":
            self._cells = []
        elif name in ("th", "td") and self._cells is not None:
            self._cells.append("")

    def handle_endtag(self, name: str) -> None:
        if name == "tr" and self._cells is not None:
            (self.heads if self._is_head else self.rows).append(tuple(self._cells))
            self._cells = None

    def handle_data(self, data: str) -> None:
        if self._cells:
            self._cells[-1] += data


def a_case(case_id: str, day: str, minor: int, text: str = "") -> Case:
    line = CaseLine("in_file", "bank", f"line {case_id}", minor, "EUR", day, {"end_to_end_id": text}, "")
    return Case(case_id, "cards", "missing_left", "open", "high", "EUR", minor, (line,), (), "why", "2026-11-25", True)


REPORT = Report(
    "Reconciliation",
    ("2026-11-01", "2026-11-27"),
    "2026-11-27",
    (MatchedLines("cards", "reference", "EUR", 3, 3, 3, 123_456_789, -120, 90),),
    (ExpectedLines("cards", "with_us", "EUR", 2, 500),),
    (a_case("a", "2026-11-20", 1_234), a_case("b", "2026-11-27", 5)),
    {"resolved": 2},
    ("a note",),
    (Imported("cards", "bank", "EUR", "2026-11-20", "booked", 3, 0, 123_456, "balances", "<b>.xml"),),
    (Refused("2026-11-21", "cards", "unbalanced", "it is out by 1.00", "x.sta", "ab" * 32),),
)


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(reports)
def test_no_text_breaks_the_page(report: Report) -> None:
    found = seen(page(report, AMOUNTS, PROOFS))
    assert set(found.tags) <= TAGS
    assert {name for name, _ in found.attributes} <= ATTRIBUTES


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_references_are_shown_and_do_nothing(text: str) -> None:
    written = page(REPORT._replace(cases=(a_case("a", "2026-11-20", 1, text),)), AMOUNTS)
    found = seen(written)
    assert "script" not in found.tags
    assert "img" not in found.tags
    assert "<script>" not in written
    assert "\u202e" not in written
    assert "\x00" not in written


def test_the_page_loads_nothing_and_says_so() -> None:
    written = page(REPORT, AMOUNTS, PROOFS)
    found = dict(seen(written).attributes)
    assert ("content", "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'") in seen(
        written
    ).attributes
    assert not {"src", "href", "onload", "onerror", "style"} & found.keys()
    for word in ("url(", "@import", "http://", "https://", "javascript:"):
        assert word not in written


def test_the_page_says_what_the_report_says() -> None:
    found = seen(page(REPORT, AMOUNTS, PROOFS))
    for text in (
        *("75.00 %", "1,234,567.89", "12.34", "2026-11-01 to 2026-11-27, as of 2026-11-27", "a note"),
        *("In the file, not with us (2)", "With us, not in the file (0)", "due 2026-11-25", "2 resolved"),
        *("Safeguarding", "Positions against statements", "explained"),
    ):
        assert text in found.text
    assert found.tags.count("svg") == 3
    headings = [name for name in found.tags if name in ("h1", "h2")]
    assert headings[0] == "h1"
    assert headings.count("h1") == 1


def test_the_tables_of_the_page_are_these() -> None:
    found = Tables()
    found.feed(page(REPORT, AMOUNTS, PROOFS))
    at_risk = ("Cases", "At risk, EUR")
    lines_ = ("Day", "Age", "Amount", "Asset", "Reason", "Line", "References", "Case")
    assert found.heads == [
        ("Asset", "Rate", "Matched", "Expected", "Not matched", "Matched sum", "Expected sum", "Not matched sum"),
        ("Book", "Pass", "Asset", "Matches", "Left", "Right", "Sum", "Difference", "Lowest confidence"),
        ("Reason", *at_risk),
        ("Age", *at_risk),
        lines_,
        ("Day", "Asset", "Verdict", "Cash", "Owed", "Surplus", "Announced"),
        ("Day", "Account", "Asset", "Verdict", "Ledger", "Statement", "Difference", "Unexplained"),
        ("Account", "Side", "Day", "Asset", "Kind", "Proven by", "File", "Lines", "Opening", "Closing"),
        ("Day", "Account", "Reason", "What is wrong", "File"),
    ]
    assert found.rows[-2:] == [
        ("cards", "bank", "2026-11-20", "EUR", "booked", "balances", "<b>.xml", "3", "0.00", "1,234.56"),
        ("2026-11-21", "cards", "unbalanced", "it is out by 1.00", f"x.sta{'ab' * 32}"),
    ]
    assert found.rows[:4] == [
        ("EUR", "75.00 %", "6", "2", "2", "1,234,567.89", "5.00", "12.39"),
        ("cards", "reference", "EUR", "3", "3", "3", "1,234,567.89", "-1.20", "90"),
        ("missing left", "2", "12.39"),
        ("0-1 days", "1", "0.05"),
    ]


def test_the_tables_of_the_folder_are_these() -> None:
    line = "section,case_id,book,reason,state,severity,where,line_id,date,age_days,age,amount_minor,asset,references"
    case = "candidates,due,overdue,assignee,text"
    groups = "name,asset,cases,at_risk_minor"
    assert {name: ",".join(columns) for name, columns, _ in tables(REPORT)} == {
        "match-rate": "asset,rate_bp,matched,expected,not_matched,matched_minor,expected_minor,not_matched_minor",
        "passes": "book,pass,asset,matches,left_lines,right_lines,amount_minor,difference_minor,lowest_confidence",
        "breaks-by-reason": groups,
        "breaks-by-age": groups,
        "cash-at-risk": "asset,cases,at_risk_minor",
        "in-file-not-with-us": f"{line},{case}",
        "with-us-not-in-file": f"{line},{case}",
        "statements": "account,side,asset,closing_day,basis,lines,opening_minor,closing_minor,proof,file",
        "refused-files": "day,account,reason,detail,file,sha256",
    }


def test_the_page_can_be_used_without_sight() -> None:
    written = page(REPORT, AMOUNTS, PROOFS)
    found = seen(written)
    assert written.startswith('<!doctype html>\n<html lang="en">')
    assert found.tags.count("table") == found.tags.count("caption")
    charts = written.split("<svg")[1:]
    assert all(
        'role="img"' in part.partition(">")[0] and part.partition(">")[2].startswith("<title>") for part in charts
    )
    assert found.attributes.count(("scope", "col")) > 10


def test_an_empty_report_is_one_too() -> None:
    empty = Report("Reconciliation", None, "2026-11-27", (), (), ())
    assert "Nothing." in page(empty, AMOUNTS)
    assert as_json(empty, ())["match_rate"]["rate_bp"] is None
    assert "cash at risk: none" in list(lines(empty, AMOUNTS))


@pytest.mark.slow
def test_a_page_of_very_many_lines_says_where_the_rest_is() -> None:
    many = REPORT._replace(cases=tuple(a_case(f"{n}", "2026-11-20", n) for n in range(MOST_LINES + 5)))
    found = seen(page(many, AMOUNTS))
    assert "The oldest 1,000 lines; 5 more are in the CSV file." in found.text
    assert len({name: rows for name, _, rows in tables(many)}["in-file-not-with-us"]) == MOST_LINES + 5


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(reports)
def test_tables_and_json_have_the_same_figures(report: Report) -> None:
    document, found = as_json(report, ()), {name: (columns, rows) for name, columns, rows in tables(report)}
    columns, rows = found["match-rate"]
    assert [dict(zip(columns, row, strict=True)) for row in rows] == document["match_rate"]["assets"]
    for name, key in (("in-file-not-with-us", "in_file_not_with_us"), ("with-us-not-in-file", "with_us_not_in_file")):
        columns, rows = found[name]
        amounts = [row[columns.index("amount_minor")] for row in rows]
        assert amounts == [line["amount_minor"] for line in document[key]]
    columns, rows = found["breaks-by-reason"]
    assert [dict(zip(columns, row, strict=True)) for row in rows] == document["breaks"]["by_reason"]
    json.dumps(document)


def test_what_is_written(tmp_path: Path) -> None:
    files = write_report(tmp_path / "new" / "r", REPORT, AMOUNTS, PROOFS, ("html", "csv", "json"))
    assert sorted(path.name for path in files) == sorted(path.name for path in (tmp_path / "new" / "r").iterdir())
    with (tmp_path / "new" / "r" / "in-file-not-with-us.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["case_id"], row["amount_minor"], row["age_days"], row["overdue"]) for row in rows] == [
        ("a", "1234", "7", "1"),
        ("b", "5", "0", "1"),
    ]
    assert json.loads((tmp_path / "new" / "r" / "report.json").read_text())["breaks"]["cases"] == 2
    only = write_report(tmp_path / "only", REPORT, AMOUNTS, (), ("json",))
    assert [path.name for path in only] == ["report.json"]


def test_tables_of_another_day_do_not_stay(tmp_path: Path) -> None:
    refused = Refused("2026-11-23", "cards", "sign", "no mark", "f.sta", "ab" * 32)
    report = Report("R", None, "2026-11-23", (), (), ())
    write_report(tmp_path, report._replace(refused=(refused,)), AMOUNTS, (), {"csv"})
    assert (tmp_path / "refused-files.csv").exists()
    (tmp_path / "notes.csv").write_text("mine")
    written = write_report(tmp_path, report, AMOUNTS, (), {"csv"})
    assert sorted(tmp_path.iterdir()) == sorted([*written, tmp_path / "notes.csv"])


def test_a_table_is_safe_to_open(tmp_path: Path) -> None:
    formula = '=HYPERLINK("http://x")'
    write_report(tmp_path, REPORT._replace(cases=(a_case(formula, "2026-11-20", 1, "-1\n2"),)), AMOUNTS, (), ("csv",))
    text = (tmp_path / "in-file-not-with-us.csv").read_text()
    (row,) = list(csv.DictReader(io.StringIO(text)))
    assert row["case_id"] == f"'{formula}"
    assert row["references"] == "end_to_end_id=-1\n2"


def test_charts_are_well_formed_and_in_proportion() -> None:
    rows = [
        Bar("a <b>", (Part(900, "ok", "matched"), Part(100, "bad", "not matched")), "90 %"),
        Bar("b", (Part(1, "bad", "cases"), Part(0, "ok", "none")), "1"),
    ]
    root = ElementTree.fromstring(bars("a title", rows))
    assert (root.tag, root[0].tag, root[0].text) == ("svg", "title", "a title")
    widths = [int(one.get("width", "0")) for one in root.iter("rect") if one.get("class") != "track"]
    assert widths[0] == 9 * widths[1]
    assert widths[2] == 2
    assert len(widths) == 3
    assert [one.text for one in root.iter("text")] == ["a <b>", "90 %", "b", "1"]


@pytest.mark.parametrize(("basis_points", "text"), [(10_000, "100.00 %"), (9_999, "99.99 %"), (5, "0.05 %")])
def test_percents(basis_points: int, text: str) -> None:
    assert percent(basis_points) == text
