"""Where lines are: a line that the role has lost, or has twice, is noticed."""

from __future__ import annotations

from typing import Final

from ops.demo.day.placing import Line, Placing, placing
from schemas.reconciliation_exceptions import ExceptionState, ReconciliationException
from schemas.reconciliation_lines import BookLine
from schemas.reconciliation_results import BookSummary, MatchRecord, RelationTotals

AT = "2026-11-29T00:00:00.000Z"
RELATION: Final = "ledger-bank"
LINES = {"sepa": [Line("l1", "ledger", -100, "t1"), Line("l2", "ledger", -200, "t2"), Line("b1", "bank", -100)]}


def match(match_id: str, left: str, right: str, exception_id: str | None = None) -> MatchRecord:
    return MatchRecord(
        match_id=match_id,
        book="sepa",
        relation=RELATION,
        pass_name="amount and day",
        left_ids=(left,),
        right_ids=(right,),
        asset="EUR",
        amount_minor=-100,
        confidence=75,
        exception_id=exception_id,
        rules_version=1,
        date=AT[:10],
        recorded_at=AT,
    )


def exception(exception_id: str, *line_ids: str, state: ExceptionState = "open") -> ReconciliationException:
    lines = tuple(
        BookLine(line_id=line_id, side="ledger", amount_minor=-100, asset="EUR", date=AT[:10]) for line_id in line_ids
    )
    return ReconciliationException(
        exception_id=exception_id,
        book="sepa",
        relation=RELATION,
        reason="missing_right",
        state=state,
        severity="low",
        amount_minor=100,
        asset="EUR",
        difference_minor=100,
        lines=lines,
        sentence="Why.",
        due_date=AT[:10],
        rules_version=1,
        opened_at=AT,
        recorded_at=AT,
    )


def summary(ledger: tuple[int, int, int, int], waiting: tuple[str, ...] = ()) -> BookSummary:
    """`ledger`: lines matched, expected, their amount, and in exceptions. The bank's line is matched."""
    matched, expected, expected_minor, exceptions = ledger
    own = RelationTotals(RELATION, "ledger", "EUR", matched, 0, expected, expected_minor, exceptions)
    totals = (RelationTotals(RELATION, "bank", "EUR", 1, 100), own)
    return BookSummary(book="sepa", as_of=AT[:10], rules_version=1, totals=totals, waiting=waiting, recorded_at=AT)


def places(found: Placing) -> dict[str, tuple[str, str | None]]:
    return {one.line.line_id: (one.place, one.by) for one in found.placed}


def test_every_line_has_one_place() -> None:
    found = placing(LINES, [match("m1", "l1", "b1")], [], {"sepa": summary((1, 1, 200, 0))})
    assert found.problems == ()
    assert places(found) == {
        "l1": ("matched", "amount and day"),
        "b1": ("matched", "amount and day"),
        "l2": ("expected", None),
    }
    assert found.counts()["sepa", RELATION, "ledger"] == {"matched": 1, "exception": 0, "expected": 1}
    assert [one.line.line_id for one in found.of_transaction("t2")] == ["l2"]


def test_what_people_have_matched_belongs_to_their_exception() -> None:
    matches = [match("m1", "l1", "b1", "x1")]
    resolved = exception("x1", "l1", state="resolved")
    found = placing(LINES, matches, [resolved], {"sepa": summary((1, 1, 200, 0))})
    assert found.problems == ()
    assert places(found)["l1"] == places(found)["b1"] == ("exception", "x1")


def test_a_closed_exception_is_no_place() -> None:
    closed = exception("x1", "l1", state="closed")
    found = placing(LINES, [match("m1", "l1", "b1")], [closed], {"sepa": summary((1, 1, 200, 0))})
    assert found.problems == ()


def test_two_places_are_one_too_many() -> None:
    summaries = {"sepa": summary((1, 1, 200, 0))}
    both = placing(LINES, [match("m1", "l1", "b1")], [exception("x1", "l1")], summaries)
    assert both.problems == ("sepa, ledger-bank: line l1 is in 2 places",)
    twice = placing(LINES, [match("m1", "l1", "b1"), match("m2", "l1", "b2")], [], summaries)
    assert twice.problems == ("sepa, ledger-bank: line l1 is in 2 places",)
    two = placing(LINES, [match("m1", "l1", "b1")], [exception("x1", "l2"), exception("x2", "l2")], summaries)
    assert "sepa, ledger-bank: line l2 is in 2 places" in two.problems


def test_a_line_that_the_role_does_not_have() -> None:
    found = placing(LINES, [match("m1", "l1", "b1")], [], {"sepa": summary((1, 0, 0, 0))})
    assert found.problems == (
        "sepa, ledger-bank, ledger: 1 lines are left, but 0 are expected",
        "sepa, ledger-bank, ledger: there are 2 lines, but the role has 1",
    )


def test_an_amount_that_is_not_what_is_expected() -> None:
    found = placing(LINES, [match("m1", "l1", "b1")], [], {"sepa": summary((1, 1, 199, 0))})
    assert found.problems == ("sepa, ledger-bank, ledger: 1 lines are left, but 1 are expected",)


def test_a_book_of_which_nothing_was_told_and_one_that_waits() -> None:
    assert placing(LINES, [], [], {}).problems == ("sepa: nothing was told of this book",)
    assert placing(LINES, [], [], {"sepa": summary((0, 0, 0, 0), waiting=(RELATION,))}) == Placing((), ())
