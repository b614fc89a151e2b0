"""Which account of the ledger is which account of statements."""

from __future__ import annotations

from agents.reconciliation.followed import Followed
from agents.reconciliation.proofs.balances import Pair
from ops.reconcile.live_books import value_of
from ops.reconcile.pairs import book_of, pairs_of
from schemas.reconciliation_books import DEFAULT_BOOK, Book
from schemas.topics import MATCHING_RULES

OURS = ("system/rail:visa", "system/rail:mc", "system/rail:sepa", "system/bank:house", "system/fees")


def followed(**fields: object) -> Followed:
    found = Followed()
    book = Book(name="cards", version=1, relations=DEFAULT_BOOK.relations, **fields)  # type: ignore[arg-type]
    found.take(MATCHING_RULES, "cards", value_of(book))
    return found


def test_without_books_what_has_the_same_name_and_every_account_once() -> None:
    assert pairs_of(OURS, ["sepa", "house", "stranger"], Followed()) == [
        Pair(("system/bank:house",), "house"),
        Pair(("system/rail:mc",), "mc"),
        Pair(("system/rail:sepa",), "sepa"),
        Pair(("system/rail:visa",), "visa"),
    ]


def test_rails_of_a_book_are_together_and_each_of_its_accounts_is_compared() -> None:
    books = followed(rails=("visa", "mc"), accounts=("cards-report", "cards-bank"))
    pairs = pairs_of(OURS, ["cards-bank"], books)
    both = ("system/rail:mc", "system/rail:visa")
    assert [pair for pair in pairs if len(pair.ledger_accounts) == 2] == [
        Pair(both, "cards-bank"),
        Pair(both, "cards-report"),
    ]
    assert {book_of(pair, books) for pair in pairs} == {"cards", "sepa", "house"}
    assert book_of(Pair(both, "no name of a book"), books) is None


def test_what_somebody_names_counts_before_books_and_names() -> None:
    books = followed(rails=("visa",), accounts=("cards-report",))
    named = [Pair(("system/rail:visa", "system/rail:mc"), "acquirer"), Pair(("system/bank:house",), "sepa")]
    assert pairs_of(OURS, ["sepa", "acquirer"], books, named) == [
        Pair(("system/bank:house",), "sepa"),
        Pair(("system/rail:sepa",), "sepa"),
        Pair(("system/rail:visa", "system/rail:mc"), "acquirer"),
    ]


def test_a_rail_that_nobody_reconciles_has_no_statement() -> None:
    books = followed(rails=("visa",), accounts=("cards-report",), state="off")
    assert pairs_of(["system/rail:visa"], [], books) == [Pair(("system/rail:visa",), "visa")]
