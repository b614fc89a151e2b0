"""What the books need of the event log, by structs of their own: whatever else is in an event is passed over."""

from __future__ import annotations

from typing import Any, Final

import msgspec


class Entry(msgspec.Struct):
    account: str
    asset: str
    debit_minor: int = 0
    credit_minor: int = 0


class Balance(msgspec.Struct):
    account: str
    asset: str
    balance_minor: int


class Counterparty(msgspec.Struct):
    wallet_id: str


class Fee(msgspec.Struct):
    asset: str
    amount_minor: int


class Exchange(msgspec.Struct):
    from_asset: str
    from_minor: int
    to_asset: str
    to_minor: int


class RailFacts(msgspec.Struct):
    settled_minor: int | None = None
    returned_minor: int | None = None


class Cause(msgspec.Struct):
    """The record that led to an event."""

    topic: str
    idempotency_key: str | None = None


class Event(msgspec.Struct):
    """What the books need of an event."""

    type: str
    wallet_id: str | None = None
    transaction_id: str | None = None
    parent_transaction_id: str | None = None
    leg: str | None = None
    operation: str | None = None
    from_state: str | None = None
    to_state: str | None = None
    entries: tuple[Entry, ...] = ()
    balances: tuple[Balance, ...] = ()
    amount_minor: int | None = None
    asset: str | None = None
    rail: str | None = None
    sub_wallet: str | None = None
    counterparty: Counterparty | None = None
    forced: bool = False
    due_at: str | None = None
    exchange: Exchange | None = None
    fee: Fee | None = None
    fee_returned_minor: int | None = None
    rail_facts: RailFacts | None = None
    wallet: dict[str, Any] | None = None
    request: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    cause: Cause | None = None


decode_event: Final = msgspec.json.Decoder(Event).decode
