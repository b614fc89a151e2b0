"""The books of one partition, kept a second time from the entries alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from ops.verify.accounts import AVAILABLE, SYSTEM, TRANSIT, holder_of
from ops.verify.agreements import Agreements
from ops.verify.findings import Check, Here
from ops.verify.postings import may_be_forced
from schemas.events import AccountBalance, Entry, LedgerEvent
from schemas.money import is_balance
from schemas.partitioning import partition_of


class _Taken(NamedTuple):
    """An account of a wallet that goes further below zero, in minor units."""

    account: str
    asset: str
    before: int
    after: int


class Books:
    """Running balances; `<account> <asset>` -> credits less debits in minor units."""

    def __init__(self, here: Here, partitions: int, agreements: Agreements):
        self._here = here
        self._partitions = partitions
        self._agreements = agreements
        self.balances: dict[str, int] = {}
        #: Holder -> how many balances it has; every wallet that was opened is a holder.
        self.holders: dict[str, int] = {}
        self.wallets = 0
        #: `<wallet> <asset>` -> what its accounts are below zero, by account.
        self._owed: dict[str, dict[str, int]] = {}
        #: The event that is being posted has taken these accounts of wallets further below zero.
        self._taken: list[_Taken] = []
        #: Of these, one beyond its credit.
        self._went_below = False
        #: False where operators adjust: that is covered by what is there.
        self._has_credit = True
        #: Stated less own balance, where they have parted: each difference is reported once.
        self._drift: dict[str, int] = {}

    def open_wallet(self, wallet_id: str | None) -> None:
        """`wallet.opened`: the wallet is new, and lives here."""
        if wallet_id is None or wallet_id in self.holders:
            self._here.report(Check.WALLET_OPENED_TWICE, f"wallet {wallet_id} is opened, but it is not new")
            return
        self.holders[wallet_id] = 0
        self.wallets += 1
        owner = partition_of(wallet_id, self._partitions)
        if owner != self._here.partition:
            self._here.report(Check.FOREIGN_WALLET, f"wallet {wallet_id} lives in partition {owner}")

    def post(self, event: LedgerEvent) -> None:
        """Post the event's entries, and compare the balances that it states."""
        entries, stated = event.entries, event.balances
        self._went_below = False
        self._has_credit = event.operation != "adjust"
        is_forced = event.forced and self._may_be_forced(event)
        if len(entries) == 2 and len(stated) == 2:  # nearly always
            one, other = entries
            afters = (self._post_entry(one), self._post_entry(other))
            is_right = _is_plain(one, other) and _is_stated(entries, afters, stated)
        else:
            is_right = False
            self._post_entries(entries)
        if self._taken:
            self._check_credit(is_forced)
        if not is_right:
            self._check_balanced(entries)
        if not is_right or self._drift:
            self._check_stated(entries, stated)
        if event.forced and not self._went_below:
            self._here.report(Check.ILLEGAL_FORCE, "it is forced, but takes nothing available below zero")

    def _may_be_forced(self, event: LedgerEvent) -> bool:
        """True where nothing refuses what the event is caused by; a refund is only forced where that was agreed."""
        is_refund = event.operation == "refund" and event.from_state is None
        return may_be_forced(event) and (not is_refund or self._agreements.may_refund_below_zero(event.wallet_id))

    def _post_entry(self, entry: Entry) -> int:
        """Post an entry; returns the balance of its account after it."""
        account, balances = entry.account, self.balances
        key = f"{account} {entry.asset}"
        before = balances.get(key)
        if before is None:
            before = 0
            self._first_posting(account)
        after = before + entry.credit_minor - entry.debit_minor
        balances[key] = after
        if after < 0:
            if not is_balance(after):
                self._out_of_range(key, after)
            if not account.startswith(SYSTEM):
                self._owe(account, entry.asset, before, after)
        elif after >= 2**63:
            self._out_of_range(key, after)
        elif before < 0 and not account.startswith(SYSTEM):
            self._owed[f"{holder_of(account)} {entry.asset}"].pop(account, None)
        return after

    def _post_entries(self, entries: tuple[Entry, ...]) -> None:
        """Post a journal: what it takes from an account and gives it, in whatever order, counts as one."""
        net: dict[tuple[str, str], int] = {}
        for entry in entries:
            key = (entry.account, entry.asset)
            net[key] = net.get(key, 0) + entry.credit_minor - entry.debit_minor
        for (account, asset), minor in net.items():
            self._post_entry(Entry(account, asset, max(0, -minor), max(0, minor)))

    def _owe(self, account: str, asset: str, before: int, after: int) -> None:
        """A wallet's account is below zero."""
        self._owed.setdefault(f"{holder_of(account)} {asset}", {})[account] = after
        if after < before:
            self._taken.append(_Taken(account, asset, before, after))

    def _check_credit(self, is_forced: bool) -> None:
        """Accounts go further below zero; so far as credit was agreed, nothing has to be forced.

        The credit is the wallet's: what its other accounts owe has used it.
        """
        for account, asset, before, after in self._taken:
            is_available, holder = account.endswith(AVAILABLE), holder_of(account)
            if is_available and self._has_credit:
                owed_minor = sum(self._owed[f"{holder} {asset}"].values())
                if owed_minor >= -self._agreements.credit_minor(account, asset):
                    continue
            self._went_below = True
            if not (is_forced and is_available):
                self._here.report(Check.NEGATIVE_BALANCE, f"{account} goes from {before} to {after} {asset}")
        self._taken = []

    def _out_of_range(self, key: str, after: int) -> None:
        self._here.report(Check.BALANCE_OUT_OF_RANGE, f"{key} goes to {after}")

    def _first_posting(self, account: str) -> None:
        holder = holder_of(account)
        if holder not in self.holders and holder is not account:
            owner = partition_of(holder, self._partitions)
            if owner != self._here.partition:
                self._here.report(
                    Check.FOREIGN_WALLET, f"money is posted to {account}, whose wallet lives in partition {owner}"
                )
            self._here.report(Check.UNKNOWN_WALLET, f"money is posted to {account}, whose wallet was never opened")
        self.holders[holder] = self.holders.get(holder, 0) + 1

    def _check_balanced(self, entries: tuple[Entry, ...]) -> None:
        sums: dict[str, int] = {}
        for entry in entries:
            debit, credit = entry.debit_minor, entry.credit_minor
            if debit < 0 or credit < 0 or (debit == 0) == (credit == 0):
                self._here.report(
                    Check.UNBALANCED_JOURNAL,
                    f"an entry of {entry.account} debits {debit} and credits {credit}: it must do one, above zero",
                )
            sums[entry.asset] = sums.get(entry.asset, 0) + credit - debit
        if any(sums.values()):
            self._here.report(Check.UNBALANCED_JOURNAL, f"credits less debits are {sums}")

    def _check_stated(self, entries: tuple[Entry, ...], stated: tuple[AccountBalance, ...]) -> None:
        balances, drift = self.balances, self._drift
        named = set()
        for balance in stated:
            key = f"{balance.account} {balance.asset}"
            named.add(key)
            own = balances.get(key)
            if own != balance.balance_minor or drift:
                self._compare(key, own, balance.balance_minor)
        touched = {f"{entry.account} {entry.asset}" for entry in entries}
        if touched != named or len(stated) != len(named):
            self._here.report(Check.WRONG_BALANCE, "the event does not state the balance of each account touched, once")

    def _compare(self, key: str, own_minor: int | None, stated_minor: int) -> None:
        difference = stated_minor - (own_minor or 0)
        if difference != self._drift.get(key, 0):
            self._here.report(Check.WRONG_BALANCE, f"{key} is stated as {stated_minor}, the entries make {own_minor}")
        if difference:
            self._drift[key] = difference
        else:
            self._drift.pop(key, None)

    def difference(self, holder: str, accounts: Mapping[str, int]) -> str | None:
        """What differs between these accounts of a holder (`<account> <asset>` -> minor units) and the books."""
        for key, minor in accounts.items():
            own = self.balances.get(key)
            if own != minor:
                return f"{key} is {minor}, the ledger makes it {'no account' if own is None else own}"
        if len(accounts) != self.holders.get(holder, 0):
            return f"{holder} has {len(accounts)} balances, the ledger makes them {self.holders.get(holder, 0)}"
        return None

    def sums(self) -> dict[str, int]:
        """Sum of all accounts of this partition, by asset."""
        sums: dict[str, int] = {}
        for key, minor in self.balances.items():
            asset = key.rpartition(" ")[2]
            sums[asset] = sums.get(asset, 0) + minor
        return sums

    def transit(self) -> dict[str, int]:
        """Balance of this partition's shard of transit, by asset."""
        prefix = TRANSIT + " "
        return {key[len(prefix) :]: minor for key, minor in self.balances.items() if key.startswith(prefix)}


def _is_plain(one: Entry, other: Entry) -> bool:
    """True where one account gives, above zero, what another gets."""
    minor = one.debit_minor
    return (
        minor > 0
        and minor == other.credit_minor
        and not one.credit_minor
        and not other.debit_minor
        and one.asset == other.asset
    )


def _is_stated(entries: tuple[Entry, ...], afters: tuple[int, int], stated: tuple[AccountBalance, ...]) -> bool:
    """True where two balances are stated in the order of two entries."""
    (one, other), (first, second) = entries, stated
    return (
        first.balance_minor == afters[0]
        and second.balance_minor == afters[1]
        and first.account == one.account
        and second.account == other.account
        and first.asset == one.asset
        and second.asset == other.asset
        and one.account != other.account
    )
