"""What a decision writes its event with: the identity of the command, its place in the input, and the time."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, auto
from typing import Any, NamedTuple

import msgspec

from agents.ledger.journals import Journal
from agents.ledger.transaction import Transaction
from agents.ledger.turn import Turn
from schemas.codes import Code
from schemas.events import (
    REQUEST_REJECTED,
    Cause,
    Counterparty,
    Exchange,
    Fee,
    LedgerEvent,
    WalletFacts,
)
from schemas.reading import ReadCommand
from streams.machine import Context, Message

_encode = msgspec.json.Encoder().encode


class Named(NamedTuple):
    """A transaction that there is already, and its id."""

    transaction_id: str
    transaction: Transaction


class Screening(Enum):
    """How far a payment is with the screening of its rail, where that has any."""

    #: It has to wait for a verdict.
    ASKED = auto()
    #: It cannot wait: it is part of something that is done at one time.
    BARRED = auto()
    #: It may go.
    PASSED = auto()


class Draft:
    """One command on its way to an event."""

    __slots__ = ("canonical", "cause", "command", "context", "messages", "screening", "then", "tier", "transaction_id")

    def __init__(self, command: Any, context: Context, cause: Cause, transaction_id: str, canonical: bytes):
        self.command: ReadCommand = command
        self.context = context
        self.cause = cause
        self.canonical = canonical
        #: What is written with the event.
        self.messages: tuple[Message, ...] = ()
        #: What is done with a payment over a rail that is screened.
        self.screening = Screening.ASKED
        #: Name and version of the tier whose limits were seen to; None where the wallet has none.
        self.tier: str | None = None
        #: What follows the event, in the same turn: done in order, once it is written.
        self.then: tuple[Callable[[Turn], None], ...] = ()
        self.transaction_id = transaction_id

    @property
    def topic(self) -> str:
        """The topic on which the command was asked for, wherever it arrived from there."""
        origin = self.cause.origin
        return self.context.topic if origin is None else origin.topic

    def event(
        self,
        type_: str,
        *,
        path: tuple[str, ...] = (),
        journal: Journal | None = None,
        rail: str | None = None,
        counterparty: Counterparty | None = None,
        code: str = "ok",
        message: str | None = None,
        wallet: WalletFacts | None = None,
        due_at: str | None = None,
        fee: Fee | None = None,
        exchange: Exchange | None = None,
    ) -> LedgerEvent:
        """An event of this command; `path` is every state that its transaction passes, the last one reached."""
        command = self.command
        # A name in a call costs more than a look: what most events have none of is given to those that do.
        event = LedgerEvent(
            type=type_,
            wallet_id=command.wallet_id,
            transaction_id=self.transaction_id,
            operation=command.operation,
            to_state=path[-1] if path else None,
            path=path,
            entries=journal.entries if journal else (),
            balances=journal.balances if journal else (),
            amount_minor=command.amount_minor,
            asset=command.asset,
            rail=rail,
            sub_wallet=command.sub_wallet,
            code=code,
            request=msgspec.Raw(self.canonical),
            cause=self.cause,
            recorded_at=self.context.recorded_at,
        )
        if counterparty is not None:
            event.counterparty = counterparty
        if message is not None:
            event.message = message
        if wallet is not None:
            event.wallet = wallet
        if due_at is not None:
            event.due_at = due_at
        if fee is not None:
            event.fee = fee
        if exchange is not None:
            event.exchange = exchange
        if self.tier is not None:
            event.tier = self.tier
        _say(command, event)
        return event

    def child(
        self,
        type_: str,
        parent: Named,
        amount_minor: int,
        *,
        path: tuple[str, ...],
        journal: Journal | None = None,
        rail: str | None = None,
        counterparty: Counterparty | None = None,
        code: str = "ok",
        message: str | None = None,
        sub_wallet: str | None = None,
        fee: Fee | None = None,
        exchange: Exchange | None = None,
    ) -> LedgerEvent:
        """The event of a transaction of its own that acts on another one, and has its asset and sub-wallet."""
        event = self.event(
            type_, path=path, journal=journal, rail=rail, counterparty=counterparty, code=code, message=message
        )
        event.parent_transaction_id = parent.transaction_id
        event.amount_minor = amount_minor
        event.asset = parent.transaction.received_asset
        event.fee = fee
        event.exchange = exchange
        event.sub_wallet = sub_wallet or parent.transaction.sub_wallet
        return event

    def move(self, named: Named, to_state: str, journal: Journal | None) -> LedgerEvent:
        """The event of a command that moves on a transaction that there is already."""
        event = move_of(named, to_state, journal, self.cause, self.context.recorded_at, self.command.operation)
        _say(self.command, event)
        event.request = msgspec.Raw(self.canonical)
        self.then += (lambda turn: turn.tell_requester(event, named.transaction),)
        return event

    def note(self, type_: str, named: Named, message: str, journal: Journal | None = None) -> LedgerEvent:
        """The event of a command that is about a transaction, and leaves it in the state that it is in."""
        recorded_at, command = self.context.recorded_at, self.command.operation
        event = move_of(named, named.transaction.state, journal, self.cause, recorded_at, command)
        event.type, event.from_state, event.path, event.message = type_, None, (), message
        _say(self.command, event)
        event.request = msgspec.Raw(self.canonical)
        return event

    def reject(self, code: Code, message: str, field: str | None = None) -> LedgerEvent:
        """The event of a rejection: nothing is posted, and most codes are frozen under the key."""
        command = self.command
        event = LedgerEvent(
            type=REQUEST_REJECTED,
            wallet_id=command.wallet_id,
            operation=command.operation,
            sub_wallet=command.sub_wallet,
            code=code.value,
            field=field,
            message=message,
            occurred_at=command.occurred_at,
            request=msgspec.Raw(self.canonical),
            cause=self.cause,
            recorded_at=self.context.recorded_at,
        )
        # All else that the requester has said stands in the request.
        if command.device is not None:
            event.device = msgspec.Raw(_encode(command.device))
        return event


def move_of(
    named: Named, to_state: str, journal: Journal | None, cause: Cause, recorded_at: str, command: str, code: str = "ok"
) -> LedgerEvent:
    """The event that moves on a transaction: `command` says what did, and its remaining amount is 0 unless set."""
    transaction = named.transaction
    from_state = transaction.state
    return LedgerEvent(
        type=f"transaction.{to_state}",
        wallet_id=transaction.wallet_id,
        transaction_id=named.transaction_id,
        parent_transaction_id=transaction.parent_transaction_id,
        operation=transaction.operation,
        command=command,
        from_state=from_state,
        to_state=to_state,
        path=(from_state, to_state) if from_state != to_state else (to_state,),
        entries=journal.entries if journal else (),
        balances=journal.balances if journal else (),
        amount_minor=transaction.amount_minor,
        asset=transaction.asset,
        sub_wallet=transaction.sub_wallet,
        code=code,
        cause=cause,
        recorded_at=recorded_at,
    )


def _say(command: ReadCommand, event: LedgerEvent) -> None:
    """Take over what the requester has said beside the command."""
    if command.occurred_at is not None:
        event.occurred_at = command.occurred_at
    if command.device is not None:
        event.device = msgspec.Raw(_encode(command.device))
    if command.references is not None:
        event.references = msgspec.Raw(_encode(command.references))
    if command.metadata is not None:
        event.metadata = command.metadata
