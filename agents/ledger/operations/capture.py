"""`capture`: held -> rail, or held -> a payee as a transfer. A transaction of its own, many of one authorization."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

from agents.ledger.accounts import OUTGOING, TRANSIT, available, bucket, held
from agents.ledger.accounts import rail as rail_account
from agents.ledger.charges import charge, minor_of, paid
from agents.ledger.draft import Draft, Named
from agents.ledger.guards import balance_overflow, find_named, is_deferred, over_rail, refuse_funds
from agents.ledger.holds import end_hold
from agents.ledger.journals import Journal, fits_in_transit, has_room, has_room_after, post_moves
from agents.ledger.limits import over_cap, refuse_limits, spendable_minor
from agents.ledger.operations.transfer import refused_by_payee, send_leg, why_payee_refuses
from agents.ledger.state import LedgerState, Wallet
from agents.ledger.transaction import Transaction
from agents.ledger.turn import Turn
from schemas.codes import Code
from schemas.commands import Capture
from schemas.events import (
    TRANSACTION_FAILED,
    TRANSACTION_PROCESSED,
    TRANSACTION_SETTLED,
    Cause,
    Counterparty,
    Fee,
    LedgerEvent,
)
from schemas.lifecycle import FAILED_AT_ONCE, PROCESSED_AT_ONCE, SETTLED_AT_ONCE, State, Verb
from schemas.partitioning import partition_of
from schemas.rails import INSTANT
from schemas.reference import Reference


class _Taken(NamedTuple):
    """What a capture takes: from what is held, and beyond it from what is available."""

    held_minor: int
    excess_minor: int
    fee: Fee | None

    @property
    def amount_minor(self) -> int:
        return self.held_minor + self.excess_minor


def decide_capture(
    state: LedgerState, wallet: Wallet, command: Capture, draft: Draft, reference: Reference
) -> LedgerEvent:
    """Capture part of an authorization, or what is left of it; `final` gives back the rest at once."""
    if command.to_wallet_id == command.wallet_id and _is_to_itself(state, command, draft):
        return draft.reject(Code.MALFORMED, "payer and payee are the same sub-wallet", "to_sub_wallet")
    rail = command.rail or (INSTANT.name if command.to_wallet_id is None else None)
    over = None if rail is None else (rail, reference)
    named = find_named(draft, state, wallet, command, Verb.CAPTURE, leaving=True, rail=over)
    if isinstance(named, LedgerEvent):
        return named
    taken = _taken(state, wallet, command, draft, named.transaction, reference)
    if isinstance(taken, LedgerEvent):
        return taken
    event = (
        _over_rail(state, draft, named, taken, rail, waits=is_deferred(reference, rail))
        if rail is not None
        else _to_payee(state, command, draft, named, taken, reference)
    )
    if event.to_state in (State.PROCESSED, State.SETTLED):
        hold = named.transaction.hold
        assert hold is not None
        if command.final or taken.held_minor == hold.remaining_minor:
            draft.then = (partial(_end_captured, transaction_id=named.transaction_id, cause=draft.cause),)
    return event


def _is_to_itself(state: LedgerState, command: Capture, draft: Draft) -> bool:
    """True where the wallet pays itself, into the very sub-wallet that the money is held in."""
    of = state.transaction(command.transaction_id, draft.context.recorded_at_ms)
    return of is not None and (of.wallet_id, of.sub_wallet) == (command.wallet_id, command.to_sub_wallet or "main")


def _taken(
    state: LedgerState,
    wallet: Wallet,
    command: Capture,
    draft: Draft,
    authorization: Transaction,
    reference: Reference,
) -> _Taken | LedgerEvent:
    hold = authorization.hold
    assert hold is not None
    amount_minor = hold.remaining_minor if command.amount_minor is None else command.amount_minor
    sub_wallet, asset = authorization.sub_wallet, authorization.asset
    excess_minor = max(0, amount_minor - hold.remaining_minor)
    if excess_minor:
        bps = 0 if wallet.terms is None else wallet.terms.over_capture_bps
        most_minor = authorization.amount_minor + authorization.amount_minor * bps // 10_000
        if hold.captured_minor + amount_minor > most_minor:
            message = f"still held {hold.remaining_minor}, asked for {amount_minor}"
            return draft.reject(Code.EXCEEDS_REMAINING, message, "amount_minor")
        # Policy lets it be more, so that there are terms.
        counted_minor = hold.remaining_minor
        refused = refuse_limits(draft, state, wallet, reference, asset, amount_minor, counted_minor)
        if refused is not None:
            return refused
    fee = charge(wallet, sub_wallet, reference, "capture", asset, amount_minor)
    if excess_minor or fee is not None:
        account = available(authorization.wallet_id, authorization.sub_wallet)
        spendable = spendable_minor(state, wallet, account, authorization.asset)
        refused = refuse_funds(draft, spendable, excess_minor + minor_of(fee))
        if refused is not None:
            return refused
    return _Taken(amount_minor - excess_minor, excess_minor, fee)


def _journal(state: LedgerState, named: Named, taken: _Taken, to: str) -> Journal | None:
    of = named.transaction
    wallet_id, sub_wallet = of.wallet_id, of.sub_wallet
    own = available(wallet_id, sub_wallet)
    moves = (
        (held(wallet_id, sub_wallet), of.asset, -taken.held_minor),
        (own, of.asset, -taken.excess_minor),
        (to, of.asset, taken.amount_minor),
        *paid(taken.fee, own),
    )
    return post_moves(state, moves)


def _over_rail(state: LedgerState, draft: Draft, named: Named, taken: _Taken, rail: str, *, waits: bool) -> LedgerEvent:
    of = named.transaction
    journal = _journal(
        state, named, taken, bucket(of.wallet_id, of.sub_wallet, OUTGOING) if waits else rail_account(rail)
    )
    if journal is None:
        return balance_overflow(draft)
    type_, path = over_rail(waits)
    return draft.child(type_, named, taken.amount_minor, path=path, journal=journal, rail=rail, fee=taken.fee)


def _to_payee(
    state: LedgerState, command: Capture, draft: Draft, named: Named, taken: _Taken, reference: Reference
) -> LedgerEvent:
    to_wallet_id = command.to_wallet_id
    assert to_wallet_id is not None
    counterparty = Counterparty(to_wallet_id, command.to_sub_wallet or "main")
    payee = state.wallets.get(to_wallet_id)
    context = draft.context
    if payee is None:
        owner = partition_of(to_wallet_id, context.partitions)
        if owner != context.partition:
            return _start_saga(state, draft, named, taken, counterparty, owner)
    reason = why_payee_refuses(payee, counterparty.sub_wallet, named.transaction.asset, reference)
    if payee is None or reason is not None:
        return _refused(draft, named, taken, counterparty, reason or Code.WALLET_NOT_FOUND)
    if payee.quarantined:
        return _refused(draft, named, taken, counterparty, Code.WALLET_QUARANTINED)
    asset = named.transaction.asset
    is_other = to_wallet_id != command.wallet_id
    if is_other and over_cap(state, payee, to_wallet_id, reference, asset, taken.amount_minor) is not None:
        return _refused(draft, named, taken, counterparty, Code.LIMIT_EXCEEDED)
    to = available(to_wallet_id, counterparty.sub_wallet)
    journal = _journal(state, named, taken, to)
    if journal is None and has_room(state, to, asset, taken.amount_minor):
        return balance_overflow(draft)
    if journal is None or not has_room_after(state, journal, to, asset):
        return _refused(draft, named, taken, counterparty, Code.AMOUNT_OUT_OF_RANGE)
    return draft.child(
        TRANSACTION_SETTLED,
        named,
        taken.amount_minor,
        path=SETTLED_AT_ONCE,
        journal=journal,
        counterparty=counterparty,
        fee=taken.fee,
    )


def _refused(draft: Draft, named: Named, taken: _Taken, counterparty: Counterparty, reason: Code) -> LedgerEvent:
    """The payee's wallet lives here and cannot take the money: it stays held."""
    return draft.child(
        TRANSACTION_FAILED,
        named,
        taken.amount_minor,
        path=FAILED_AT_ONCE,
        counterparty=counterparty,
        code=Code.PAYEE_REFUSED.value,
        message=refused_by_payee(reason.value),
    )


def _start_saga(
    state: LedgerState, draft: Draft, named: Named, taken: _Taken, counterparty: Counterparty, owner: int
) -> LedgerEvent:
    journal = _journal(state, named, taken, TRANSIT)
    if journal is None or not fits_in_transit(state, named.transaction.asset, taken.amount_minor):
        return balance_overflow(draft)
    event = draft.child(
        TRANSACTION_PROCESSED,
        named,
        taken.amount_minor,
        path=PROCESSED_AT_ONCE,
        journal=journal,
        counterparty=counterparty,
        fee=taken.fee,
    )
    send_leg(draft, event, owner)
    return event


def _end_captured(turn: Turn, transaction_id: str, cause: Cause) -> None:
    """After the last capture: the authorization is settled, and what it still held goes back."""
    authorization = turn.state.transaction(transaction_id, turn.context.recorded_at_ms)
    assert authorization is not None
    follows = Cause(cause.topic, cause.partition, cause.offset, origin=cause.origin)
    end_hold(turn, Named(transaction_id, authorization), follows, Verb.CAPTURE)
