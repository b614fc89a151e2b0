"""The part of `apply` that keeps rewards which expire: what is left of each, and what spendings have taken of them."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec.structs

from agents.ledger.accounts import AVAILABLE
from agents.ledger.keys import due_key, due_of_wallet_key
from agents.ledger.lots import coming_back, take, with_lots
from agents.ledger.state import EVER_HAD_LOTS, LedgerState, Lot, Transaction
from schemas.clock import unix_ms
from schemas.events import Entry, LedgerEvent

_SPENT_FROM = f"/{AVAILABLE}"


def add_lot(state: LedgerState, event: LedgerEvent, account: str) -> None:
    """A reward that expires."""
    assert event.due_at is not None
    assert event.transaction_id is not None
    key = f"{account} {event.asset}"
    lot = Lot(event.transaction_id, unix_ms(event.due_at), event.amount_minor or 0)
    state.lots.put(key, with_lots(state.lots.get(key) or (), (lot,)))
    if state.lots.get(EVER_HAD_LOTS) is None:
        # Kept for good: a reward is due, and may come back, even when nothing is left of it.
        state.lots.put(EVER_HAD_LOTS, ())
    state.has_lots = True


def drop_lot(state: LedgerState, key: str, transaction_id: str) -> None:
    """What is left of a reward counts as one no more."""
    lots = tuple(lot for lot in state.lots.get(key) or () if lot.transaction_id != transaction_id)
    state.lots.put(key, lots or None)


def spend_lots(state: LedgerState, entries: Sequence[Entry]) -> tuple[Lot, ...]:
    """Take of the rewards of each account what its entries take from it in all; returns what was taken."""
    if len(entries) == 2:  # nearly always
        one, other = entries
        if one.account != other.account:
            taker = one if one.debit_minor else other
            return _spend(state, f"{taker.account} {taker.asset}", taker.debit_minor) if _is_spent(taker) else ()
    net: dict[str, int] = {}
    for entry in entries:
        if _is_spent(entry):
            key = f"{entry.account} {entry.asset}"
            net[key] = net.get(key, 0) + entry.debit_minor - entry.credit_minor
    spent: tuple[Lot, ...] = ()
    for key, minor in net.items():
        if minor > 0:
            spent += _spend(state, key, minor)
    return spent


def _is_spent(entry: Entry) -> bool:
    return entry.account.endswith(_SPENT_FROM)


def _spend(state: LedgerState, key: str, minor: int) -> tuple[Lot, ...]:
    lots = state.lots.get(key)
    if not lots:
        return ()
    left, taken = take(lots, minor)
    state.lots.put(key, left or None)
    return taken


def return_lots(state: LedgerState, event: LedgerEvent, of: Transaction, back_minor: int) -> Transaction:
    """So much of a spending is given back: its rewards come back last. Returns the transaction, which counts it."""
    now_ms = unix_ms(event.recorded_at)
    back = coming_back(of.lots, of.amount_minor, of.lots_back_minor, back_minor, now_ms)
    for lot in back:
        _revive(state, lot, now_ms)
    return msgspec.structs.replace(of, lots_back_minor=of.lots_back_minor + back_minor)


def _revive(state: LedgerState, lot: Lot, now_ms: int) -> None:
    """Part of a reward may be spent again, and expires anew."""
    reward = state.transactions.get(lot.transaction_id, now_ms)
    if reward is None:
        return
    account = f"{reward.wallet_id}/{reward.sub_wallet}/{AVAILABLE}"
    lots_key = f"{account} {reward.asset}"
    lots = with_lots(state.lots.get(lots_key) or (), (lot,))
    state.lots.put(lots_key, lots)
    expires_at_ms = next(one.expires_at_ms for one in lots if one.transaction_id == lot.transaction_id)
    if expires_at_ms != reward.due_at_ms:
        _move_due(state, lot.transaction_id, reward, expires_at_ms)


def _move_due(state: LedgerState, transaction_id: str, reward: Transaction, due_at_ms: int) -> None:
    wallet = state.wallets.get(reward.wallet_id)
    assert wallet is not None
    if reward.due_at_ms:
        state.due.delete(due_key(reward.due_at_ms, transaction_id))
        state.due_of_wallet.delete(due_of_wallet_key(reward.wallet_id, reward.due_at_ms, transaction_id))
    state.due.put(due_key(due_at_ms, transaction_id), reward.wallet_id)
    state.due_of_wallet.put(due_of_wallet_key(reward.wallet_id, due_at_ms, transaction_id), transaction_id)
    if not wallet.due_at_ms or due_at_ms < wallet.due_at_ms:
        state.wallets.put(reward.wallet_id, msgspec.structs.replace(wallet, due_at_ms=due_at_ms))
    changed = msgspec.structs.replace(reward, due_at_ms=due_at_ms)
    state.transactions.put(transaction_id, changed, reward.opened_at_ms)
