"""The trial balance: each account of the general ledger over a period, its class, and the sums of each asset.

Debits equal credits in each asset, and all balances sum to zero, in every period: each journal balances, and a journal
is of one day. Source: double entry as in Pacioli's *Summa* (1494); the layout is that of any general ledger.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from agents.reconciliation.proofs.books import AccountTotal, DayTotals, added
from agents.reconciliation.proofs.chart import AccountClass, class_of


class ClassTotal(NamedTuple):
    """One class of the chart in one asset, over a period, in minor units; balances are credits - debits."""

    account_class: AccountClass
    asset: str
    opening_minor: int
    debit_minor: int
    credit_minor: int
    closing_minor: int


class AssetTotal(NamedTuple):
    """All accounts of one asset. Opening and closing are 0 and debits equal credits, or the books are wrong."""

    asset: str
    opening_minor: int
    debit_minor: int
    credit_minor: int
    closing_minor: int

    @property
    def is_balanced(self) -> bool:
        """True where the books hold in this asset."""
        return self.opening_minor == self.closing_minor == 0 and self.debit_minor == self.credit_minor


class TrialBalance(NamedTuple):
    """Everything in the order of assets and accounts."""

    accounts: tuple[AccountTotal, ...]
    classes: tuple[ClassTotal, ...]
    assets: tuple[AssetTotal, ...]

    @property
    def is_balanced(self) -> bool:
        """True where the books hold in every asset."""
        return all(one.is_balanced for one in self.assets)


def trial_balance(parts: Iterable[DayTotals]) -> TrialBalance:
    """The trial balance of all partitions together."""
    accounts = added(parts)
    return TrialBalance(tuple(accounts), tuple(_classes(accounts)), tuple(_assets(accounts)))


def _classes(accounts: Sequence[AccountTotal]) -> list[ClassTotal]:
    by_class: dict[tuple[str, AccountClass], list[AccountTotal]] = {}
    for one in accounts:
        by_class.setdefault((one.asset, class_of(one.account)), []).append(one)
    return [ClassTotal(of, asset, *_sums(by_class[asset, of])) for asset, of in sorted(by_class)]


def _assets(accounts: Sequence[AccountTotal]) -> list[AssetTotal]:
    by_asset: dict[str, list[AccountTotal]] = {}
    for one in accounts:
        by_asset.setdefault(one.asset, []).append(one)
    return [AssetTotal(asset, *_sums(of)) for asset, of in sorted(by_asset.items())]


def _sums(totals: Sequence[AccountTotal]) -> tuple[int, int, int, int]:
    return (
        sum(one.opening_minor for one in totals),
        sum(one.debit_minor for one in totals),
        sum(one.credit_minor for one in totals),
        sum(one.closing_minor for one in totals),
    )
