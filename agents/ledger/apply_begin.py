"""The part of `apply` that keeps a transaction as it begins: what it is, what it took, and what may yet come of it."""

from __future__ import annotations

from typing import Final

import msgspec

from agents.ledger.accounts import available
from agents.ledger.apply_lots import add_lot
from agents.ledger.apply_open import add_due, add_under_way, count_open, count_under_way, wallet_of
from agents.ledger.apply_originals import ACTS_ON_PARENT, count_on_parent
from agents.ledger.apply_spending import count_spent, counted_minor
from agents.ledger.keys import leg_key
from agents.ledger.state import LedgerState
from agents.ledger.transaction import Exchanged, Hold, Transaction, is_open
from schemas.clock import unix_ms
from schemas.events import Entry, LedgerEvent
from schemas.rails import INSTANT, RAIL_NAME


class _Asked(msgspec.Struct, gc=False):
    """What a command says of its rail."""

    rail: str = INSTANT.name


_decode_asked: Final = msgspec.json.Decoder(_Asked).decode


def begin_transaction(state: LedgerState, event: LedgerEvent, before: Transaction | None = None) -> None:
    """A transaction that begins; `before` is how it waited for its time."""
    begins_open = is_open(event.operation or "", event.to_state or "")
    hold = Hold(event.amount_minor or 0) if event.operation == "authorize" else None
    spent_minor = 0 if event.to_state == "initiated" and event.screening is None else counted_minor(event)
    is_counted = spent_minor > 0 and wallet_of(state, event.wallet_id).terms is not None
    journal = event.entries if begins_open and hold is None else ()
    put_transaction(state, event, journal, hold, before, is_counted=is_counted)
    if is_counted:
        count_spent(state, event, spent_minor)
    if event.due_at is not None:
        add_due(state, event, unix_ms(event.due_at))
        if event.operation == "reward":
            add_lot(state, event, available(event.wallet_id or "", event.sub_wallet or ""))
    if event.operation in ACTS_ON_PARENT and event.to_state != "failed":
        exchange_minor = 0 if event.exchange is None else event.exchange.to_minor
        amount_minor, returned_minor = event.amount_minor or 0, event.fee_returned_minor or 0
        is_back = event.to_state == "settled" and event.operation in ("refund", "reverse")
        back_minor = amount_minor if event.exchange is None else exchange_minor
        count_on_parent(
            state,
            event,
            amount_minor,
            returned_minor,
            exchange_minor,
            children=int(begins_open),
            lots_back_minor=back_minor if is_back else 0,
        )
    if begins_open:
        wallet_id, sub_wallet = event.wallet_id or "", event.sub_wallet or ""
        if hold is not None:
            add_under_way(state, available(wallet_id, sub_wallet), event.asset or "", hold.remaining_minor)
        elif event.screening is not None:
            add_under_way(state, available(wallet_id, sub_wallet), event.asset or "", event.remaining_minor or 0)
        else:
            count_under_way(state, wallet_id, sub_wallet, event.entries, 1)
        count_open(state, event.wallet_id, 1)


def put_transaction(
    state: LedgerState,
    event: LedgerEvent,
    journal: tuple[Entry, ...],
    hold: Hold | None,
    before: Transaction | None = None,
    *,
    is_counted: bool = False,
) -> None:
    """Keep a transaction as an event says it is; `journal` is what undoes it, `before` how it waited for its time."""
    cause = event.cause
    assert cause is not None
    assert event.transaction_id is not None
    now_ms = unix_ms(event.recorded_at)
    opened_at_ms = now_ms if before is None else before.opened_at_ms
    source = cause.origin or cause
    if before is not None:
        source = before.source
    asked_under = cause.idempotency_key if before is None else before.idempotency_key
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
        key_of_batch(state, event) if asked_under is None and event.leg is None else asked_under,
        journal,
        event.parent_transaction_id,
        _rail_of(event),
        None if to is None else to.wallet_id,
        None if to is None else to.sub_wallet,
        hold,
        None if before is None else before.on_rail,
        _returnable_minor(event),
        _exchanged(event),
        now_ms if is_counted else 0,
        0 if event.due_at is None else unix_ms(event.due_at),
        screening=event.screening,
    )
    key = event.transaction_id if event.leg is None else leg_key(event.transaction_id, event.leg)
    state.keep(key, before, transaction, now_ms)
    if event.to_state == "initiated":
        assert isinstance(event.request, msgspec.Raw)
        state.scheduled.put(key, bytes(event.request))


def key_of_batch(state: LedgerState, event: LedgerEvent) -> str | None:
    """The idempotency key of the batch that an item's event is part of: the item's own says none, for it freezes none.

    None while the batch is only tried, and of all that is no item.
    """
    if event.parent_transaction_id is None:
        return None
    batch = state.transaction(event.parent_transaction_id, unix_ms(event.recorded_at))
    return batch.idempotency_key if batch is not None and batch.operation == "batch" else None


def _rail_of(event: LedgerEvent) -> str | None:
    """The rail that a transaction goes over; of one that waits for its time, what was asked for."""
    name = event.rail
    if name is None and event.to_state == "initiated":
        assert isinstance(event.request, msgspec.Raw)
        asked = _decode_asked(event.request).rail
        # It is not known yet whether there is such a rail: an account is named by it.
        name = asked if RAIL_NAME.fullmatch(asked) else None
    return None if name == INSTANT.name else name


def _exchanged(event: LedgerEvent) -> Exchanged | None:
    of = event.exchange
    if of is None:
        return None
    return Exchanged(of.rate_id, of.source, of.from_asset, of.from_minor, of.to_asset, of.to_minor)


def _returnable_minor(event: LedgerEvent) -> int:
    """The fee that refunds give back; of a refund, what it has given back."""
    if event.operation in ("refund", "reverse"):
        return event.fee_returned_minor or 0
    return event.fee.amount_minor if event.fee is not None and event.fee.refundable else 0
