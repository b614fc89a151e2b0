"""The part of `apply` that keeps transactions: that they are settled at once, begin, move on, and end."""

from __future__ import annotations

from typing import Final

import msgspec.structs

from agents.ledger.accounts import available
from agents.ledger.apply_begin import begin_transaction, key_of_batch, put_transaction
from agents.ledger.apply_lots import drop_lots, return_lots, return_spent
from agents.ledger.apply_open import add_under_way, count_open, count_under_way, remove_due
from agents.ledger.apply_originals import ACTS_ON_PARENT, count_on_parent, end_on_parent, found
from agents.ledger.apply_spending import count_forced, sum_minor, uncount_spent
from agents.ledger.apply_waiting import execute_waiting
from agents.ledger.state import LedgerState
from agents.ledger.transaction import Counter, Lot, OnRail, Transaction, is_open
from schemas.clock import unix_ms
from schemas.events import REWARD_EXPIRED, LedgerEvent


def change_transaction(state: LedgerState, event: LedgerEvent) -> None:
    """`transaction.*`: a transaction that is new, or a move of one that there is."""
    if event.from_state is None:
        begin_transaction(state, event)
    else:
        _move(state, event)


#: Operations that leave nothing to count where they settle at once, as nearly all do.
_PLAIN: Final = frozenset({"credit", "debit", "transfer"})


def settle_transaction(state: LedgerState, event: LedgerEvent) -> None:
    """`transaction.settled`: short for what is kept and has nothing more to it, else as any change."""
    wallet_id, cause = event.wallet_id or "", event.cause
    wallet = state.wallets.get(wallet_id)
    if (
        event.from_state is not None
        or event.operation not in _PLAIN
        or event.fee is not None
        or event.exchange is not None
        or wallet is None
        or wallet.terms is not None
    ):
        change_transaction(state, event)
        return
    assert cause is not None
    assert event.transaction_id is not None
    opened_at_ms = unix_ms(event.recorded_at)
    source, to, rail = cause.origin or cause, event.counterparty, event.rail
    transaction = Transaction(
        event.operation or "",
        "settled",
        "ok",
        wallet_id,
        event.sub_wallet or "main",
        event.asset or "",
        event.amount_minor or 0,
        opened_at_ms,
        source.topic,
        source.partition,
        source.offset,
        cause.request_id,
        key_of_batch(state, event) if cause.idempotency_key is None else cause.idempotency_key,
        (),
        event.parent_transaction_id,
        None if rail == "instant" else rail,
        None if to is None else to.wallet_id,
        None if to is None else to.sub_wallet,
    )
    state.finished.put(event.transaction_id, transaction, opened_at_ms)


def keep_leg(state: LedgerState, event: LedgerEvent) -> None:
    """The payee's side of a transfer: kept, so that the same leg is never executed twice.

    What takes back what this wallet has paid counts on that here, too, as far as it is remembered.
    """
    put_transaction(state, event, (), None)
    original_id, now_ms = event.parent_transaction_id, unix_ms(event.recorded_at)
    if event.to_state == "failed" or original_id is None or state.transaction(original_id, now_ms) is None:
        return
    amount_minor, exchange = event.amount_minor or 0, event.exchange
    exchange_minor = 0 if exchange is None else exchange.to_minor
    count_on_parent(
        state,
        event,
        amount_minor,
        event.fee_returned_minor or 0,
        exchange_minor,
        lots_back_minor=amount_minor if exchange is None else exchange_minor,
    )


def keep_spent(state: LedgerState, event: LedgerEvent, spent: tuple[Lot, ...]) -> None:
    """The rewards that a transaction has spent, so that they can come back."""
    if event.transaction_id is None or event.type == REWARD_EXPIRED:
        return
    now_ms = unix_ms(event.recorded_at)
    transaction = state.transaction(event.transaction_id, now_ms)
    if transaction is not None:
        state.keep(event.transaction_id, transaction, msgspec.structs.replace(transaction, lots=spent), now_ms)


