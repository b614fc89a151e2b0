"""The books of the story that has every operation in it, as the real machine wrote it."""

from __future__ import annotations

import pytest

from agents.reconciliation.proofs.books import DayTotals, PartitionBooks, RunningBooks
from agents.reconciliation.proofs.chart import UNCLASSIFIED, class_of
from agents.reconciliation.proofs.postings import Posting, decode_posting
from agents.reconciliation.proofs.safeguarding import ANNOUNCED, safeguarding_proofs
from agents.reconciliation.proofs.trial_balance import trial_balance
from schemas.events import decode_event
from streams.seal import is_seal
from tests.contracts.codecs import EXAMPLES
from tests.reconciliation.proofs.ledgers import totals_of

LINES = {
    int(path.stem): path.read_bytes().splitlines() for path in sorted((EXAMPLES / "story" / "log").glob("*.jsonl"))
}
LOGS: dict[int, list[Posting]] = {partition: [decode_posting(line) for line in of] for partition, of in LINES.items()}
DAYS = sorted({posting.day for log in LOGS.values() for posting in log})


def of_day(day: str) -> list[DayTotals]:
    return [totals_of(log, partition, day, day) for partition, log in LOGS.items()]


@pytest.mark.parametrize("day", DAYS)
def test_every_day_balances_and_has_no_account_that_the_chart_does_not_know(day: str) -> None:
    balance = trial_balance(of_day(day))
    assert balance.is_balanced
    assert len(balance.assets) > 3
    assert [one.account for one in balance.accounts if class_of(one.account) == UNCLASSIFIED] == []


@pytest.mark.parametrize("day", DAYS)
def test_announced_money_has_two_sides_that_are_equal(day: str) -> None:
    for proof in safeguarding_proofs(day, of_day(day)):
        assert proof.sum_minor == 0
        assert ANNOUNCED not in {one.account for one in proof.made_of}


def test_the_books_are_the_sums_of_what_events_say() -> None:
    """The whole event is decoded here, and each account is the sum of its entries."""
    sums: dict[tuple[str, str], int] = {}
    for lines in LINES.values():
        for line in (line for line in lines if not is_seal(line)):
            for entry in decode_event(line).entries:
                key = (entry.account, entry.asset)
                sums[key] = sums.get(key, 0) + entry.credit_minor - entry.debit_minor
    closing = {(one.account, one.asset): one.closing_minor for one in trial_balance(of_day(DAYS[-1])).accounts}
    assert {key: minor for key, minor in closing.items() if key[0].startswith("system/")} == {
        key: minor for key, minor in sums.items() if key[0].startswith("system/")
    }
    for asset in {asset for _, asset in sums}:
        held = sum(minor for (account, of), minor in sums.items() if of == asset and account.endswith("/available"))
        assert closing["wallets/available", asset] == held


def test_every_partition_ends_with_its_last_seal() -> None:
    for partition, log in LOGS.items():
        books, running = PartitionBooks(partition), RunningBooks(partition)
        for posting in log:
            books.take(posting)
            running.take(posting)
        assert books.seal_hash == running.so_far().seal_hash == log[-1].hash
        assert books.problems == []
