"""The report as one HTML page that needs nothing else: no script, no font, no picture from anywhere. Pure.

The page forbids all of it by its own policy as well, so that not even an escaping bug would load or run anything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from ops.amounts import Amounts
from ops.reconcile.markup import Markup, join, tag
from ops.reconcile.report_amounts import PageAmounts
from ops.reconcile.report_charts import Bar, Part, bars
from ops.reconcile.report_model import (
    Case,
    CaseLine,
    Group,
    Rate,
    Report,
    Section,
    age_days,
    at_risk,
    by_age,
    by_reason,
    names,
    rates,
    section,
    sum_matched,
    total_rate,
)
from ops.reconcile.report_proofs import proof_sections
from ops.reconcile.report_statements import statement_sections
from ops.reconcile.report_style import STYLE
from ops.reconcile.report_table import table
from schemas.reconciliation_proofs import Proof
from schemas.reconciliation_reasons import MEANINGS

#: Most lines of a section in the page; the CSV file has all of them.
MOST_LINES: Final = 1_000
_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
_TITLES: Final[dict[Section, str]] = {
    "in_file": "In the file, not with us",
    "with_us": "With us, not in the file",
}


def page(report: Report, amounts: Amounts, proofs: Sequence[Proof] = ()) -> str:
    """The whole document."""
    days = "all days" if report.period is None else " to ".join(dict.fromkeys(report.period))
    body = join(
        tag(
            "header",
            tag("h1", report.title),
            tag(
                "p",
                f"{days}, as of {report.as_of}. Days are UTC; amounts are in whole units of their asset.",
                class_="lead",
            ),
        ),
        tag("main", *_main(report, PageAmounts(amounts), proofs)),
        tag("footer", tag("p", "Walletstream. Figures are sums of the lists in the files beside this page.")),
    )
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", report.title),
        tag("style", Markup(STYLE)),
    )
    return f"<!doctype html>\n{tag('html', head, tag('body', body), lang='en')}\n"


def _main(report: Report, amounts: PageAmounts, proofs: Sequence[Proof]) -> Iterable[Markup | None]:
    found = rates(report)
    yield _tiles(report, found, amounts)
    for note in report.notes:
        yield tag("p", note, class_="note")
    yield tag(
        "section",
        tag("h2", "Match rate"),
        _figure(
            bars("Lines by asset: matched, expected and not matched, as shares", _rate_bars(found), is_share=True),
            _legend(("matched", "ok"), ("expected", "wait"), ("not matched", "bad")),
        ),
        _rate_table(found, amounts),
        _pass_table(report, amounts),
    )
    yield _groups_section("Not matched, by reason", "Reason", by_reason(report), amounts, "bad", _reason)
    yield _groups_section("Not matched, by age", "Age", by_age(report), amounts, "bad", str)
    for which in ("in_file", "with_us"):
        yield _lines_section(report, which, amounts)
    yield from proof_sections(proofs, amounts)
    yield from statement_sections(report, amounts)


# ---- tiles --------------------------------------------------------------------------------------------


def _tiles(report: Report, found: Sequence[Rate], amounts: PageAmounts) -> Markup:
    total = total_rate(found)
    rate = "-" if total.rate_bp is None else percent(total.rate_bp)
    overdue = sum(case.overdue for case in report.cases)
    tiles = [
        _tile("match rate", rate, f"{total.matched:,} of {total.matched + total.broken:,} lines that are due"),
        _tile(
            "not matched", f"{len(report.cases):,}", f"cases, with {total.broken:,} lines", is_bad=bool(report.cases)
        ),
        _tile("expected", f"{total.expected:,}", "lines that are not late yet"),
        _tile("overdue", f"{overdue:,}", "cases past their day", is_bad=bool(overdue)),
    ]
    done = sum(report.done.values())
    if report.done:
        tiles.append(
            _tile("done", f"{done:,}", ", ".join(f"{count:,} {state}" for state, count in report.done.items()))
        )
    tiles += [
        _tile("cash at risk", amounts.amount(one.at_risk_minor, one.asset), f"in {one.cases:,} cases", is_bad=True)
        for one in at_risk(report)
    ]
    return tag("section", tag("h2", "At a glance", class_="unseen"), tag("dl", *tiles, class_="tiles"))


def _tile(name: str, value: str, about: str, *, is_bad: bool = False) -> Markup:
    return tag(
        "div",
        tag("dt", name),
        tag("dd", value, class_="figure"),
        tag("dd", about, class_="about"),
        class_="tile bad" if is_bad else "tile",
    )


def percent(basis_points: int) -> str:
    """`99.95 %`, never rounded up: 100 % is all of it."""
    return f"{basis_points // 100}.{basis_points % 100:02d} %"


# ---- match rate ---------------------------------------------------------------------------------------


def _rate_bars(found: Iterable[Rate]) -> list[Bar]:
    return [
        Bar(
            one.asset,
            (
                Part(one.matched, "ok", "matched"),
                Part(one.expected, "wait", "expected"),
                Part(one.broken, "bad", "not matched"),
            ),
            "" if one.rate_bp is None else percent(one.rate_bp),
        )
        for one in found
    ]


def _rate_table(found: Sequence[Rate], amounts: PageAmounts) -> Markup:
    rows = [
        [
            one.asset,
            "-" if one.rate_bp is None else percent(one.rate_bp),
            *(f"{count:,}" for count in (one.matched, one.expected, one.broken)),
            *(amounts.number(minor, one.asset) for minor in (one.matched_minor, one.expected_minor, one.broken_minor)),
        ]
        for one in found
    ]
    heads = ("Asset", "Rate", "Matched", "Expected", "Not matched", "Matched sum", "Expected sum", "Not matched sum")
    return table(
        "Lines of both sides by asset; sums are of absolute amounts, of matches those of the left side.", heads, rows, 1
    )


def _pass_table(report: Report, amounts: PageAmounts) -> Markup | None:
    rows = [
        [
            one.book,
            one.pass_name,
            one.asset,
            *(f"{count:,}" for count in (one.matches, one.left_lines, one.right_lines)),
            amounts.number(one.amount_minor, one.asset),
            amounts.number(one.difference_minor, one.asset),
            f"{one.lowest_confidence}",
        ]
        for one in sum_matched(report.matched)
    ]
    heads = ("Book", "Pass", "Asset", "Matches", "Left", "Right", "Sum", "Difference", "Lowest confidence")
    return table("Which pass of the rules has matched how much.", heads, rows, 3) if rows else None


# ---- groups -------------------------------------------------------------------------------------------


def _reason(name: str) -> Markup:
    meaning = MEANINGS.get(name)
    return tag("span", name.replace("_", " "), title=meaning)


def _groups_section(
    title: str, head: str, groups: Sequence[Group], amounts: PageAmounts, class_: str, show: Callable[[str], object]
) -> Markup:
    if not groups:
        return tag("section", tag("h2", title), tag("p", "Nothing."))
    counts = {name: sum(group.cases for group in groups if group.name == name) for name in names(groups)}
    drawn = [
        Bar(name.replace("_", " "), (Part(count, class_, "cases"),), f"{count:,}") for name, count in counts.items()
    ]
    assets = sorted({group.asset for group in groups})
    risks = {(group.name, group.asset): group.at_risk_minor for group in groups}
    rows = [
        [
            show(name),
            f"{count:,}",
            *(amounts.number(risks[name, of], of) if (name, of) in risks else "" for of in assets),
        ]
        for name, count in counts.items()
    ]
    heads = (head, "Cases", *(f"At risk, {of}" for of in assets))
    return tag(
        "section",
        tag("h2", title),
        _figure(bars(f"{title}: number of cases", drawn)),
        table(f"{title}: cases and what is at risk.", heads, rows, 1),
    )


# ---- the two sections ---------------------------------------------------------------------------------


def _lines_section(report: Report, which: Section, amounts: PageAmounts) -> Markup:
    found = section(report, which)
    title = f"{_TITLES[which]} ({len(found):,})"
    if not found:
        return tag("section", tag("h2", title), tag("p", "Nothing."))
    rows = [_line_row(case, line, report.as_of, amounts) for case, line in found[:MOST_LINES]]
    heads = ("Day", "Age", "Amount", "Asset", "Reason", "Line", "References", "Case")
    left_out = len(found) - len(rows)
    return tag(
        "section",
        tag("h2", title),
        tag("p", f"The oldest {len(rows):,} lines; {left_out:,} more are in the CSV file.", class_="note")
        if left_out
        else None,
        table("The oldest first.", heads, rows, 1, numbers=(1, 2)),
    )


def _line_row(case: Case, line: CaseLine, as_of: str, amounts: PageAmounts) -> list[object]:
    age = age_days(case, as_of)
    references = join(
        *(tag("div", tag("b", name), " ", tag("bdi", value)) for name, value in line.references.items()),
        tag("div", tag("bdi", line.text), class_="quiet") if line.text else None,
    )
    about = join(
        tag("div", case.state, " ", tag("span", case.severity, class_=f"severity {_class(case.severity)}")),
        tag("div", f"due {case.due}", class_="late" if case.overdue else "quiet") if case.due else None,
        tag("div", f"with {case.assignee}", class_="quiet") if case.assignee else None,
        tag("div", case.sentence, class_="quiet") if case.sentence else None,
        tag("div", f"candidates: {', '.join(case.candidates)}", class_="quiet") if case.candidates else None,
    )
    return [
        line.day or "-",
        "-" if age is None else f"{age} d",
        "-" if line.amount_minor is None else amounts.number(line.amount_minor, line.asset),
        line.asset,
        _reason(case.reason),
        join(tag("div", line.where), tag("code", tag("bdi", line.line_id))),
        references,
        about,
    ]


def _class(severity: str) -> str:
    return severity if severity in ("low", "medium", "high", "critical") else "low"


# ---- pieces -------------------------------------------------------------------------------------------


def _figure(chart: Markup, legend: Markup | None = None) -> Markup:
    return tag("figure", chart, legend)


def _legend(*entries: tuple[str, str]) -> Markup:
    return tag(
        "figcaption",
        *(
            tag("span", tag("span", class_=f"key {class_}", aria_hidden="true"), name, class_="entry")
            for name, class_ in entries
        ),
    )
