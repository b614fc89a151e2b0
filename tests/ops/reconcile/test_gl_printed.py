"""The general ledger for people."""

from __future__ import annotations

from agents.reconciliation.proofs.books import PartitionBooks
from agents.reconciliation.proofs.postings import Posting
from agents.reconciliation.proofs.trial_balance import trial_balance
from ops.amounts import Amounts
from ops.reconcile.days import Period
from ops.reconcile.gl import GeneralLedger, lines
from ops.reconcile.gl_core import Difference
from ops.reconcile.gl_log import Books, Cut
from schemas.assets import AssetRegistry
from schemas.events import Entry
from tests.reconciliation.proofs.ledgers import journal

DAY = "2026-11-20"


def ledger(*entries: Entry, difference: Difference | None = None, is_over: bool = True) -> GeneralLedger:
    books = PartitionBooks(0)
    if entries:
        books.take(Posting(0, "transaction.settled", f"{DAY}T10:00:00.000Z", "t", "credit", entries))
    parts = (books.totals(DAY),)
    cut = Cut(0, 1, 0, f"{DAY}T10:00:00.000Z", "0" * 64, is_over, "" if is_over else "it is early")
    read = Books(Period(DAY, DAY), parts, (cut,), tuple(books.problems), 1, 0.1)
    differences = None if difference is None else (difference,)
    return GeneralLedger(read, trial_balance(parts), differences, None, Amounts(AssetRegistry()))


def test_accounts_of_a_class_are_listed_where_there_are_several_or_none_is_known() -> None:
    moves = (("system/rail:cards", "w/m/available", "EUR", 1_234), ("system/new", "system/fees", "EUR", 5))
    found = ledger(*journal(*moves))
    text = "\n".join(lines(found))
    assert found.holds
    for name in ("1100 rails", "     system/rail:cards", "2100 wallets, available", "9000 not classified"):
        assert name in text
    assert "     system/new" in text
    assert "     system/fees" not in text
    assert "debits equal credits in EUR" in text
    assert "-12.34" in text
    assert "partition 0: to offset 1, sequence 0" in text


def test_what_does_not_hold_is_told() -> None:
    wrong = ledger(Entry("system/fees", "EUR", credit_minor=5))
    text = "\n".join(lines(wrong))
    assert not wrong.holds
    assert "debits DO NOT EQUAL credits in EUR" in text
    assert "WRONG: journal 0:0 of transaction t is out by 5 EUR" in text
    assert wrong.as_json()["is_balanced"] is False


def test_a_difference_with_the_core_banking_file_is_told() -> None:
    move = ("system/rail:cards", "w/m/held", "EUR", 5)
    found = ledger(*journal(move), difference=Difference("differs", "R", "EUR", "debit", 5, 7), is_over=False)
    text = "\n".join(lines(found))
    assert not found.holds
    assert "DIFFERENCE: R EUR: debit is 7 in the file, 5 with us: +2" in text
    assert "differences with the core-banking file: 1" in text
    assert "not over: it is early" in text
    assert "these days are not over in every partition" in text


def test_nothing_is_something_too() -> None:
    assert "nothing was posted until then, or not in these assets" in list(lines(ledger()))
