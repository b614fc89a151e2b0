"""The part of `apply` that keeps transactions: their states, what they may still do, and when they are due."""

from __future__ import annotations

from typing import Final

import msgspec.structs

from agents.ledger.accounts import available
from agents.ledger.apply_lots import add_lot, drop_lot, return_lots
from agents.ledger.apply_open import add_due, add_under_way, count_open, count_under_way, remove_due, wallet_of
from agents.ledger.apply_originals import ACTS_ON_PARENT, count_on_parent, end_on_parent, found
from agents.ledger.apply_spending import count_forced, count_spent, counted_minor, sum_minor, uncount_spent
from agents.ledger.keys import leg_key
from agents.ledger.state import Counter, Hold, LedgerState, Lot, OnRail, Transaction
from schemas.clock import unix_ms
from schemas.events import REWARD_EXPIRED, Entry, LedgerEvent
from schemas.lifecycle import UNDER_WAY


def change_transaction(state: LedgerState, event: LedgerEvent) -> None:
    """`transaction.*`: a transaction that is new, or a move of one that there is."""
    if event.from_state is None:
        _open(state, event)
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
        cause.idempotency_key,
        (),
        None,
        None if rail == "instant" else rail,
        None if to is None else to.wallet_id,
        None if to is None else to.sub_wallet,
    )
    state.transactions.put(event.transaction_id, transaction, opened_at_ms)


def keep_leg(state: LedgerState, event: LedgerEvent) -> None:
    """The payee's side of a transfer: kept, so that the same leg is never executed twice."""
    _put(state, event, (), None)


def keep_spent(state: LedgerState, event: LedgerEvent, spent: tuple[Lot, ...]) -> None:
    """The rewards that a transaction has spent, so that they can come back."""
    if event.transaction_id is None or event.type == REWARD_EXPIRED:
        return
    transaction = state.transactions.get(event.transaction_id, unix_ms(event.recorded_at))
    if transaction is not None:
        kept = msgspec.structs.replace(transaction, lots=spent)
        state.transactions.put(event.transaction_id, kept, transaction.opened_at_ms)


def _open(state: LedgerState, event: LedgerEvent, before: Transaction | None = None) -> None:
    """A transaction that begins; `before` is how it waited for its time."""
    is_open = _is_open(event.operation, event.to_state)
    hold = Hold(event.amount_minor or 0) if event.operation == "authorize" else None
    spent_minor = 0 if event.to_state == "initiated" else counted_minor(event)
    is_counted = spent_minor > 0 and wallet_of(state, event.wallet_id).terms is not None
    _put(state, event, event.entries if is_open and hold is None else (), hold, before, is_counted=is_counted)
    if is_counted:
        count_spent(state, event, spent_minor)
    if event.due_at is not None:
        add_due(state, event, unix_ms(event.due_at))
        if event.operation == "reward":
            add_lot(state, event, available(event.wallet_id or "", event.sub_wallet or ""))
    if event.operation in ACTS_ON_PARENT and event.to_state != "failed":
        exchange_minor = 0 if event.exchange is None else event.exchange.to_minor
        count_on_parent(state, event, event.amount_minor or 0, event.fee_returned_minor or 0, exchange_minor)
    if is_open:
        count_under_way(state, event.wallet_id or "", event.sub_wallet or "", event.entries, 1)
        count_open(state, event.wallet_id, 1)


def _execute(state: LedgerState, event: LedgerEvent, key: str, before: Transaction) -> None:
    """What was to be done at its time is done, or will not be."""
    remove_due(state, event, before.due_at_ms)
    state.scheduled.delete(key)
    count_open(state, event.wallet_id, -1)
    if event.to_state in ("failed", "canceled"):
        after = msgspec.structs.replace(before, state=event.to_state, code=event.code, due_at_ms=0)
        state.transactions.put(key, after, before.opened_at_ms)
    else:
        _open(state, event, before)


def _is_open(operation: str | None, to_state: str | None) -> bool:
    """True where something is still to come of a transaction; a dispute is one of its own."""
    return to_state in UNDER_WAY or (to_state == "disputed" and operation == "dispute")


