"""The legs of a transfer between partitions. Settling and compensating are unconditional.

Payee's partition: transit -> available, or a refusal; either way an answer back.
Payer's partition: the answer settles the transfer, or the exact inverse of its journal is posted.
"""

from __future__ import annotations

from typing import Final

from agents.ledger.accounts import FEES, TRANSIT, available
from agents.ledger.exchanging import exchanged
from agents.ledger.holds import taken_back
from agents.ledger.journals import Journal, Move, leaves_room, post, post_moves
from agents.ledger.keys import CREDIT_LEG, leg_key
from agents.ledger.limits import over_cap, tier_of
from agents.ledger.operations.transfer import refused_by_payee, why_payee_refuses
from agents.ledger.originals import move_original
from agents.ledger.state import LedgerState, Wallet
from agents.ledger.turn import Turn
from schemas.codes import Code
from schemas.events import (
    REQUEST_REPLAYED,
    TRANSACTION_FAILED,
    TRANSACTION_SETTLED,
    TRANSFER_RECEIVED,
    TRANSFER_REFUSED,
    Cause,
    LedgerEvent,
)
from schemas.internal import LegAnswer, TransferLeg, encode_internal
from schemas.lifecycle import SETTLED_AT_ONCE, State, Verb
from schemas.partitioning import partition_of
from schemas.topics import INTERNAL_COMMANDS

#: A look at an enumeration's value costs as much as a dozen others.
_PROCESSED: Final = State.PROCESSED.value
_SETTLED: Final = State.SETTLED.value
_FAILED: Final = State.FAILED.value
#: Operations whose legs no cap refuses.
_GIVES_BACK: Final = frozenset({"refund", "reverse"})


def take_leg(turn: Turn, command: TransferLeg | LegAnswer, cause: Cause) -> None:
    """Execute a leg or its answer, once."""
    if isinstance(command, TransferLeg):
        _credit_payee(turn, command, cause)
    else:
        _answer_payer(turn, command, cause)


def _credit_payee(turn: Turn, leg: TransferLeg, cause: Cause) -> None:
    state, context = turn.state, turn.context
    done = state.transaction(leg_key(leg.transaction_id, CREDIT_LEG), context.recorded_at_ms)
    if done is not None:
        _replay(turn, leg, leg.kind, done.code, cause)
        _tell_payer(turn, leg, done.code)
        return
    payee = state.wallets.get(leg.wallet_id)
    # What operators take back goes where it came from, whatever became of that wallet since.
    reason = None if leg.kind == "reverse" else why_payee_refuses(payee, leg.sub_wallet, _asset_of(leg), turn.reference)
    if reason is None and payee is not None and payee.terms is not None and leg.kind not in _GIVES_BACK:
        facts = over_cap(state, payee, leg.wallet_id, turn.reference, leg.asset, leg.amount_minor)
        reason = None if facts is None else Code.LIMIT_EXCEEDED
    if payee is None or reason is not None:
        refuse_leg(turn, leg, cause, reason or Code.WALLET_NOT_FOUND)
        return
    journal = _received(state, leg)
    if journal is None or not _is_room(state, payee, journal):
        refuse_leg(turn, leg, cause, Code.AMOUNT_OUT_OF_RANGE)
        return
    event = _leg_event(turn, leg, cause, TRANSFER_RECEIVED, SETTLED_AT_ONCE, "ok", journal)
    if leg.kind not in _GIVES_BACK:
        event.tier = tier_of(payee, turn.reference)
    turn.write(event, leg.wallet_id.encode())
    _tell_payer(turn, leg, "ok")
    original_id = leg.parent_transaction_id
    if leg.kind == "reverse" and original_id and state.transaction(original_id, context.recorded_at_ms) is not None:
        move_original(turn, original_id, cause, Verb.REVERSE)


def _asset_of(leg: TransferLeg) -> str:
    """The asset that the payee gets."""
    return leg.exchange.to_asset if leg.exchange is not None else leg.asset


def _received(state: LedgerState, leg: TransferLeg) -> Journal | None:
    """From transit to the payee. A refund is exchanged back on its way, and gives back a fee from here."""
    to = available(leg.wallet_id, leg.sub_wallet)
    if leg.kind not in _GIVES_BACK or (leg.exchange is None and not leg.fee_returned_minor):
        return post(state, TRANSIT, to, leg.asset, leg.amount_minor)
    moves: list[Move] = [(TRANSIT, leg.asset, -leg.amount_minor)]
    asset, amount_minor = leg.asset, leg.amount_minor
    if leg.exchange is not None:
        moves += exchanged(leg.exchange)
        asset, amount_minor = leg.exchange.to_asset, leg.exchange.to_minor
    moves.append((to, asset, amount_minor))
    if leg.fee_returned_minor:
        moves += [(FEES, asset, -leg.fee_returned_minor), (to, asset, leg.fee_returned_minor)]
    return post_moves(state, moves)


