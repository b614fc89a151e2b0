"""Journals: what they move, whether there is room for it, and what takes them back."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from agents.ledger.accounts import SHARED, TRANSIT
from agents.ledger.state import LedgerState, to_be_taken
from schemas.events import AccountBalance, Entry
from schemas.money import INT64_MAX, INT64_MIN, is_balance

#: Account, asset, and what it gains in minor units; less than 0 is taken from it.
Move = tuple[str, str, int]


class Journal(msgspec.Struct, frozen=True, gc=False):
    """Entries whose debits equal their credits, and the balances of the accounts after them."""

    entries: tuple[Entry, ...]
    balances: tuple[AccountBalance, ...]


def post(state: LedgerState, debit: str, credit: str, asset: str, amount_minor: int) -> Journal | None:
    """The journal that moves `amount_minor` from `debit` to `credit`; None where a balance would leave int64."""
    debited = state.balance_minor(debit, asset) - amount_minor
    credited = state.balance_minor(credit, asset) + amount_minor
    if debited < INT64_MIN or credited > INT64_MAX:
        return None
    return Journal(
        (Entry(debit, asset, amount_minor), Entry(credit, asset, 0, amount_minor)),
        (AccountBalance(debit, asset, debited), AccountBalance(credit, asset, credited)),
    )


def leaves_room(state: LedgerState, after: AccountBalance) -> bool:
    """True where a balance would stay within int64 even if every open saga of the partition were given back.

    Asked of whatever adds to a wallet's account, takes from transit, or moves what fees and exchanges are against. The
    opening of a saga takes from the one and adds to the other what may come back, so that it leaves as much room as
    there was.
    """
    if after.account in SHARED:
        taken_minor = state.under_way_minor(to_be_taken(after.account), after.asset)
        if after.balance_minor - taken_minor < INT64_MIN:
            return False
    return INT64_MIN <= after.balance_minor + state.under_way_minor(after.account, after.asset) <= INT64_MAX


def fits_in_transit(state: LedgerState, asset: str, amount_minor: int) -> bool:
    """True where so much more may be in transit: what may leave it again is counted, and fits int64 as well.

    Its balance does not tell: what comes from other partitions is taken from it.
    """
    return amount_minor - state.under_way_minor(TRANSIT, asset) <= INT64_MAX


def has_room_after(state: LedgerState, journal: Journal, account: str, asset: str) -> bool:
    """`leaves_room` of an account after a journal, which may give it nothing: what comes back may be floored to 0."""
    return all(
        leaves_room(state, after) for after in journal.balances if after.account == account and after.asset == asset
    )


def room_minor(state: LedgerState, account: str, asset: str) -> int:
    """The most that an account can take, whatever else comes to it."""
    return max(0, INT64_MAX - state.balance_minor(account, asset) - state.under_way_minor(account, asset))


def has_room(state: LedgerState, account: str, asset: str, amount_minor: int) -> bool:
    """True where an amount may come to an account later: it would stay within int64 whatever else comes to it."""
    return leaves_room(state, AccountBalance(account, asset, state.balance_minor(account, asset) + amount_minor))


def inverse(state: LedgerState, entries: tuple[Entry, ...]) -> Journal:
    """The exact inverse of a journal: what a compensation posts. Never refused: `leaves_room` kept room for it."""
    reversed_entries = tuple(
        Entry(e.account, e.asset, debit_minor=e.credit_minor, credit_minor=e.debit_minor) for e in entries
    )
    after = {(e.account, e.asset): state.balance_minor(e.account, e.asset) for e in entries}
    for entry in reversed_entries:
        after[entry.account, entry.asset] += entry.credit_minor - entry.debit_minor
    balances = tuple(AccountBalance(account, asset, minor) for (account, asset), minor in after.items())
    return Journal(reversed_entries, balances)


def renamed(entries: tuple[Entry, ...], from_: str, to: str) -> tuple[Entry, ...]:
    """Entries with one account in place of another, those of the same account and asset as one."""
    sums: dict[tuple[str, str], int] = {}
    for entry in entries:
        key = (to if entry.account == from_ else entry.account, entry.asset)
        sums[key] = sums.get(key, 0) + entry.credit_minor - entry.debit_minor
    return tuple(
        Entry(name, asset, debit_minor=-minor) if minor < 0 else Entry(name, asset, credit_minor=minor)
        for (name, asset), minor in sums.items()
        if minor
    )


def post_moves(state: LedgerState, moves: Sequence[Move]) -> Journal | None:
    """The journal of these moves, an entry each but for those of 0; they add up to 0 for each asset.

    None where a balance would leave int64, now or by what may come back to fees and exchanges or be taken of them.
    """
    after: dict[tuple[str, str], int] = {}
    entries = []
    for account, asset, minor in moves:
        if minor:
            key = (account, asset)
            after[key] = after.get(key, state.balance_minor(account, asset)) + minor
            entries.append(Entry(account, asset, -minor) if minor < 0 else Entry(account, asset, 0, minor))
    if not all(map(is_balance, after.values())):
        return None
    balances = tuple([AccountBalance(account, asset, minor) for (account, asset), minor in after.items()])
    if not all(leaves_room(state, one) for one in balances if one.account in SHARED):
        return None
    return Journal(tuple(entries), balances)


def post_all(state: LedgerState, asset: str, moves: Sequence[tuple[str, int]]) -> Journal | None:
    """The same, of moves of a single asset."""
    return post_moves(state, [(account, asset, minor) for account, minor in moves])