def _put(
    state: LedgerState,
    event: LedgerEvent,
    journal: tuple[Entry, ...],
    hold: Hold | None,
    before: Transaction | None = None,
    *,
    is_counted: bool = False,
) -> None:
    cause = event.cause
    assert cause is not None
    assert event.transaction_id is not None
    now_ms = unix_ms(event.recorded_at)
    opened_at_ms = now_ms if before is None else before.opened_at_ms
    source = cause.origin or cause
    if before is not None:
        source = before.source
    to = event.counterparty
    transaction = Transaction(
        event.operation or "",
        event.to_state or "",
        event.code or "ok",
        event.wallet_id or "",
        event.sub_wallet or "main",
        event.asset or "",
        event.amount_minor or 0,
        opened_at_ms,
        source.topic,
        source.partition,
        source.offset,
        cause.request_id if before is None else before.request_id,
        cause.idempotency_key if before is None else before.idempotency_key,
        journal,
        event.parent_transaction_id,
        None if event.rail == "instant" else event.rail,
        None if to is None else to.wallet_id,
        None if to is None else to.sub_wallet,
        hold,
        None,
        _returnable_minor(event),
        event.exchange,
        now_ms if is_counted else 0,
        0 if event.due_at is None else unix_ms(event.due_at),
    )
    key = event.transaction_id if event.leg is None else leg_key(event.transaction_id, event.leg)
    state.transactions.put(key, transaction, opened_at_ms)
    if event.to_state == "initiated":
        assert isinstance(event.request, msgspec.Raw)
        state.scheduled.put(key, bytes(event.request))


def _returnable_minor(event: LedgerEvent) -> int:
    """The fee that refunds give back; of a refund, what it has given back."""
    if event.fee_returned_minor is not None:
        return event.fee_returned_minor
    return event.fee.amount_minor if event.fee is not None and event.fee.refundable else 0


def _move(state: LedgerState, event: LedgerEvent) -> None:
    assert event.transaction_id is not None
    key, before = found(state, event.transaction_id, unix_ms(event.recorded_at))
    if before.state == "initiated":
        _execute(state, event, key, before)
        return
    if event.type == REWARD_EXPIRED:
        remove_due(state, event, before.due_at_ms)
        drop_lot(state, f"{available(before.wallet_id, before.sub_wallet)} {before.asset}", key)
        state.transactions.put(key, msgspec.structs.replace(before, due_at_ms=0), before.opened_at_ms)
        return
    if before.operation == "reward" and event.to_state == "reversed":
        drop_lot(state, f"{available(before.wallet_id, before.sub_wallet)} {before.asset}", key)
        if before.due_at_ms:
            remove_due(state, event, before.due_at_ms)
            before = msgspec.structs.replace(before, due_at_ms=0)
    was_open, is_open = _is_open(before.operation, before.state), _is_open(before.operation, event.to_state)
    after = msgspec.structs.replace(before, state=event.to_state, code=event.code, **_said_by_rail(event, before))
    if was_open and not is_open:
        after = msgspec.structs.replace(after, journal=(), hold=None, due_at_ms=0)
        if before.hold is not None:
            remove_due(state, event, before.due_at_ms)
            add_under_way(
                state, available(before.wallet_id, before.sub_wallet), before.asset, -before.hold.remaining_minor
            )
        count_under_way(state, before.wallet_id, before.sub_wallet, before.journal, -1)
        count_open(state, event.wallet_id, -1)
        if before.counted_at_ms:
            uncount_spent(state, event, before)
    if event.forced:
        count_forced(state, event)
    is_given_back = before.hold is not None or event.to_state in ("failed", "canceled")
    if before.lots and was_open and not is_open and is_given_back:
        back_minor = max(0, sum_minor(event.entries, available(before.wallet_id, before.sub_wallet)))
        after = return_lots(state, event, after, min(back_minor, before.amount_minor))
    state.transactions.put(key, after, before.opened_at_ms)
    if before.operation in ACTS_ON_PARENT:
        if was_open and not is_open:
            end_on_parent(state, event, before)
        elif before.operation == "refund" and event.rail_facts is not None:
            count_on_parent(state, event, -(event.rail_facts.returned_minor or 0))


def _said_by_rail(event: LedgerEvent, before: Transaction) -> dict[str, object]:
    """What an event says of a rail, as fields of the transaction."""
    facts = event.rail_facts
    if facts is None:
        return {}
    on_rail = before.on_rail or OnRail()
    batch_id = facts.batch_id or on_rail.batch_id
    references = on_rail.references
    if facts.rail_reference is not None:
        references = (*references, f"{event.command}:{facts.rail_reference}")
    said: dict[str, object] = {"on_rail": OnRail(batch_id, references)}
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
    key, before = found(state, event.transaction_id, unix_ms(event.recorded_at))
    after = msgspec.structs.replace(before, **_said_by_rail(event, before))
    state.transactions.put(key, after, before.opened_at_ms)
