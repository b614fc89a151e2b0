"""Answers: pure projections of events. Nothing is answered that the ledger does not say."""

from __future__ import annotations

import msgspec.structs

from agents.ledger.decode import Malformed
from agents.ledger.state import Transaction
from schemas.codes import Code
from schemas.events import Cause, LedgerEvent, Source
from schemas.outcomes import Outcome, encode_outcome
from schemas.reading import ReadCommand


def answer_of(event: LedgerEvent, cause: Cause) -> bytes:
    """The first answer to a command: what its event says, with the balances of the requester's own accounts."""
    code = event.code or "ok"
    own = f"{event.wallet_id}/"
    return encode_outcome(
        Outcome(
            kind="answer",
            request_id=cause.request_id,
            idempotency_key=cause.idempotency_key,
            wallet_id=event.wallet_id,
            transaction_id=event.transaction_id,
            operation=event.operation,
            status="accepted" if code == "ok" else "rejected",
            code=code,
            message=event.message,
            field=event.field,
            state=event.to_state,
            balances=tuple([b for b in event.balances if b.account.startswith(own)]),
            source=cause.origin or Source(cause.topic, cause.partition, cause.offset),
            recorded_at=event.recorded_at,
        )
    )


def answer_again(first: Outcome, now: Transaction | None, command: ReadCommand, source: Source) -> bytes:
    """The first answer once more, to the request at `source`, and how far its transaction has come since."""
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
    own = f"{transaction.wallet_id}/"
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
            state=event.to_state,
            balances=tuple([b for b in event.balances if b.account.startswith(own)]),
            source=transaction.source,
            recorded_at=event.recorded_at,
        )
    )
