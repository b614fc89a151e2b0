"""The part of `apply` that keeps rewards which expire: what is left of each, and what spendings have taken of them."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec.structs

from agents.ledger.accounts import AVAILABLE, available, holder_of, holder_of_key
from agents.ledger.apply_open import change_wallet, first_due_of_wallet_ms, wallet_of
from agents.ledger.keys import due_key, due_of_wallet_key
from agents.ledger.lots import coming_back, take, with_lots
from agents.ledger.state import LOT_ASSETS, LedgerState
from agents.ledger.transaction import Lot, Transaction
from schemas.clock import unix_ms
from schemas.events import Entry, LedgerEvent
from schemas.lifecycle import State
from schemas.money import INT64_MAX

_SPENT_FROM = f"/{AVAILABLE}"


def add_lot(state: LedgerState, event: LedgerEvent, account: str) -> None:
    """A reward that expires."""
    wallet = wallet_of(state, event.wallet_id)
    if not wallet.has_lots:
        change_wallet(state, event.wallet_id, has_lots=True)
    assert event.due_at is not None
    assert event.transaction_id is not None
    key = f"{account} {event.asset}"
    lot = Lot(event.transaction_id, unix_ms(event.due_at), event.amount_minor or 0)
    state.lots.put(key, with_lots(state.lots.get(key) or (), (lot,)))
    known = state.overlay.table(LOT_ASSETS)
    if known.get(lot_asset := event.asset or "") is None:
        known.put(lot_asset, True)
    state.lot_assets.add(lot_asset)


def drop_lots(state: LedgerState, of: Transaction, transaction_id: str) -> None:
    """What is left of a reward counts as one no more, wherever its wallet has moved it."""
    for account, _ in lots_of(state, of, transaction_id):
        key = f"{account} {of.asset}"
        lots = tuple(lot for lot in state.lots.get(key) or () if lot.transaction_id != transaction_id)
        state.lots.put(key, lots or None)


def lots_of(state: LedgerState, of: Transaction, transaction_id: str) -> list[tuple[str, Lot]]:
    """What is left of a reward, by account: its wallet may have moved it to other sub-wallets."""
    found = []
    for sub_wallet in wallet_of(state, of.wallet_id).sub_wallets:
        account = available(of.wallet_id, sub_wallet)
        lots = state.lots.get(f"{account} {of.asset}") or ()
        found += [(account, lot) for lot in lots if lot.transaction_id == transaction_id]
    return found


def spend_lots(state: LedgerState, entries: Sequence[Entry], first: str | None = None) -> tuple[Lot, ...]:
    """Take of the rewards of each account what its entries take from it in all; returns what was spent of them.

    `first` is the reward that goes before all others, if it is there. What a wallet moves to another sub-wallet is not
    spent: the rewards go along, and expire there. A fee for that takes of them too, and is not given back in rewards.
    """
    if len(entries) == 2:  # nearly always
        one, other = entries
        if one.asset not in state.lot_assets:
            return ()
        if one.account != other.account:
            taker, giver = (one, other) if one.debit_minor else (other, one)
            if not _is_spent(state, taker):
                return ()
            taken = _spend(state, f"{taker.account} {taker.asset}", taker.debit_minor, first)
            if taken and _is_spent(state, giver) and holder_of(giver.account) == holder_of(taker.account):
                return _move_within(state, taken, {f"{giver.account} {giver.asset}": giver.credit_minor})
            return taken
    net: dict[str, int] = {}
    for entry in entries:
        if _is_spent(state, entry):
            key = f"{entry.account} {entry.asset}"
            net[key] = net.get(key, 0) + entry.debit_minor - entry.credit_minor
    spent: tuple[Lot, ...] = ()
    for key, minor in net.items():
        if minor > 0:
            taken = _spend(state, key, minor, first)
            spent += _move_within(state, taken, _gained_within(net, key)) if taken else ()
    return spent


def _gained_within(net: dict[str, int], key: str) -> dict[str, int]:
    """What a journal gives to other accounts of the wallet and asset that it takes from by `key`."""
    holder, asset = holder_of_key(key), key.rpartition(" ")[2]
    same = [one for one in net if holder_of_key(one) == holder and one.rpartition(" ")[2] == asset]
    return {one: -net[one] for one in same if net[one] < 0}


def _move_within(state: LedgerState, taken: tuple[Lot, ...], gained: dict[str, int]) -> tuple[Lot, ...]:
    """Rewards that are taken go to the accounts of the same wallet that gain by it; returns what is spent instead."""
    if not gained:
        return taken
    for key, minor in gained.items():
        taken, moved = take(taken, minor)
        if moved:
            state.lots.put(key, with_lots(state.lots.get(key) or (), moved))
    return ()


def _is_spent(state: LedgerState, entry: Entry) -> bool:
    """True where an entry is of an account that may hold rewards."""
    account = entry.account
    if entry.asset not in state.lot_assets or not account.endswith(_SPENT_FROM):
        return False
    wallet = state.wallets.get(holder_of(account))
    return wallet is not None and wallet.has_lots


def _spend(state: LedgerState, key: str, minor: int, first: str | None) -> tuple[Lot, ...]:
    lots = state.lots.get(key)
    if not lots:
        return ()
    if first is not None:
        lots = tuple(sorted(lots, key=lambda lot: lot.transaction_id != first))
    left, taken = take(lots, minor)
    state.lots.put(key, with_lots((), left) or None)
    return taken


def return_lots(state: LedgerState, event: LedgerEvent, of: Transaction, back_minor: int) -> Transaction:
    """So much of a spending is given back: its rewards come back last. Returns the transaction, which counts it."""
    now_ms = unix_ms(event.recorded_at)
    back = coming_back(of.lots, of.amount_minor, of.lots_back_minor, back_minor, now_ms)
    for lot in back:
        _revive(state, of, lot, now_ms)
    # A rail may return refunds again and again: once all has come back, how often does not matter any more.
    return msgspec.structs.replace(of, lots_back_minor=min(of.lots_back_minor + back_minor, INT64_MAX))


def return_spent(state: LedgerState, event: LedgerEvent, of: Transaction, back_minor: int) -> Transaction:
    """`return_lots` of what was spent at once; of a capture with it what its authorization has spent.

    What a capture took beyond its authorization comes back last.
    """
    if of.operation == "capture" and of.parent_transaction_id is not None and of.asset in state.lot_assets:
        now_ms = unix_ms(event.recorded_at)
        authorization = state.transaction(of.parent_transaction_id, now_ms)
        if authorization is not None and authorization.lots:
            held_minor = max(0, of.amount_minor - sum(lot.remaining_minor for lot in of.lots))
            before_minor = min(held_minor, of.lots_back_minor)
            held_back_minor = min(held_minor, of.lots_back_minor + back_minor) - before_minor
            after = return_lots(state, event, authorization, held_back_minor)
            state.keep(of.parent_transaction_id, authorization, after, now_ms)
            return return_lots(state, event, of, back_minor)
    return return_lots(state, event, of, back_minor) if of.lots else of


def _revive(state: LedgerState, spending: Transaction, lot: Lot, now_ms: int) -> None:
    """Part of a reward may be spent again, and expires anew; not of one that was reversed, which is gone as a whole.

    It comes back to where it was spent. All that is left of a reward expires at one time, wherever it is.
    """
    reward_id = lot.transaction_id
    reward = state.transaction(reward_id, now_ms)
    if reward is None or reward.state == State.REVERSED:
        return
    back_to = spending.sub_wallet if spending.wallet_id == reward.wallet_id else reward.sub_wallet
    _put_lot(state, f"{available(reward.wallet_id, back_to)} {reward.asset}", lot)
    left = lots_of(state, reward, reward_id)
    expires_at_ms = max([one.expires_at_ms for _, one in left])
    for account, one in left:
        if one.expires_at_ms != expires_at_ms:
            _put_lot(state, f"{account} {reward.asset}", Lot(reward_id, expires_at_ms, 0))
    if expires_at_ms != reward.due_at_ms:
        _move_due(state, reward_id, reward, expires_at_ms, now_ms)


def _put_lot(state: LedgerState, key: str, lot: Lot) -> None:
    state.lots.put(key, with_lots(state.lots.get(key) or (), (lot,)))


def _move_due(state: LedgerState, transaction_id: str, reward: Transaction, due_at_ms: int, now_ms: int) -> None:
    if reward.due_at_ms:
        state.due.delete(due_key(reward.due_at_ms, transaction_id))
        state.due_of_wallet.delete(due_of_wallet_key(reward.wallet_id, reward.due_at_ms, transaction_id))
    state.due.put(due_key(due_at_ms, transaction_id), reward.wallet_id)
    state.due_of_wallet.put(due_of_wallet_key(reward.wallet_id, due_at_ms, transaction_id), transaction_id)
    change_wallet(state, reward.wallet_id, due_at_ms=first_due_of_wallet_ms(state, reward.wallet_id))
    state.keep(transaction_id, reward, msgspec.structs.replace(reward, due_at_ms=due_at_ms), now_ms)
