"""What a proof takes of the ledger's own lines: what moved on rails, and on banks."""

from __future__ import annotations

import pytest

from agents.reconciliation.followed import Followed
from agents.reconciliation.proofs.collecting import CompleteDay
from agents.reconciliation.proofs.postings import Posting
from ops.reconcile.live_books import value_of
from ops.reconcile.open_items import ToldByRole, own_lines
from ops.reconcile.prove import balances_of
from ops.reconcile.statements import Statements
from schemas.reconciliation_books import DEFAULT_BOOK, Book
from schemas.reconciliation_lines import BookLine
from schemas.reconciliation_results import BookSummary, MatchRecord
from schemas.topics import MATCHING_RULES
from tests.ops.reconcile.exceptions import an_exception
from tests.ops.reconcile.statements import DAY, line, statement
from tests.reconciliation.proofs.ledgers import journal, totals_of


def test_a_bank_that_says_the_same_is_explained_though_nothing_is_matched_with_its_lines() -> None:
    entries = journal(("system/bank:house", "system/rail:cards", "EUR", 5))
    log = [Posting(0, "transaction.settled", f"{DAY}T12:00:00.000Z", "t", "adjust", entries)]
    lines = own_lines(log[0], 0)
    assert [(one.account, one.amount_minor) for one in lines] == [("system/rail:cards", -5), ("system/bank:house", 5)]
    statements, told = Statements(), ToldByRole()
    statements.take(line("l1", "s1", account="house"))
    statements.take(statement("s1", 5, account="house"))
    told.take_result(BookSummary(book="house", as_of=DAY, rules_version=1, recorded_at=f"{DAY}T13:00:00.000Z"))
    day = CompleteDay(DAY, (totals_of(log, 0, DAY, DAY),))
    (proof, _) = balances_of([day], Followed(), lines, statements, told)
    assert (proof.ledger_minor, proof.statement_minor, proof.unexplained_minor) == (5, 5, 0)


def test_a_book_that_starts_later_agrees_though_nothing_before_is_compared() -> None:
    """The bank's statements begin with the book; what the ledger had before is in what it opens with."""
    wallet, rail = "w1/main/available", "system/rail:cards"
    log = [
        Posting(
            0, "transaction.settled", "2026-11-18T12:00:00.000Z", "t0", "credit", journal((rail, wallet, "EUR", 900))
        ),
        Posting(1, "transaction.settled", f"{DAY}T12:00:00.000Z", "t1", "credit", journal((rail, wallet, "EUR", 5))),
    ]
    followed, statements, told = Followed(), Statements(), ToldByRole()
    book = Book(name="cards", version=1, relations=DEFAULT_BOOK.relations, from_date="2026-11-19")
    followed.take(MATCHING_RULES, "cards", value_of(book))
    statements.take(line("l1", "s1"))
    statements.take(statement("s1", 905))
    told.take_result(BookSummary(book="cards", as_of=DAY, rules_version=1, recorded_at=f"{DAY}T13:00:00.000Z"))
    day = CompleteDay(DAY, (totals_of(log, 0, DAY, DAY),))
    own = [one for posting in log for one in own_lines(posting, 0)]
    (proof,) = balances_of([day], followed, own, statements, told)
    assert (proof.ledger_minor, proof.statement_minor, proof.unexplained_minor) == (905, 905, 0)
    assert (proof.expected_with_us.count, proof.expected_in_file.count) == (1, 1)


def test_what_was_matched_before_an_account_went_to_another_book_stays_matched() -> None:
    entries = journal(("system/rail:cards", "w1/main/available", "EUR", 5))
    log = [Posting(0, "transaction.settled", f"{DAY}T12:00:00.000Z", "t", "credit", entries)]
    lines = own_lines(log[0], 0)
    followed, statements, told = Followed(), Statements(), ToldByRole()
    book = Book(name="all-cards", version=1, relations=DEFAULT_BOOK.relations, rails=("cards",), accounts=("cards",))
    followed.take(MATCHING_RULES, "all-cards", value_of(book))
    statements.take(line("s1-0", "s1"))
    statements.take(statement("s1", 5))
    (ours,) = lines
    told.take_result(matched("cards", (ours.line_id,), ("s1-0",)))
    for name in ("cards", "all-cards"):
        told.take_result(BookSummary(book=name, as_of=DAY, rules_version=1, recorded_at=f"{DAY}T13:00:00.000Z"))
    day = CompleteDay(DAY, (totals_of(log, 0, DAY, DAY),))
    (proof,) = balances_of([day], followed, lines, statements, told)
    assert (proof.verdict, proof.expected_with_us.count, proof.expected_in_file.count) == ("agrees", 0, 0)


@pytest.mark.parametrize("whose", ["both", "ours", "theirs"])
def test_what_was_an_exception_before_an_account_went_to_another_book_stays_one(whose: str) -> None:
    """Nothing of it was ever matched, and the new book has not been looked at yet."""
    entries = journal(("system/rail:cards", "w1/main/available", "EUR", 5))
    log = [Posting(0, "transaction.settled", f"{DAY}T12:00:00.000Z", "t", "credit", entries)]
    (ours,) = own_lines(log[0], 0)
    followed, statements, told = Followed(), Statements(), ToldByRole()
    book = Book(name="all-cards", version=1, relations=DEFAULT_BOOK.relations, rails=("cards",), accounts=("cards",))
    followed.take(MATCHING_RULES, "all-cards", value_of(book))
    statements.take(line("s1-0", "s1", amount_minor=7))
    statements.take(statement("s1", 7))
    lines = [
        BookLine(line_id=ours.line_id, side="ledger", amount_minor=5, asset="EUR", date=DAY, account=ours.account),
        BookLine(line_id="s1-0", side="bank", amount_minor=7, asset="EUR", date=DAY, account="cards"),
    ]
    lines = {"both": lines, "ours": lines[:1], "theirs": lines[1:]}[whose]
    told.take_exception(an_exception("e1", relation="ledger-bank", reason="amount_over", lines=tuple(lines)))
    day = CompleteDay(DAY, (totals_of(log, 0, DAY, DAY),))
    (proof,) = balances_of([day], followed, [ours], statements, told)
    assert (proof.verdict, proof.excepted_with_us.count, proof.excepted_in_file.count) == (
        "explained",
        int(whose != "theirs"),
        int(whose != "ours"),
    )


def matched(book: str, left_ids: tuple[str, ...], right_ids: tuple[str, ...]) -> MatchRecord:
    return MatchRecord(
        match_id="m1",
        book=book,
        relation="ledger-bank",
        pass_name="provider_reference",
        left_ids=left_ids,
        right_ids=right_ids,
        asset="EUR",
        amount_minor=5,
        confidence=100,
        rules_version=1,
        date=DAY,
        recorded_at=f"{DAY}T13:00:00.000Z",
    )
