"""`apply`: fold one event into the state. Pure, and the only code that changes the state."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec.structs

from agents.ledger.accounts import holder_of
from agents.ledger.apply_lots import spend_lots
from agents.ledger.apply_open import change_wallet
from agents.ledger.apply_transactions import (
    change_transaction,
    keep_leg,
    keep_rail_facts,
    keep_spent,
    settle_transaction,
)
from agents.ledger.apply_waiting import leave_to_a_person, screen_transaction
from agents.ledger.keys import parked_key, scope
from agents.ledger.state import LedgerState, SubWallet, Terms, Wallet, compact
from agents.ledger.transaction import Lot
from schemas import events as ev
from schemas.clock import unix_ms
from schemas.codes import NOT_FROZEN
from schemas.events import Entry, LedgerEvent

_NOT_FROZEN: Final = frozenset(code.value for code in NOT_FROZEN)


class UnbalancedJournal(Exception):
    """The debits of a journal do not equal its credits: a bug in `decide`. Nothing of it is kept."""


def apply(state: LedgerState, event: LedgerEvent, written: bytes) -> None:
    """Fold `event` into `state`; `written` is how it stands in the log.

    Raises:
        UnbalancedJournal: debits and credits differ in some asset.
    """
    spent: tuple[Lot, ...] = ()
    if event.entries:
        _post(state, event.entries)
        if state.lot_assets:
            # A reward that is taken back is taken of itself.
            first = event.parent_transaction_id if event.operation == "reverse" else None
            spent = spend_lots(state, event.entries, first)
    change = _CHANGES.get(event.type)
    if change is not None:
        change(state, event)
    if spent:
        keep_spent(state, event, spent)
    cause = event.cause
    if cause is not None and cause.fingerprint is not None and event.code not in _NOT_FROZEN:
        # What a key was answered is a projection of its event, and so is what it stood for.
        topic = cause.topic if cause.origin is None else cause.origin.topic
        key = scope(topic, event.wallet_id or "", cause.idempotency_key or "")
        state.first_events.put(key, written, unix_ms(event.recorded_at))


def _post(state: LedgerState, entries: tuple[Entry, ...]) -> None:
    """Add the entries to the balances of their accounts."""
    _assert_balanced(entries)
    balances = state.balances
    for entry in entries:
        key = f"{entry.account} {entry.asset}"
        before = balances.get(key)
        if before is None:
            before = 0
            holder = holder_of(entry.account)
            state.accounts.put(holder, (*(state.accounts.get(holder) or ()), key))
        balances.put(key, before + entry.credit_minor - entry.debit_minor)


def _assert_balanced(entries: tuple[Entry, ...]) -> None:
    if len(entries) == 2:
        one, other = entries
        if one.debit_minor == other.credit_minor and one.credit_minor == other.debit_minor and one.asset == other.asset:
            return
    sums: dict[str, int] = {}
    for entry in entries:
        sums[entry.asset] = sums.get(entry.asset, 0) + entry.credit_minor - entry.debit_minor
    if any(sums.values()):
        raise UnbalancedJournal(f"credits less debits: {sums}")


def _wallet_opened(state: LedgerState, event: LedgerEvent) -> None:
    facts, wallet_id = event.wallet, event.wallet_id
    assert facts is not None
    assert wallet_id is not None
    opened = Wallet(
        facts.owner_ref or "", facts.kind or "customer", "active", facts.assets, {"main": SubWallet("main")}
    )
    state.wallets.put(wallet_id, compact(opened))


def _sub_wallet_opened(state: LedgerState, event: LedgerEvent) -> None:
    facts = event.wallet
    assert facts is not None
    assert facts.sub_wallet is not None
    assert event.wallet_id is not None
    wallet = state.wallets.get(event.wallet_id)
    assert wallet is not None
    opened = SubWallet(facts.sub_wallet_kind or "main", facts.payee_wallet_id)
    change_wallet(state, event.wallet_id, sub_wallets={**wallet.sub_wallets, facts.sub_wallet: opened})


def _asset_enabled(state: LedgerState, event: LedgerEvent) -> None:
    assert event.wallet is not None
    change_wallet(state, event.wallet_id, assets=event.wallet.assets)


def _wallet_state_changed(state: LedgerState, event: LedgerEvent) -> None:
    assert event.wallet is not None
    change_wallet(state, event.wallet_id, state=event.wallet.state)


def _wallet_limits_set(state: LedgerState, event: LedgerEvent) -> None:
    facts = event.wallet
    assert facts is not None
    tier = _terms(state, event).tier
    terms = Terms(tier, facts.limits or {}, facts.over_capture_bps or 0, facts.refunds_below_zero or False)
    change_wallet(state, event.wallet_id, terms=terms)


def _wallet_tier_set(state: LedgerState, event: LedgerEvent) -> None:
    assert event.wallet is not None
    terms = msgspec.structs.replace(_terms(state, event), tier=event.wallet.tier)
    change_wallet(state, event.wallet_id, terms=terms)


def _terms(state: LedgerState, event: LedgerEvent) -> Terms:
    wallet = state.wallets.get(event.wallet_id or "")
    return Terms() if wallet is None or wallet.terms is None else wallet.terms


def _wallet_quarantined(state: LedgerState, event: LedgerEvent) -> None:
    # Whatever went wrong, a release that was under way has to be ordered anew.
    change_wallet(state, event.wallet_id, quarantined=True, releasing=False)
    if event.parked is not None:
        _request_parked(state, event)


def _wallet_releasing(state: LedgerState, event: LedgerEvent) -> None:
    """The first parked records are executed next; as many as the event says still wait behind them."""
    assert event.wallet is not None
    assert event.wallet.parked is not None
    _take_parked(state, event, event.wallet.parked, releasing=True)


def _wallet_released(state: LedgerState, event: LedgerEvent) -> None:
    _take_parked(state, event, 0, releasing=False, quarantined=False)


def _take_parked(state: LedgerState, event: LedgerEvent, left: int, **changes: object) -> None:
    assert event.wallet_id is not None
    wallet = state.wallets.get(event.wallet_id)
    assert wallet is not None
    first, end = wallet.first_parked, wallet.first_parked + wallet.parked - left
    for number in range(first, end):
        state.parked.delete(parked_key(event.wallet_id, number))
    change_wallet(state, event.wallet_id, parked=left, first_parked=end if left else 0, **changes)


def _request_parked(state: LedgerState, event: LedgerEvent) -> None:
    assert event.wallet_id is not None
    assert event.parked is not None
    wallet = state.wallets.get(event.wallet_id)
    assert wallet is not None
    state.parked.put(parked_key(event.wallet_id, wallet.first_parked + wallet.parked), event.parked)
    change_wallet(state, event.wallet_id, parked=wallet.parked + 1)


_CHANGES: Final[dict[str, Callable[[LedgerState, LedgerEvent], None]]] = {
    ev.WALLET_OPENED: _wallet_opened,
    ev.SUB_WALLET_OPENED: _sub_wallet_opened,
    ev.ASSET_ENABLED: _asset_enabled,
    ev.WALLET_STATE_CHANGED: _wallet_state_changed,
    ev.WALLET_LIMITS_SET: _wallet_limits_set,
    ev.WALLET_TIER_SET: _wallet_tier_set,
    ev.WALLET_QUARANTINED: _wallet_quarantined,
    ev.WALLET_RELEASING: _wallet_releasing,
    ev.WALLET_RELEASED: _wallet_released,
    ev.REQUEST_PARKED: _request_parked,
    ev.TRANSACTION_INITIATED: change_transaction,
    ev.TRANSACTION_PROCESSED: change_transaction,
    ev.TRANSACTION_SETTLED: settle_transaction,
    ev.TRANSACTION_FAILED: change_transaction,
    ev.TRANSACTION_CANCELED: change_transaction,
    ev.TRANSACTION_DISPUTED: change_transaction,
    ev.TRANSACTION_REVERSED: change_transaction,
    ev.TRANSACTION_SUBMITTED: change_transaction,
    ev.REWARD_EXPIRED: change_transaction,
    ev.TRANSACTION_RETURNED: change_transaction,
    ev.TRANSACTION_CONTRADICTED: keep_rail_facts,
    ev.TRANSACTION_SCREENED: screen_transaction,
    ev.TRANSACTION_OVERDUE: leave_to_a_person,
    ev.TRANSFER_RECEIVED: keep_leg,
    ev.TRANSFER_REFUSED: keep_leg,
}
