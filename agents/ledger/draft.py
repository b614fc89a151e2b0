"""What a decision writes its event with: the identity of the command, its place in the input, and the time."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import msgspec

from agents.ledger.state import LedgerState
from schemas.codes import Code
from schemas.events import (
    REQUEST_REJECTED,
    AccountBalance,
    Cause,
    Counterparty,
    Entry,
    LedgerEvent,
    WalletFacts,
)
from schemas.money import INT64_MAX, INT64_MIN
from schemas.reading import ReadCommand
from streams.machine import Context, Message

_encode = msgspec.json.Encoder().encode


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


class Draft:
    """One command on its way to an event."""

    __slots__ = ("canonical", "cause", "command", "context", "fingerprint", "messages", "transaction_id")

    def __init__(self, command: Any, context: Context, cause: Cause, scope: str, canonical: bytes):
        self.command: ReadCommand = command
        self.context = context
        self.cause = cause
        self.canonical = canonical
        self.messages: list[Message] = []
        # The input topic, the wallet and the key; when it was first recorded; the item of a batch, 0 outside one.
        identity = f"{scope}\0{context.recorded_at_ms}\0000"
        self.transaction_id = sha256(identity.encode()).hexdigest()[:32]

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
    ) -> LedgerEvent:
        """An event of this command; `path` is every state that its transaction passes, the last one reached."""
        command = self.command
        return LedgerEvent(
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
            sub_wallet=command.sub_wallet,
            rail=rail,
            counterparty=counterparty,
            code=code,
            message=message,
            wallet=wallet,
            occurred_at=command.occurred_at,
            device=_raw(command.device),
            references=_raw(command.references),
            metadata=command.metadata,
            request=msgspec.Raw(self.canonical),
            cause=self.cause,
            recorded_at=self.context.recorded_at,
        )

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


def _raw(part: msgspec.Struct | None) -> msgspec.Raw | msgspec.UnsetType:
    """A part of a command as JSON, to stand in an event."""
    return msgspec.UNSET if part is None else msgspec.Raw(_encode(part))
