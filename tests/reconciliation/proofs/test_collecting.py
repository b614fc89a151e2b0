"""Days are collected from partitions that are never at the same place."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from agents.reconciliation.proofs.books import RunningBooks
from agents.reconciliation.proofs.collecting import CollectedDays, CompleteDay
from agents.reconciliation.proofs.postings import Posting
from agents.reconciliation.proofs.safeguarding import safeguarding_proofs
from agents.reconciliation.proofs.trial_balance import trial_balance
from tests.reconciliation.proofs.ledgers import DAYS, journal, ledgers, totals_of

MOVED = (("system/rail:cards", "w1/main/available", "EUR", 5),)


@given(ledgers, st.data())
def test_whatever_partition_is_ahead_the_same_is_proven_as_from_the_log(
    ledger: list[list[Posting]], data: st.DataObject
) -> None:
    collected, told = CollectedDays(len(ledger)), list[CompleteDay]()
    running = [RunningBooks(partition) for partition in range(len(ledger))]
    waiting = [list(log) for log in ledger]
    while any(waiting):
        partition = data.draw(st.sampled_from([p for p, log in enumerate(waiting) if log]))
        ended = running[partition].take(waiting[partition].pop(0))
        if ended is not None:
            told += collected.take(ended)
            assert collected.take(ended) == []
    for partition, books in enumerate(running):
        if books.so_far().day:
            told += collected.take(books.so_far())
        told += collected.pass_over(partition, DAYS[-1])
    first = min((posting.day for log in ledger for posting in log), default=None)
    assert [one.day for one in told] == [day for day in DAYS if first is not None and day >= first]
    for day, parts in told:
        expected = [totals_of(log, partition, day, day) for partition, log in enumerate(ledger)]
        assert safeguarding_proofs(day, parts) == safeguarding_proofs(day, expected)
        assert trial_balance(parts) == trial_balance(expected)


def test_a_day_waits_for_the_slowest_partition() -> None:
    books = RunningBooks(0)
    books.take(Posting(0, "wallet.opened", f"{DAYS[0]}T00:00:00.000Z"))
    ended = books.take(Posting(1, "wallet.opened", f"{DAYS[2]}T00:00:00.000Z"))
    assert ended is not None
    collected = CollectedDays(2)
    assert collected.take(ended) == []
    assert [one.day for one in collected.pass_over(1, DAYS[1])] == [DAYS[0]]
    assert collected.pass_over(1, DAYS[2]) == []


def test_a_day_on_which_nothing_was_recorded_stands_as_the_one_before() -> None:
    books = RunningBooks(0)
    books.take(Posting(0, "transaction.settled", f"{DAYS[0]}T00:00:00.000Z", "t", "credit", journal(*MOVED)))
    collected = CollectedDays(1)
    assert [one.day for one in collected.take(books.so_far())] == [DAYS[0]]
    (second, third) = collected.pass_over(0, DAYS[2])
    assert (second.day, third.day) == DAYS[1:3]
    assert [one.closing_minor for one in third.parts[0].totals] == [-5, 5]
    assert [(one.debit_minor, one.credit_minor) for one in third.parts[0].totals] == [(0, 0), (0, 0)]
