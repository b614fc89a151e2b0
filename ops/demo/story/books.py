"""The books that a reader of the events keeps: the balance of every account, and the trial balance. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from ops.buckets import Balances
from schemas.events import Entry


class Books:
    """Balances as the entries of events make them."""

    def __init__(self) -> None:
        self.balances: dict[tuple[str, str], int] = {}

    def post(self, entries: Iterable[Entry]) -> None:
        """Take the entries of one more event."""
        for entry in entries:
            key = (entry.account, entry.asset)
            self.balances[key] = self.balances.get(key, 0) + entry.credit_minor - entry.debit_minor


class TrialLine(NamedTuple):
    """One account of a trial balance, in minor units: its balance stands on the side that is greater."""

    account: str
    debit_minor: int
    credit_minor: int


class TrialBalance(NamedTuple):
    """All accounts in one asset that are not zero."""

    asset: str
    lines: tuple[TrialLine, ...]

    @property
    def debit_minor(self) -> int:
        """Sum of the debit side."""
        return sum(line.debit_minor for line in self.lines)

    @property
    def credit_minor(self) -> int:
        """Sum of the credit side."""
        return sum(line.credit_minor for line in self.lines)

    @property
    def sum_minor(self) -> int:
        """Credits less debits: must be 0."""
        return self.credit_minor - self.debit_minor


def trial_balances(balances: Balances) -> list[TrialBalance]:
    """The trial balance of each asset; wallets first, then the system's accounts."""
    lines: dict[str, list[TrialLine]] = {}
    for (account, asset), minor in sorted(balances.items(), key=lambda item: _wallets_first(item[0][0])):
        if minor:
            lines.setdefault(asset, []).append(TrialLine(account, max(0, -minor), max(0, minor)))
    return [TrialBalance(asset, tuple(lines[asset])) for asset in sorted(lines)]


def _wallets_first(account: str) -> tuple[bool, str]:
    return account.startswith("system/"), account


def differences(one: Balances, other: Balances) -> list[tuple[str, str]]:
    """The accounts that are not the same in both; one that is absent holds nothing."""
    return sorted(key for key in {*one, *other} if one.get(key, 0) != other.get(key, 0))
