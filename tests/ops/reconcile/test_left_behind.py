"""What a book that takes rails and accounts from others leaves behind there."""

from __future__ import annotations

from agents.reconciliation.followed import Followed
from ops.reconcile.live_books import value_of
from ops.reconcile.removing import Moved, moves_of
from schemas.reconciliation_books import DEFAULT_BOOK, Book
from schemas.topics import MATCHING_RULES


def book(name: str, rails: tuple[str, ...] = (), accounts: tuple[str, ...] = ()) -> Book:
    return Book(name=name, version=1, relations=DEFAULT_BOOK.relations, rails=rails, accounts=accounts)


def test_rails_and_accounts_that_come_from_another_book_are_named() -> None:
    followed = Followed()
    held = book("cards", ("cards", "amex"), ("report",))
    followed.take(MATCHING_RULES, "cards", value_of(held))
    given = [book("all", ("sepa", "all"), ("bank", "all")), held, book("new")]
    assert moves_of(followed, given) == [
        Moved("rail sepa", "sepa", "all"),
        Moved("account bank", "bank", "all"),
    ]


def test_what_goes_from_one_published_book_to_another_at_once() -> None:
    followed = Followed()
    followed.take(MATCHING_RULES, "cards", value_of(book("cards", ("cards", "amex"))))
    given = [book("cards", ("cards",)), book("amex")]
    assert moves_of(followed, given) == [Moved("rail amex", "cards", "amex")]


def test_it_is_said_where_something_is_open() -> None:
    moved = Moved("rail sepa", "sepa", "all")
    assert moved.sentence(0, 0) == ""
    assert moved.sentence(1, 20) == (
        "rail sepa was of the book sepa: its 1 open exceptions and 20 expected lines stay there, and what comes for "
        "them goes to all"
    )
