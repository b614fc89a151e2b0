"""Answers: pure projections of events. Nothing is answered that the ledger does not say."""

from __future__ import annotations

import msgspec.structs

from agents.ledger.decode import Malformed
from agents.ledger.transaction import Transaction
from schemas.codes import Code
from schemas.events import AccountBalance, Cause, LedgerEvent, Source
from schemas.outcomes import Outcome, encode_outcome
from schemas.reading import ReadCommand


def answer_of(event: LedgerEvent, cause: Cause) -> bytes:
    """The first answer to a command, which is the cause of its event."""
    return encode_outcome(_first_answer(event, cause))


def _first_answer(event: LedgerEvent, cause: Cause) -> Outcome:
    """What the event says, with the balances of the requester's own accounts."""
    code = event.code or "ok"
    outcome = Outcome(
        kind="answer",
        request_id=cause.request_id,
        idempotency_key=cause.idempotency_key,
        wallet_id=event.wallet_id,
        transaction_id=event.transaction_id,
        operation=event.command or event.operation,
        status="accepted" if code == "ok" else "rejected",
        code=code,
        state=event.to_state,
        balances=_own(event.balances, f"{event.wallet_id}/"),
        source=cause.origin or Source(cause.topic, cause.partition, cause.offset),
        recorded_at=event.recorded_at,
    )
    # All that says why has a message, and a name in a call costs more than a look.
    if event.message is not None:
        outcome.message, outcome.field, outcome.limit = event.message, event.field, event.limit
    return outcome


def _own(balances: tuple[AccountBalance, ...], prefix: str) -> tuple[AccountBalance, ...]:
    """The balances of accounts whose names begin so."""
    if len(balances) == 2:  # nearly always
        one, other = balances
        if not one.account.startswith(prefix):
            return (other,) if other.account.startswith(prefix) else ()
        return balances if other.account.startswith(prefix) else (one,)
    return tuple([balance for balance in balances if balance.account.startswith(prefix)])


def answer_again(event: LedgerEvent, now: Transaction | None, command: ReadCommand, source: Source) -> bytes:
    """The first answer once more, to the request at `source`, and how far its transaction has come since."""
    assert event.cause is not None
    first = _first_answer(event, event.cause)
    return encode_outcome(
        msgspec.structs.replace(
            first,
            request_id=command.request_id,
            replayed=True,
            current_state=first.state if now is None else now.state,
            current_code=first.code if now is None else now.code,
            source=source,
        )
    )


def answer_unread(read: Malformed, code: Code, source: Source, recorded_at: str) -> bytes:
    """The answer to what is no command, or made the ledger fail, with what can be read of it."""
    return encode_outcome(
        Outcome(
            kind="answer",
            request_id=read.request_id,
            idempotency_key=read.idempotency_key,
            wallet_id=read.wallet_id,
            operation=read.operation,
            status="rejected",
            code=code.value,
            message=read.message,
            field=read.field,
            source=source,
            recorded_at=recorded_at,
        )
    )


def update_of(event: LedgerEvent, transaction: Transaction) -> bytes:
    """A later change of a transaction, told to who asked for it."""
    assert event.code is not None
    return encode_outcome(
        Outcome(
            kind="update",
            request_id=transaction.request_id,
            idempotency_key=transaction.idempotency_key,
            wallet_id=transaction.wallet_id,
            transaction_id=event.transaction_id,
            operation=transaction.operation,
            status="accepted" if event.code == "ok" else "rejected",
            code=event.code,
            message=event.message,
            field=event.field,
            limit=event.limit,
            state=event.to_state,
            balances=_own(event.balances, f"{transaction.wallet_id}/"),
            source=transaction.source,
            recorded_at=event.recorded_at,
        )
    )