def _is_room(state: LedgerState, payee: Wallet, journal: Journal) -> bool:
    """False where compensations that may come could take transit, or the payee's account, beyond int64."""
    transit, *others = journal.balances
    if not leaves_room(state, transit):
        return False
    return not payee.open_transactions or all(leaves_room(state, after) for after in others)


def refuse_leg(turn: Turn, leg: TransferLeg, cause: Cause, reason: Code) -> None:
    """The payee cannot take the money: post nothing here, let the payer's partition give it back."""
    path = (State.INITIATED.value, _FAILED)
    event = _leg_event(turn, leg, cause, TRANSFER_REFUSED, path, reason.value, None)
    turn.write(event, leg.wallet_id.encode())
    _tell_payer(turn, leg, reason.value)


def _leg_event(
    turn: Turn, leg: TransferLeg, cause: Cause, type_: str, path: tuple[str, ...], code: str, journal: Journal | None
) -> LedgerEvent:
    return LedgerEvent(
        type=type_,
        wallet_id=leg.wallet_id,
        transaction_id=leg.transaction_id,
        parent_transaction_id=leg.parent_transaction_id,
        leg=CREDIT_LEG,
        operation=leg.kind,
        to_state=path[-1],
        path=path,
        entries=journal.entries if journal else (),
        balances=journal.balances if journal else (),
        amount_minor=leg.amount_minor,
        asset=leg.asset,
        exchange=leg.exchange,
        fee=leg.fee,
        fee_returned_minor=leg.fee_returned_minor,
        sub_wallet=leg.sub_wallet,
        counterparty=leg.payer,
        code=code,
        occurred_at=leg.occurred_at,
        references=leg.references,
        metadata=leg.metadata,
        cause=cause,
        recorded_at=turn.context.recorded_at,
    )


def _tell_payer(turn: Turn, leg: TransferLeg, code: str) -> None:
    payer = leg.payer.wallet_id
    told = LegAnswer(
        transaction_id=leg.transaction_id, wallet_id=payer, accepted=code == "ok", code=None if code == "ok" else code
    )
    owner = partition_of(payer, turn.context.partitions)
    turn.send(INTERNAL_COMMANDS, owner, payer.encode(), encode_internal(told))


def _answer_payer(turn: Turn, told: LegAnswer, cause: Cause) -> None:
    state, context = turn.state, turn.context
    transaction = state.transaction(told.transaction_id, context.recorded_at_ms)
    if transaction is None or transaction.state != _PROCESSED or transaction.to_wallet_id is None:
        code = "transaction_not_found" if transaction is None else transaction.code
        _replay(turn, told, "transfer" if transaction is None else transaction.operation, code, cause)
        return
    journal = None if told.accepted else taken_back(state, transaction, context.recorded_at_ms)
    to_state = _SETTLED if told.accepted else _FAILED
    event = LedgerEvent(
        type=TRANSACTION_SETTLED if told.accepted else TRANSACTION_FAILED,
        wallet_id=transaction.wallet_id,
        transaction_id=told.transaction_id,
        parent_transaction_id=transaction.parent_transaction_id,
        operation=transaction.operation,
        from_state=_PROCESSED,
        to_state=to_state,
        path=(_PROCESSED, to_state),
        entries=journal.entries if journal else (),
        balances=journal.balances if journal else (),
        amount_minor=transaction.amount_minor,
        asset=transaction.asset,
        sub_wallet=transaction.sub_wallet,
        code="ok" if told.accepted else Code.PAYEE_REFUSED.value,
        message=None if told.accepted else refused_by_payee(told.code),
        cause=cause,
        recorded_at=context.recorded_at,
    )
    turn.write(event, transaction.wallet_id.encode())
    turn.tell_requester(event, transaction)
    if told.accepted and transaction.operation == Verb.REVERSE:
        assert transaction.parent_transaction_id is not None
        move_original(turn, transaction.parent_transaction_id, cause, Verb.REVERSE)


def _replay(turn: Turn, told: TransferLeg | LegAnswer, operation: str, code: str, cause: Cause) -> None:
    """The leg was executed before: nothing moves."""
    event = LedgerEvent(
        type=REQUEST_REPLAYED,
        wallet_id=told.wallet_id,
        transaction_id=told.transaction_id,
        operation=operation,
        code=code,
        cause=cause,
        recorded_at=turn.context.recorded_at,
    )
    turn.write(event, told.wallet_id.encode())
