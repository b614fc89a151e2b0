"""Ledgers by chance: journals that balance, of any accounts, on several days and in several partitions."""

from __future__ import annotations

from datetime import date, timedelta

from hypothesis import strategies as st

from agents.reconciliation.proofs.books import DayTotals, PartitionBooks
from agents.reconciliation.proofs.postings import Posting
from schemas.events import Entry

ACCOUNTS = (
    "w1/main/available",
    "w1/main/held",
    "w1/main/incoming",
    "w2/shop/outgoing",
    "w3/main/disputed",
    "w3/main/reserved",
    "system/rail:cards",
    "system/rail:instant",
    "system/rail-pending:sepa",
    "system/bank:house",
    "system/transit",
    "system/suspense",
    "system/fees",
    "system/fx",
    "system/rewards",
    "system/chargebacks",
    "system/adjustments",
    "system/writeoffs",
    "system/unheard-of",
)
ASSETS = ("EUR", "JPY", "MILES")
FIRST = date(2026, 11, 20)
DAYS = tuple((FIRST + timedelta(days=n)).isoformat() for n in range(5))
LARGE = 2**63 - 1

_move = st.tuples(st.sampled_from(ACCOUNTS), st.sampled_from(ACCOUNTS), st.sampled_from(ASSETS), st.integers(1, LARGE))


def journal(*moves: tuple[str, str, str, int]) -> tuple[Entry, ...]:
    """Debit, credit, asset, amount: two entries each."""
    entries: list[Entry] = []
    for debit, credit, asset, minor in moves:
        entries += [Entry(debit, asset, debit_minor=minor), Entry(credit, asset, credit_minor=minor)]
    return tuple(entries)


@st.composite
def logs(draw: st.DrawFn, most_events: int = 12) -> list[Posting]:
    """The log of one partition: days never go back."""
    days = sorted(draw(st.lists(st.integers(0, len(DAYS) - 1), max_size=most_events)))
    return [
        Posting(
            number,
            "transaction.settled",
            f"{DAYS[day]}T12:00:00.000Z",
            f"t{number}",
            "transfer",
            journal(*draw(st.lists(_move, max_size=3))),
        )
        for number, day in enumerate(days)
    ]


#: Logs of all partitions.
ledgers = st.lists(logs(), min_size=1, max_size=4)


def totals_of(log: list[Posting], partition: int, first: str, last: str) -> DayTotals:
    """The books of a period, as the command folds them."""
    books, has_begun = PartitionBooks(partition), False
    for posting in log:
        if posting.day > last:
            break
        if not has_begun and posting.day >= first:
            books.begin()
            has_begun = True
        books.take(posting)
    if not has_begun:
        books.begin()
    return books.totals(last)
