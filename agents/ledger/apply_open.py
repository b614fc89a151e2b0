"""The part of `apply` that keeps what is open: how much of it there is, what may come back, and when it is due."""

from __future__ import annotations

import msgspec.structs

from agents.ledger.accounts import SHARED, TRANSIT, available, held
from agents.ledger.keys import due_key, due_of_wallet_key
from agents.ledger.state import LedgerState, Wallet, to_be_taken
from schemas.events import Entry, LedgerEvent


def change_wallet(ledger: LedgerState, wallet_id: str | None, /, **changes: object) -> None:
    """Put a wallet with some fields changed."""
    wallet = wallet_of(ledger, wallet_id)
    assert wallet_id is not None
    ledger.wallets.put(wallet_id, msgspec.structs.replace(wallet, **changes))


def wallet_of(state: LedgerState, wallet_id: str | None) -> Wallet:
    """A wallet that there is."""
    assert wallet_id is not None
    wallet = state.wallets.get(wallet_id)
    assert wallet is not None
    return wallet


def count_under_way(state: LedgerState, wallet_id: str, sub_wallet: str, journal: tuple[Entry, ...], by: int) -> None:
    """The most that may yet come to what the wallet can spend, and leave transit, by a journal.

    That is what it took, its fee too, or what it has set aside. What was held may come back as available: its hold may
    be over by then. Of what fees and exchanges are against, what may come back and what may be taken are not set off:
    the one may come about without the other.
    """
    own, to, on_hold = f"{wallet_id}/{sub_wallet}/", available(wallet_id, sub_wallet), held(wallet_id, sub_wallet)
    took: dict[str, int] = {}
    aside: dict[str, int] = {}
    shared: dict[tuple[str, str], int] = {}
    for entry in journal:
        account, asset, minor = entry.account, entry.asset, entry.credit_minor - entry.debit_minor
        if account == TRANSIT:
            add_under_way(state, account, asset, -by * minor)
        elif account in SHARED:
            shared[account, asset] = shared.get((account, asset), 0) + minor
        elif account in (to, on_hold):
            took[asset] = took.get(asset, 0) - minor
        elif account.startswith(own):
            aside[asset] = aside.get(asset, 0) + minor
    for asset in {**took, **aside}:
        add_under_way(state, to, asset, by * max(0, took.get(asset, 0), aside.get(asset, 0)))
    for (account, asset), minor in shared.items():
        add_under_way(state, to_be_taken(account) if minor > 0 else account, asset, by * abs(minor))


def add_under_way(state: LedgerState, account: str, asset: str, minor: int) -> None:
    """So much more may yet come to an account, or less."""
    if minor:
        key = f"{account} {asset}"
        state.under_way.put(key, (state.under_way.get(key) or 0) + minor)


def count_open(state: LedgerState, wallet_id: str | None, by: int) -> None:
    """One open transaction more or less."""
    change_wallet(state, wallet_id, open_transactions=wallet_of(state, wallet_id).open_transactions + by)


def add_due(state: LedgerState, event: LedgerEvent, due_at_ms: int) -> None:
    """The transaction of an event is due then."""
    wallet_id, transaction_id = event.wallet_id, event.transaction_id
    assert wallet_id is not None
    assert transaction_id is not None
    state.due.put(due_key(due_at_ms, transaction_id), wallet_id)
    state.due_of_wallet.put(due_of_wallet_key(wallet_id, due_at_ms, transaction_id), transaction_id)
    first_ms = wallet_of(state, wallet_id).due_at_ms
    if not first_ms or due_at_ms < first_ms:
        change_wallet(state, wallet_id, due_at_ms=due_at_ms)


def remove_due(state: LedgerState, event: LedgerEvent, due_at_ms: int) -> None:
    """The transaction of an event is due no more."""
    wallet_id, transaction_id = event.wallet_id, event.transaction_id
    assert wallet_id is not None
    assert transaction_id is not None
    state.due.delete(due_key(due_at_ms, transaction_id))
    state.due_of_wallet.delete(due_of_wallet_key(wallet_id, due_at_ms, transaction_id))
    wallet = wallet_of(state, wallet_id)
    if wallet.due_at_ms == due_at_ms:
        # A look into the store that most wallets, having one thing due at a time, can do without.
        is_last = wallet.open_transactions == 1 and not wallet.has_lots
        first_ms = 0 if is_last else first_due_of_wallet_ms(state, wallet_id)
        change_wallet(state, wallet_id, due_at_ms=first_ms)


def first_due_of_wallet_ms(state: LedgerState, wallet_id: str) -> int:
    """When the wallet's next transaction is due; 0 where none is."""
    # No key of another wallet begins so, and a `!` is what follows a blank.
    for key, _ in state.due_of_wallet.scan(f"{wallet_id} ", f"{wallet_id}!"):
        return int(key.split(" ")[1])
    return 0
