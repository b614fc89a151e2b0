"""The general ledger of any ledger: debits equal credits, and days part the log."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.reconciliation.proofs.books import GENESIS, PartitionBooks, RunningBooks, added
from agents.reconciliation.proofs.postings import Posting, decode_posting, unbalanced_assets
from agents.reconciliation.proofs.trial_balance import trial_balance
from schemas.events import Entry
from tests.reconciliation.proofs.ledgers import DAYS, journal, ledgers, logs, totals_of


@given(ledgers)
def test_debits_equal_credits_in_every_asset_and_all_balances_sum_to_zero(ledger: list[list[Posting]]) -> None:
    for first in range(len(DAYS)):
        for last in range(first, len(DAYS)):
            balance = trial_balance(totals_of(log, p, DAYS[first], DAYS[last]) for p, log in enumerate(ledger))
            assert balance.is_balanced
            for one in balance.assets:
                assert one.opening_minor == one.closing_minor == 0
                assert one.debit_minor == one.credit_minor


@given(ledgers)
def test_days_part_the_log(ledger: list[list[Posting]]) -> None:
    """The sums of all days are those of the period, and each day opens with what the one before closed with."""
    days = [added(totals_of(log, p, day, day) for p, log in enumerate(ledger)) for day in DAYS]
    whole = {
        (one.account, one.asset): one
        for one in added(totals_of(log, p, DAYS[0], DAYS[-1]) for p, log in enumerate(ledger))
    }
    moved = dict.fromkeys(whole, (0, 0))
    closing = dict.fromkeys(whole, 0)
    for day in days:
        for one in day:
            key = (one.account, one.asset)
            assert one.opening_minor == closing[key]
            closing[key] = one.closing_minor
            debit, credit = moved[key]
            moved[key] = (debit + one.debit_minor, credit + one.credit_minor)
    assert moved == {key: (one.debit_minor, one.credit_minor) for key, one in whole.items()}
    assert closing == {key: one.closing_minor for key, one in whole.items()}


@given(logs())
def test_every_entry_is_of_exactly_one_day(log: list[Posting]) -> None:
    assert sum(totals_of(log, 0, day, day).entries for day in DAYS) == sum(len(one.entries) for one in log)


@given(ledgers, st.randoms())
def test_the_order_of_partitions_makes_no_difference(ledger: list[list[Posting]], random: object) -> None:
    parts = [totals_of(log, p, DAYS[1], DAYS[3]) for p, log in enumerate(ledger)]
    shuffled = list(parts)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert trial_balance(shuffled) == trial_balance(parts)


@given(logs())
def test_as_events_come_the_same_is_told_of_each_day(log: list[Posting]) -> None:
    """What a role keeps, against the fold of each day on its own."""
    running, told = RunningBooks(0), []
    for posting in log:
        ended = running.take(posting)
        if ended is not None:
            told.append(ended)
    if log:
        told.append(running.so_far())
    assert told == [totals_of(log, 0, one.day, one.day) for one in told]
    assert [one.day for one in told] == sorted({posting.day for posting in log})


def test_a_journal_that_does_not_balance_is_named() -> None:
    books = PartitionBooks(3)
    entries = (*journal(("w1/main/available", "system/fees", "EUR", 5)), Entry("system/fees", "EUR", credit_minor=2))
    books.take(Posting(0, "transaction.settled", "2026-11-20T00:00:00.000Z", "t0", "fee", entries))
    assert books.problems == ["journal 3:0 of transaction t0 is out by 2 EUR"]
    assert not trial_balance([books.totals("2026-11-20")]).is_balanced
    assert unbalanced_assets(entries) == {"EUR": 2}


@pytest.mark.parametrize("sequence", [0, 2, -1])
def test_an_event_that_is_missing_or_doubled_is_refused(sequence: int) -> None:
    books = PartitionBooks(0)
    books.take(Posting(0, "wallet.opened", "2026-11-20T00:00:00.000Z"))
    with pytest.raises(ValueError, match=rf"sequence {sequence} comes after 0"):
        books.take(Posting(sequence, "wallet.opened", "2026-11-20T00:00:00.000Z"))


def test_seals_pin_what_was_read_and_one_of_nothing_makes_no_day_another() -> None:
    books = PartitionBooks(0)
    assert books.totals("2026-11-20").seal_hash == GENESIS
    at = '"recorded_at":"2026-11-20T23:59:59.999Z"'
    for value in (
        f'{{"sequence":0,"type":"wallet.opened",{at}}}',
        f'{{"sequence":1,"type":"batch.sealed","hash":"ab",{at},"inputs":{{}}}}',
    ):
        books.take(decode_posting(value.encode()))
    of_day = books.totals("2026-11-20")
    assert (of_day.last_sequence, of_day.seal_hash, books.day) == (1, "ab", "2026-11-20")
    # An idle partition seals its positions a day later, with the time of its last record.
    books.take(decode_posting(f'{{"sequence":2,"type":"batch.sealed","hash":"cd",{at},"inputs":{{}}}}'.encode()))
    assert books.totals("2026-11-20") == of_day
    books.take(Posting(3, "wallet.opened", "2026-11-21T00:00:00.000Z"))
    assert books.totals("2026-11-21").last_sequence == 3
