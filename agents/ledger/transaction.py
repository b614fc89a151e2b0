"""A transaction as the ledger keeps it: what is held, what its rail has said, what was taken back of it."""

from __future__ import annotations

import msgspec

from schemas.events import Entry, RailFacts, Source
from schemas.lifecycle import UNDER_WAY, Verb


class Hold(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What is left of an authorization."""

    remaining_minor: int
    #: Sum of its captures, of those too whose payee has not answered yet; more than was held where policy lets it.
    captured_minor: int = 0


class Exchanged(msgspec.Struct, frozen=True, gc=False):
    """What was exchanged, as far as refunds go by it.

    The event has the exact fraction too, which may be of any size, while what is kept fits 64 bits.
    """

    rate_id: str
    source: str
    from_asset: str
    from_minor: int
    to_asset: str
    to_minor: int


class OnRail(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What a rail has been given and has said of a transaction."""

    batch_id: str | None = None
    #: What it has done, as `<command>:<its reference>`: each of them is booked once.
    references: tuple[str, ...] = ()

    def after(self, command: str, facts: RailFacts) -> OnRail:
        """The same, once the event of a command has said more of the rail."""
        references = self.references
        if facts.rail_reference is not None:
            references = (*references, f"{command}:{facts.rail_reference}")
        return OnRail(facts.batch_id or self.batch_id, references)


class Counter(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What has become of a settled transaction, in minor units: all that is taken back of it is counted once, here."""

    settled_minor: int
    refunded_minor: int = 0
    #: Of disputes that are open.
    disputed_minor: int = 0
    charged_back_minor: int = 0
    reversed_minor: int = 0
    returned_minor: int = 0
    #: Given back by refunds, of the original's fee and of what was exchanged for it.
    fee_returned_minor: int = 0
    exchange_returned_minor: int = 0

    @property
    def remaining_minor(self) -> int:
        """What is left that may be refunded, disputed, returned or reversed."""
        taken_back_minor = self.refunded_minor + self.charged_back_minor + self.reversed_minor + self.returned_minor
        return self.settled_minor - taken_back_minor - self.disputed_minor


class Lot(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What is left of a reward, and until when it may be spent."""

    transaction_id: str
    expires_at_ms: int
    remaining_minor: int


def is_open(operation: str, state: str) -> bool:
    """True of a transaction that a command, a rail or another partition is still to move on."""
    return state in UNDER_WAY or (state == "disputed" and operation == "dispute")


class Transaction(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A transaction as its owner's partition knows it; the payee's side of a transfer has one too."""

    operation: str
    state: str
    code: str
    wallet_id: str
    sub_wallet: str
    asset: str
    amount_minor: int
    opened_at_ms: int
    topic: str
    partition: int
    offset: int
    request_id: str | None = None
    idempotency_key: str | None = None
    #: The journal that opened it, kept while a compensation may have to invert it.
    journal: tuple[Entry, ...] = ()
    parent_transaction_id: str | None = None
    #: None for the instant rail, and where none is used.
    rail: str | None = None
    to_wallet_id: str | None = None
    to_sub_wallet: str | None = None
    #: Of an authorization that can be captured.
    hold: Hold | None = None
    on_rail: OnRail | None = None
    #: Its fee, as far as refunds give it back.
    fee_minor: int = 0
    exchange: Exchanged | None = None
    #: When it was counted towards the limits of its wallet; 0 where it was not.
    counted_at_ms: int = 0
    #: When its hold ends, or it is to be executed; 0 where nothing is due of it.
    due_at_ms: int = 0
    #: What was spent of rewards, and how much of that has come back.
    lots: tuple[Lot, ...] = ()
    lots_back_minor: int = 0
    #: None as long as the whole amount is settled and nothing of it taken back.
    counter: Counter | None = None
    #: Transactions under way that act on it: captures, refunds, disputes, reversals.
    open_children: int = 0
    #: Of a payment that waits for screening: what becomes of it where no verdict comes, `fail` or `review`.
    screening: str | None = None

    @property
    def is_open(self) -> bool:
        """True where something is still to come of it by a command, a rail or another partition."""
        return is_open(self.operation, self.state)

    @property
    def is_unfinished(self) -> bool:
        """True where it must not be forgotten: it is open, something is due of it, or what acts on it is open."""
        return self.open_children > 0 or self.due_at_ms > 0 or self.is_open

    @property
    def awaiting_minor(self) -> int:
        """What is held for it while it waits for screening."""
        return 0 if self.screening is None else sum(entry.credit_minor for entry in self.journal)

    def has_reference(self, verb: Verb, reference: str) -> bool:
        """True where this was booked before under this reference of the rail."""
        return self.on_rail is not None and f"{verb.value}:{reference}" in self.on_rail.references

    @property
    def counted(self) -> Counter:
        """Its counter, once it is settled: of what was received, in that asset."""
        return self.counter or Counter(self.received_minor)

    @property
    def received_minor(self) -> int:
        """What was received: the amount, or what was got for it."""
        return self.amount_minor if self.exchange is None else self.exchange.to_minor

    @property
    def received_asset(self) -> str:
        """The asset that was received."""
        return self.asset if self.exchange is None else self.exchange.to_asset

    @property
    def source(self) -> Source:
        """The record that asked for it."""
        return Source(self.topic, self.partition, self.offset)