def _move(state: LedgerState, event: LedgerEvent) -> None:
    assert event.transaction_id is not None
    now_ms = unix_ms(event.recorded_at)
    key, before = found(state, event.transaction_id, now_ms)
    if before.state == "initiated":
        execute_waiting(state, event, key, before)
        return
    if event.type == REWARD_EXPIRED:
        remove_due(state, event, before.due_at_ms)
        drop_lots(state, before, key)
        # What has expired is not there any more for operators to take back.
        expired_minor, counter = sum(entry.debit_minor for entry in event.entries), before.counted
        counter = msgspec.structs.replace(counter, returned_minor=counter.returned_minor + expired_minor)
        state.keep(key, before, msgspec.structs.replace(before, due_at_ms=0, counter=counter), now_ms)
        return
    changed: dict[str, object] = {"state": event.to_state, "code": event.code, **_said_by_rail(event, before)}
    if before.operation == "reward" and event.to_state == "reversed":
        drop_lots(state, before, key)
        if before.due_at_ms:
            remove_due(state, event, before.due_at_ms)
            changed["due_at_ms"] = 0
    has_ended = before.is_open and not is_open(before.operation, event.to_state or "")
    if has_ended:
        changed |= {"journal": (), "hold": None, "due_at_ms": 0}
        if before.hold is not None:
            if before.counted_at_ms:
                # What was captured may yet fail: until then it has left the wallet.
                changed["counter"] = Counter(before.hold.captured_minor)
            remove_due(state, event, before.due_at_ms)
            add_under_way(
                state, available(before.wallet_id, before.sub_wallet), before.asset, -before.hold.remaining_minor
            )
        count_under_way(state, before.wallet_id, before.sub_wallet, before.journal, -1)
        count_open(state, event.wallet_id, -1)
        if before.counted_at_ms:
            uncount_spent(state, event, before)
    after = msgspec.structs.replace(before, **changed)
    if event.forced:
        count_forced(state, event)
    if has_ended and (before.lots or before.operation == "capture"):
        after = _give_lots_back(state, event, before, after)
    elif before.operation in ("debit", "capture") and event.rail_facts is not None and not has_ended:
        after = return_spent(state, event, after, event.rail_facts.returned_minor or 0)
    state.keep(key, before, after, now_ms)
    if before.operation in ACTS_ON_PARENT:
        if has_ended:
            end_on_parent(state, event, before)
        elif before.operation == "refund":
            returned_minor = 0 if event.rail_facts is None else event.rail_facts.returned_minor or 0
            count_on_parent(state, event, -returned_minor)


def _give_lots_back(state: LedgerState, event: LedgerEvent, before: Transaction, after: Transaction) -> Transaction:
    """What a transaction took of rewards comes back with what the event that ends it gives back, if anything."""
    if before.hold is None and event.to_state in ("failed", "canceled"):
        back_minor = max(before.amount_minor, sum(lot.remaining_minor for lot in before.lots))
        if before.operation == "capture" and _is_held_again(state, event, before):
            return return_lots(state, event, after, back_minor)
    elif before.operation == "refund":
        return after  # it took its fee of them
    else:
        back_minor = max(0, sum_minor(event.entries, available(before.wallet_id, before.sub_wallet), before.asset))
    return return_spent(state, event, after, back_minor)


def _is_held_again(state: LedgerState, event: LedgerEvent, capture: Transaction) -> bool:
    """True where what a capture took of its authorization goes back to that, which is open."""
    assert capture.parent_transaction_id is not None
    return found(state, capture.parent_transaction_id, unix_ms(event.recorded_at))[1].hold is not None


def _said_by_rail(event: LedgerEvent, before: Transaction) -> dict[str, object]:
    """What an event says of a rail, as fields of the transaction."""
    facts = event.rail_facts
    if facts is None:
        return {}
    said: dict[str, object] = {"on_rail": (before.on_rail or OnRail()).after(event.command or "", facts)}
    if facts.settled_minor is not None:
        said["counter"] = Counter(facts.settled_minor)
    if facts.returned_minor is not None:
        counter = before.counted
        returned_minor = counter.returned_minor + facts.returned_minor
        said["counter"] = msgspec.structs.replace(counter, returned_minor=returned_minor)
    return said


def keep_rail_facts(state: LedgerState, event: LedgerEvent) -> None:
    """A settlement that contradicts the ledger: its reference is kept, so that it is booked once."""
    assert event.transaction_id is not None
    now_ms = unix_ms(event.recorded_at)
    key, before = found(state, event.transaction_id, now_ms)
    state.keep(key, before, msgspec.structs.replace(before, **_said_by_rail(event, before)), now_ms)
    if before.operation == "refund":
        # What it acts on is remembered as long as it is: the rail may yet return it.
        count_on_parent(state, event, 0)
