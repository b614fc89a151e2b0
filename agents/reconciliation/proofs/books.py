"""The books of one partition, day by day: what each account opened with, and what was debited and credited since.

An account here is one of the general ledger (`ledger_account`), so that the memory is bounded by system accounts and
assets, however many wallets there are. Days are UTC days of partition time, which never goes back: they part the log
into pieces that follow one another.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

from agents.reconciliation.proofs.chart import ledger_account
from agents.reconciliation.proofs.postings import Posting, unbalanced_assets
from schemas.events import Entry

#: Account of the general ledger, and asset.
Key = tuple[str, str]

GENESIS: Final = "0" * 64
#: Most journals that do not balance which are named.
_MOST_NAMED: Final = 100


class AccountTotal(msgspec.Struct, frozen=True, gc=False):
    """One account of the general ledger in one asset, over a period, in minor units; balances are credits - debits."""

    account: str
    asset: str
    opening_minor: int
    debit_minor: int
    credit_minor: int

    @property
    def closing_minor(self) -> int:
        """The balance at the end."""
        return self.opening_minor + self.credit_minor - self.debit_minor


class DayTotals(msgspec.Struct, frozen=True):
    """What one partition's books are at the end of a day, and how far its log goes until then."""

    partition: int
    #: The last day of the period: `2026-11-23`.
    day: str
    totals: tuple[AccountTotal, ...]
    #: The last event of the period or the seal behind it; -1 where there is none. Seals that seal nothing do not count.
    last_sequence: int = -1
    #: Hash of the last such seal of the period, which pins all that was recorded before it; zeros where there is none.
    seal_hash: str = GENESIS
    entries: int = 0


class PartitionBooks:
    """Folds the events of one partition, in their order."""

    def __init__(self, partition: int):
        self.partition: Final = partition
        self.day = ""
        self.last_sequence = -1
        #: As `last_sequence` and `seal_hash` of `DayTotals`: a partition that is idle seals its positions days later
        #: with the time of its last record, and no day that is over may become another by it.
        self.cut_sequence = -1
        self.seal_hash = GENESIS
        #: Entries of the period.
        self.entries = 0
        #: Sentences on journals that do not balance.
        self.problems: list[str] = []
        self._is_sealed = True
        self._opening: dict[Key, int] = {}
        self._debits: dict[Key, int] = {}
        self._credits: dict[Key, int] = {}

    def take(self, posting: Posting) -> None:
        """The next event, or seal; the day that is open goes on.

        Raises:
            ValueError: its sequence does not follow.
        """
        if posting.sequence != self.last_sequence + 1:
            raise ValueError(f"sequence {posting.sequence} comes after {self.last_sequence}")
        self.last_sequence, self.day = posting.sequence, posting.day
        if posting.hash is None or not self._is_sealed:
            self.cut_sequence, self.seal_hash = posting.sequence, posting.hash or self.seal_hash
        self._is_sealed = posting.hash is not None
        if posting.entries:
            self._post(posting.entries)
            if wrong := unbalanced_assets(posting.entries):
                self._tell(posting, wrong)

    def _post(self, entries: Iterable[Entry]) -> None:
        debits, credits_ = self._debits, self._credits
        for entry in entries:
            key = (ledger_account(entry.account), entry.asset)
            debits[key] = debits.get(key, 0) + entry.debit_minor
            credits_[key] = credits_.get(key, 0) + entry.credit_minor
            self.entries += 1

    def _tell(self, posting: Posting, wrong: dict[str, int]) -> None:
        if len(self.problems) < _MOST_NAMED:
            by = ", ".join(f"{minor} {asset}" for asset, minor in sorted(wrong.items()))
            self.problems.append(
                f"journal {self.partition}:{posting.sequence} of transaction {posting.transaction_id} is out by {by}"
            )

    def begin(self) -> None:
        """A new period begins: what moved until now is part of what it opens with."""
        for key, minor in self._credits.items():
            self._opening[key] = self._opening.get(key, 0) + minor - self._debits[key]
        self._debits, self._credits, self.entries = {}, {}, 0

    def totals(self, day: str) -> DayTotals:
        """The period that is open, as one that ends with `day`."""
        keys = sorted(self._opening.keys() | self._credits.keys())
        totals = tuple(
            AccountTotal(*key, self._opening.get(key, 0), self._debits.get(key, 0), self._credits.get(key, 0))
            for key in keys
        )
        return DayTotals(self.partition, day, totals, self.cut_sequence, self.seal_hash, self.entries)


class RunningBooks:
    """The books of one partition as its events come, with the totals of each day once it is over.

    What a role keeps that publishes proofs as days end. A day without any event has none: the next one opens with what
    the one before closed with.
    """

    def __init__(self, partition: int):
        self._books = PartitionBooks(partition)

    def take(self, posting: Posting) -> DayTotals | None:
        """The next event; the totals of the day that is over with it, if one is.

        Raises:
            ValueError: its sequence does not follow.
        """
        ended, books = None, self._books
        if books.day and posting.day > books.day:
            ended = books.totals(books.day)
            books.begin()
        books.take(posting)
        return ended

    def so_far(self) -> DayTotals:
        """The day that is not over."""
        return self._books.totals(self._books.day)

    @property
    def problems(self) -> list[str]:
        """Sentences on journals that do not balance."""
        return self._books.problems


def added(parts: Iterable[DayTotals]) -> list[AccountTotal]:
    """The totals of all partitions, an account and asset each, in the order of assets and accounts."""
    sums: dict[Key, list[int]] = {}
    for part in parts:
        for one in part.totals:
            total = sums.setdefault((one.asset, one.account), [0, 0, 0])
            total[0] += one.opening_minor
            total[1] += one.debit_minor
            total[2] += one.credit_minor
    return [AccountTotal(account, asset, *sums[asset, account]) for asset, account in sorted(sums)]
