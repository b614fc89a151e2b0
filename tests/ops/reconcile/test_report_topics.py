"""The report of the role's topics: as it stood at the end of a day, whatever came later."""

from __future__ import annotations

from typing import Any

import pytest

from ops.reconcile.days import Period
from ops.reconcile.report_model import ExpectedLines
from ops.reconcile.report_topics import Exceptions, Results, proofs_of, section_of
from schemas.reconciliation_exceptions import ReconciliationException
from schemas.reconciliation_lines import BookLine
from schemas.reconciliation_proofs import SafeguardingProof
from schemas.reconciliation_results import BookSummary, MatchRecord, RelationTotals, UnmatchRecord

DAY = Period("2026-11-20", "2026-11-20")


def at(day: int) -> str:
    return f"2026-11-{day:02d}T12:00:00.000Z"


def match(match_id: str, day: int, minor: int = 100, **fields: Any) -> MatchRecord:
    given: dict[str, Any] = {
        "match_id": match_id,
        "book": "cards",
        "relation": "ledger-partner",
        "pass_name": "reference",
        "left_ids": ("a",),
        "right_ids": ("b", "c"),
        "asset": "EUR",
        "amount_minor": minor,
        "confidence": 90,
        "rules_version": 1,
        "date": at(day)[:10],
        "recorded_at": at(day),
    }
    return MatchRecord(**{**given, **fields})


def an_exception(exception_id: str, state: Any, day: int, **fields: Any) -> ReconciliationException:
    given: dict[str, Any] = {
        "exception_id": exception_id,
        "book": "cards",
        "relation": "ledger-partner",
        "reason": "amount_under",
        "state": state,
        "severity": "high",
        "amount_minor": 25,
        "asset": "EUR",
        "difference_minor": -25,
        "lines": (
            BookLine(line_id="l", side="ledger", amount_minor=100, asset="EUR", date="2026-11-18", transaction_id="t1"),
            BookLine(line_id="p", side="partner", amount_minor=75, asset="EUR", date="2026-11-19", remittance="r"),
        ),
        "sentence": "The partner has less.",
        "due_date": "2026-11-23",
        "rules_version": 1,
        "opened_at": at(18),
        "recorded_at": at(day),
    }
    return ReconciliationException(**{**given, **fields})


def summary(day: int, **fields: Any) -> BookSummary:
    totals = (RelationTotals("ledger-partner", "ledger", "EUR", 5, 500, 2, 70, 1, 25),)
    return BookSummary(book="cards", as_of=at(day)[:10], rules_version=1, recorded_at=at(day), totals=totals, **fields)


def test_matches_of_the_period_that_stood_at_its_end() -> None:
    results = Results(DAY)
    for result in (
        match("before", 19),
        match("kept", 20, -100, difference_minor=-3),
        match("again", 20, 50, confidence=70),
        match("undone", 20),
        UnmatchRecord(match_id="undone", book="cards", relation="ledger-partner", why="late", recorded_at=at(20)),
        UnmatchRecord(match_id="kept", book="cards", relation="ledger-partner", why="later", recorded_at=at(21)),
        match("after", 21),
    ):
        results.take(result)
    (one,) = results.matched()
    assert (one.book, one.matches, one.left_lines, one.right_lines) == ("cards ledger-partner", 2, 2, 4)
    assert (one.amount_minor, one.difference_minor, one.lowest_confidence) == (150, -3, 70)


def test_all_days_without_a_period() -> None:
    results = Results(None)
    for day in (1, 20, 27):
        results.take(match(f"m{day}", day))
    assert results.matched()[0].matches == 3


def test_what_was_expected_is_what_the_last_summary_says() -> None:
    results = Results(DAY)
    results.take(summary(19))
    results.take(summary(20, waiting=("partner-bank",), partial=True))
    results.take(summary(21))
    assert results.expected() == [ExpectedLines("cards", "with_us", "EUR", 2, 70)]
    assert list(results.notes()) == [
        "cards: partner-bank waits for a first statement.",
        "cards: there was more to match than fits at once when it was last looked at; the rest follows.",
    ]


def test_exceptions_that_were_open_at_the_end() -> None:
    exceptions = Exceptions(DAY)
    for one in (
        an_exception("stays", "open", 18),
        an_exception("stays", "assigned", 20, assignee="op:ines"),
        an_exception("stays", "resolved", 21),
        an_exception("done", "open", 18),
        an_exception("done", "resolved", 20),
        an_exception("earlier", "closed", 19),
        an_exception("later", "open", 21),
        an_exception("again", "closed", 19),
        an_exception("again", "open", 20),
    ):
        exceptions.take(one)
    assert [(case.case_id, case.state) for case in exceptions.cases()] == [("again", "open"), ("stays", "assigned")]
    assert exceptions.done() == {"resolved": 1}
    case = exceptions.cases()[1]
    assert (case.at_risk_minor, case.day, case.assignee) == (25, "2026-11-18", "op:ines")
    assert [(line.section, line.where, line.amount_minor) for line in case.lines] == [
        ("with_us", "ledger", 100),
        ("in_file", "partner", 75),
    ]
    assert case.lines[0].references == {"transaction_id": "t1"}
    assert case.lines[1].text == "r"


@pytest.mark.parametrize(
    ("relation", "side", "section"),
    [
        ("ledger-partner", "ledger", "with_us"),
        ("ledger-partner", "partner", "in_file"),
        ("partner-bank", "partner", "with_us"),
        ("partner-bank", "bank", "in_file"),
        ("pending", "pending", "with_us"),
        ("suspense", "suspense", "with_us"),
        ("statement", "bank", "in_file"),
    ],
)
def test_sections(relation: str, side: str, section: str) -> None:
    assert section_of(relation, side) == section


def test_proofs_of_the_period_or_of_the_latest_day() -> None:
    proofs = [
        SafeguardingProof(f"s/{day}", 1, day, "EUR", "currency", "even", 0, 0, (), 0, (), 0, (), 0, ())
        for day in ("2026-11-21", "2026-11-20", "2026-11-19")
    ]
    assert [one.day for one in proofs_of(list(proofs), DAY)] == ["2026-11-20"]
    assert [one.day for one in proofs_of(list(proofs), None)] == ["2026-11-21"]
    assert proofs_of([], None) == ()


def test_what_was_done_before_the_period_is_not_done_in_it_for_a_comment() -> None:
    found = Exceptions(DAY)
    for state, day in (("open", 18), ("resolved", 19), ("resolved", 20)):
        found.take(an_exception("e1", state, day))
    for state, day in (("closed", 18), ("open", 19), ("closed", 20)):
        found.take(an_exception("e2", state, day))
    assert found.done() == {"closed": 1}
