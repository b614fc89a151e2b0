"""What the event log tells of one wallet or one transaction: a fold of those of its events that speak of it. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import msgspec

from schemas import events as ev
from schemas.events import LedgerEvent, encode_event

_NOT_TRANSACTIONS: Final = frozenset(
    {ev.REQUEST_FORWARDED, ev.CLOCK_TICKED, ev.REQUEST_PARKED, ev.WALLET_STEP_UP_REQUIRED}
)
#: Order of the events of one transfer that have the same time: sent, received or refused, ended.
_RANK: Final = {ev.TRANSACTION_PROCESSED: 0, ev.TRANSFER_RECEIVED: 1, ev.TRANSFER_REFUSED: 1}


class Logged(NamedTuple):
    """An event and where it is in the log."""

    partition: int
    offset: int
    event: LedgerEvent

    def as_json(self) -> dict[str, Any]:
        """The event as JSON values, with its place."""
        event = msgspec.json.decode(encode_event(self.event))
        return {"partition": self.partition, "offset": self.offset, "event": event}


class Ordered(NamedTuple):
    """What was ordered of a wallet last, when, and why; by the fraud role with its alert."""

    operation: str
    recorded_at: str
    why: str | None
    alert_id: str | None

    def __str__(self) -> str:
        alert = f", alert {self.alert_id}" if self.alert_id else ""
        return f"{self.operation} at {self.recorded_at}{alert}{f': {self.why}' if self.why else ''}"


class _Reason(msgspec.Struct):
    """Of the request that an event keeps: operators give a code, the fraud role a sentence."""

    reason_code: str | None = None
    reason: str | None = None
    alert_id: str | None = None


_decode_reason: Final = msgspec.json.Decoder(_Reason).decode


@dataclass
class WalletHistory:
    """A wallet as its partition's log tells it."""

    wallet_id: str
    owner_ref: str | None = None
    kind: str | None = None
    state: str | None = None
    #: What it has its state from; None where it was never changed.
    state_from: Ordered | None = None
    #: That its owner is to prove who they are, as the fraud role said last.
    step_up: Ordered | None = None
    opened_at: str | None = None
    quarantined: bool = False
    assets: tuple[str, ...] = ()
    #: Sub-wallet -> its kind.
    sub_wallets: dict[str, str] = field(default_factory=dict)
    #: Events that moved its money, or tried to, in order.
    movements: list[Logged] = field(default_factory=list)

    @property
    def is_open(self) -> bool:
        """True where the wallet was ever opened."""
        return self.opened_at is not None

    def speaks_of(self, value: bytes) -> bool:
        """True where an event, as bytes, may concern the wallet; cheaper than to decode it."""
        return self.wallet_id.encode() in value

    def take(self, logged: Logged) -> None:
        """The next event of the partition."""
        event = logged.event
        own = f"{self.wallet_id}/"
        is_own = event.wallet_id == self.wallet_id
        if is_own and event.wallet is not None:
            self._change(event)
        if is_own and event.type == ev.WALLET_STATE_CHANGED:
            self.state_from = _ordered(event)
        if is_own and event.type == ev.WALLET_STEP_UP_REQUIRED:
            self.step_up = _ordered(event)
        if is_own and event.type in (ev.WALLET_QUARANTINED, ev.WALLET_RELEASED):
            self.quarantined = event.type == ev.WALLET_QUARANTINED
        touches = any(entry.account.startswith(own) for entry in event.entries)
        if touches or (is_own and event.wallet is None and event.type not in _NOT_TRANSACTIONS):
            self.movements.append(logged)

    def _change(self, event: LedgerEvent) -> None:
        facts = event.wallet
        assert facts is not None
        if event.type == ev.WALLET_OPENED:
            self.owner_ref, self.kind, self.opened_at = facts.owner_ref, facts.kind, event.recorded_at
            self.sub_wallets = {"main": "main"}
        if facts.assets:
            self.assets = facts.assets
        if facts.state is not None:
            self.state = facts.state
        if facts.sub_wallet is not None:
            self.sub_wallets[facts.sub_wallet] = facts.sub_wallet_kind or "main"

    def change_minor(self, event: LedgerEvent) -> dict[str, int]:
        """What an event added to or took from the wallet, by asset."""
        sums: dict[str, int] = {}
        for entry in event.entries:
            if entry.account.startswith(f"{self.wallet_id}/"):
                sums[entry.asset] = sums.get(entry.asset, 0) + entry.credit_minor - entry.debit_minor
        return sums


def _ordered(event: LedgerEvent) -> Ordered:
    said = _Reason() if event.request is msgspec.UNSET else _decode_reason(event.request)
    return Ordered(event.operation or "", event.recorded_at, said.reason_code or said.reason, said.alert_id)


def in_order(events: Iterable[Logged]) -> list[Logged]:
    """Events of one transaction from several partitions, as they followed from one another."""
    return sorted(
        events, key=lambda x: (x.event.recorded_at, _RANK.get(x.event.type, 2), x.partition, x.event.sequence)
    )


def concerns(event: LedgerEvent, transaction_id: str) -> bool:
    """True where an event is of the transaction, or of one that came out of it."""
    return transaction_id in (event.transaction_id, event.parent_transaction_id)


class Child(NamedTuple):
    """A transaction that acts on another one, as its events so far leave it."""

    transaction_id: str
    operation: str | None
    amount_minor: int | None
    asset: str | None
    state: str | None


def family(transaction_id: str, events: Iterable[Logged]) -> tuple[str | None, list[Child]]:
    """The transaction that this one acts on, and those that act on it; of events in order."""
    parent: str | None = None
    children: dict[str, Child] = {}
    for _, _, event in events:
        if event.transaction_id == transaction_id:
            parent = event.parent_transaction_id or parent
        elif event.transaction_id is not None and event.parent_transaction_id == transaction_id and event.leg is None:
            before = children.get(event.transaction_id)
            first = (event.operation, event.amount_minor, event.asset) if before is None else before[1:4]
            children[event.transaction_id] = Child(event.transaction_id, *first, event.to_state)
    return parent, list(children.values())
