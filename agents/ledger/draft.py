"""What a decision writes its event with: the identity of the command, its place in the input, and the time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import Any, NamedTuple

import msgspec

from agents.ledger.state import LedgerState, Transaction
from agents.ledger.turn import Turn
from schemas.codes import Code
from schemas.events import (
    REQUEST_REJECTED,
    AccountBalance,
    Cause,
    Counterparty,
    Entry,
    Exchange,
    Fee,
    LedgerEvent,
    WalletFacts,
)
from schemas.money import INT64_MAX, INT64_MIN, is_balance
from schemas.reading import ReadCommand
from streams.machine import Context, Message

_encode = msgspec.json.Encoder().encode


class Named(NamedTuple):
    """A transaction that there is already, and its id."""

    transaction_id: str
    transaction: Transaction


#: Account, asset, and what it gains in minor units; less than 0 is taken from it.
Move = tuple[str, str, int]


class Journal(msgspec.Struct, frozen=True, gc=False):
    """Entries whose debits equal their credits, and the balances of the accounts after them."""

    entries: tuple[Entry, ...]
    balances: tuple[AccountBalance, ...]


def post(state: LedgerState, debit: str, credit: str, asset: str, amount_minor: int) -> Journal | None:
    """The journal that moves `amount_minor` from `debit` to `credit`; None where a balance would leave int64."""
    debited = state.balance_minor(debit, asset) - amount_minor
    credited = state.balance_minor(credit, asset) + amount_minor
    if debited < INT64_MIN or credited > INT64_MAX:
        return None
    return Journal(
        (Entry(debit, asset, amount_minor), Entry(credit, asset, 0, amount_minor)),
        (AccountBalance(debit, asset, debited), AccountBalance(credit, asset, credited)),
    )


def leaves_room(state: LedgerState, after: AccountBalance) -> bool:
    """True where a balance would stay within int64 even if every open saga of the partition were given back.

    Asked of whatever adds to a wallet's account or takes from transit. The opening of a saga takes from the one and
    adds to the other what may come back, so that it leaves as much room as there was.
    """
    return INT64_MIN <= after.balance_minor + state.under_way_minor(after.account, after.asset) <= INT64_MAX


def has_room_after(state: LedgerState, journal: Journal, account: str, asset: str) -> bool:
    """`leaves_room` of an account after a journal, which may give it nothing: what comes back may be floored to 0."""
    return all(
        leaves_room(state, after) for after in journal.balances if after.account == account and after.asset == asset
    )


def room_minor(state: LedgerState, account: str, asset: str) -> int:
    """The most that an account can take, whatever else comes to it."""
    return max(0, INT64_MAX - state.balance_minor(account, asset) - state.under_way_minor(account, asset))


def has_room(state: LedgerState, account: str, asset: str, amount_minor: int) -> bool:
    """True where an amount may come to an account later: it would stay within int64 whatever else comes to it."""
    return leaves_room(state, AccountBalance(account, asset, state.balance_minor(account, asset) + amount_minor))


def inverse(state: LedgerState, entries: tuple[Entry, ...]) -> Journal:
    """The exact inverse of a journal: what a compensation posts. Never refused: `leaves_room` kept room for it."""
    reversed_entries = tuple(
        Entry(e.account, e.asset, debit_minor=e.credit_minor, credit_minor=e.debit_minor) for e in entries
    )
    after = {(e.account, e.asset): state.balance_minor(e.account, e.asset) for e in entries}
    for entry in reversed_entries:
        after[entry.account, entry.asset] += entry.credit_minor - entry.debit_minor
    balances = tuple(AccountBalance(account, asset, minor) for (account, asset), minor in after.items())
    return Journal(reversed_entries, balances)


def renamed(entries: tuple[Entry, ...], from_: str, to: str) -> tuple[Entry, ...]:
    """Entries with one account in place of another, those of the same account and asset as one."""
    sums: dict[tuple[str, str], int] = {}
    for entry in entries:
        key = (to if entry.account == from_ else entry.account, entry.asset)
        sums[key] = sums.get(key, 0) + entry.credit_minor - entry.debit_minor
    return tuple(
        Entry(name, asset, debit_minor=-minor) if minor < 0 else Entry(name, asset, credit_minor=minor)
        for (name, asset), minor in sums.items()
        if minor
    )


def post_moves(state: LedgerState, moves: Sequence[Move]) -> Journal | None:
    """The journal of these moves, an entry each but for those of 0; they add up to 0 for each asset.

    None where a balance would leave int64.
    """
    after: dict[tuple[str, str], int] = {}
    entries = []
    for account, asset, minor in moves:
        if minor:
            key = (account, asset)
            after[key] = after.get(key, state.balance_minor(account, asset)) + minor
            entries.append(Entry(account, asset, -minor) if minor < 0 else Entry(account, asset, 0, minor))
    if not all(map(is_balance, after.values())):
        return None
    balances = tuple([AccountBalance(account, asset, minor) for (account, asset), minor in after.items()])
    return Journal(tuple(entries), balances)


def post_all(state: LedgerState, asset: str, moves: Sequence[tuple[str, int]]) -> Journal | None:
    """The same, of moves of a single asset."""
    return post_moves(state, [(account, asset, minor) for account, minor in moves])


class Draft:
    """One command on its way to an event."""

    __slots__ = ("canonical", "cause", "command", "context", "fingerprint", "messages", "then", "transaction_id")

    def __init__(self, command: Any, context: Context, cause: Cause, scope: str, canonical: bytes, *, item: int = 0):
        self.command: ReadCommand = command
        self.context = context
        self.cause = cause
        self.canonical = canonical
        #: What is written with the event.
        self.messages: tuple[Message, ...] = ()
        #: What follows the event, in the same turn: done in order, once it is written.
        self.then: tuple[Callable[[Turn], None], ...] = ()
        # The input topic, the wallet and the key; when it was first recorded; the item of a batch, 0 outside one.
        identity = f"{scope}\0{context.recorded_at_ms}\0{item}"
        self.transaction_id = sha256(identity.encode()).hexdigest()[:32]

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

    def move(self, named: Named, to_state: str, journal: Journal | None, code: str = "ok") -> LedgerEvent:
        """The event of a command that moves on a transaction that there is already."""
        event = move_of(named, to_state, journal, self.cause, self.context.recorded_at, self.command.operation, code)
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
        return LedgerEvent(
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
