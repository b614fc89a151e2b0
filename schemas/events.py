"""Ledger events: the truth. Everything else is a projection of these.

Written and read by ourselves at tens of thousands a second, hence msgspec structs: typed, checked on
decoding, and unknown fields are ignored so that an older reader survives a newer writer.
"""

from __future__ import annotations

from typing import Final

import msgspec


class Entry(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One side of a posting: a debit or a credit of one account in one asset, in minor units."""

    account: str
    asset: str
    debit_minor: int = 0
    credit_minor: int = 0


class AccountBalance(msgspec.Struct, frozen=True, gc=False):
    """Balance (credits - debits) of an account in an asset, in minor units."""

    account: str
    asset: str
    balance_minor: int


class Counterparty(msgspec.Struct, frozen=True, gc=False):
    """The other wallet of a transfer."""

    wallet_id: str
    sub_wallet: str


class Source(msgspec.Struct, frozen=True, gc=False):
    """Where a record came from: short topic name, partition, offset."""

    topic: str
    partition: int
    offset: int


class Cause(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """The input record that an event answers, and the command's identity where it could be read."""

    topic: str
    partition: int
    offset: int
    request_id: str | None = None
    idempotency_key: str | None = None
    fingerprint: str | None = None
    #: The record that the command first arrived as, where it was forwarded or parked on its way.
    origin: Source | None = None

    @property
    def first_topic(self) -> str:
        """Short name of the topic that the record first arrived on."""
        return self.topic if self.origin is None else self.origin.topic


class Window(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """How much may leave a wallet within one calendar hour, day or month, in UTC; None: any number, any sum."""

    count: int | None = None
    sum_minor: int | None = None


class AssetTerms(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """What is agreed with a wallet about one asset, in minor units; None where nothing is."""

    single_max_minor: int | None = None
    hour: Window | None = None
    day: Window | None = None
    month: Window | None = None
    balance_cap_minor: int | None = None
    credit_limit_minor: int | None = None


class LimitFacts(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A limit that a command would exceed: which, how much it is, how much of it is used, and when that is over."""

    name: str
    limit: int
    used: int = 0
    frees_up_at: str | None = None
    #: The tier that it comes from, with its version; None where it is the wallet's own.
    tier: str | None = None


class WalletFacts(msgspec.Struct, frozen=True, omit_defaults=True):
    """What an event says of a wallet: all fields of `wallet.opened`, else those that changed."""

    owner_ref: str | None = None
    kind: str | None = None
    assets: tuple[str, ...] = ()
    state: str | None = None
    sub_wallet: str | None = None
    sub_wallet_kind: str | None = None
    payee_wallet_id: str | None = None
    #: Parked records that wait for a later portion of the release.
    parked: int | None = None
    tier: str | None = None
    #: By asset; all of them, where they were set.
    limits: dict[str, AssetTerms] | None = None
    over_capture_bps: int | None = None
    refunds_below_zero: bool | None = None


class Exchange(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """What was exchanged, at which rate: `to_minor` is the floor of `from_minor` times the fraction, exactly."""

    rate_id: str
    source: str
    from_asset: str
    from_minor: int
    to_asset: str
    to_minor: int
    #: Minor units of `to_asset` for one minor unit of `from_asset`, as a fraction in lowest terms.
    numerator: int
    denominator: int


class Fee(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A fee within another operation, in minor units, and the version of the schedule that it was taken from."""

    schedule: str
    version: int
    asset: str
    amount_minor: int
    #: Whether refunds give it back, pro rata.
    refundable: bool = False


class RailFacts(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """What a rail, or the batch that a transaction is sent in, says of it."""

    batch_id: str | None = None
    rail_reference: str | None = None
    settled_minor: int | None = None
    rail_fee_minor: int | None = None
    value_date: str | None = None
    #: What the rail has taken back, less what was no longer left of the transaction.
    returned_minor: int | None = None
    #: The rail's own reason for a failure or a return.
    code: str | None = None


#: Names and values of a record's headers, in order.
Headers = tuple[tuple[str, bytes | None], ...]


class ParkedRecord(msgspec.Struct, frozen=True, omit_defaults=True):
    """A record kept for later because its wallet is under quarantine; the value is its JSON text."""

    source: Source
    value: str
    #: Of what a rail has said: its headers, and its Kafka timestamp (Unix milliseconds), 0 where it was not kept.
    headers: Headers = ()
    timestamp_ms: int = 0


class LedgerEvent(msgspec.Struct, omit_defaults=True, kw_only=True):
    """One event of `ledger-events`. `sequence` is gapless within its partition and set by the runtime."""

    sequence: int = -1
    type: str
    wallet_id: str | None = None
    transaction_id: str | None = None
    parent_transaction_id: str | None = None
    leg: str | None = None
    operation: str | None = None
    #: What moved the transaction on, where it is not its own operation.
    command: str | None = None
    from_state: str | None = None
    to_state: str | None = None
    path: tuple[str, ...] = ()
    entries: tuple[Entry, ...] = ()
    balances: tuple[AccountBalance, ...] = ()
    amount_minor: int | None = None
    asset: str | None = None
    rail: str | None = None
    sub_wallet: str | None = None
    counterparty: Counterparty | None = None
    code: str | None = None
    field: str | None = None
    message: str | None = None
    forced: bool = False
    wallet: WalletFacts | None = None
    parked: ParkedRecord | None = None
    forwarded_to: int | None = None
    #: When the transaction is due next: its hold, its schedule or its lot ends or begins.
    due_at: str | None = None
    #: What is left of the transaction afterwards: of an authorization, or of what waits for screening, still held, of a
    #: dispute still open.
    remaining_minor: int | None = None
    exchange: Exchange | None = None
    fee: Fee | None = None
    #: Of the original's fee what a refund gives back.
    fee_returned_minor: int | None = None
    rail_facts: RailFacts | None = None
    #: Of a payment that waits for screening: what becomes of it where no verdict comes, `fail` or `review`.
    screening: str | None = None
    limit: LimitFacts | None = None
    #: Name and version of the tier whose limits were seen to.
    tier: str | None = None
    occurred_at: str | None = None
    device: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    references: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    metadata: dict[str, str] | None = None
    #: The command as validated, in its canonical form: what the fingerprint is the hash of.
    request: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    cause: Cause | None = None
    recorded_at: str


encode_event: Final = msgspec.json.Encoder().encode
decode_event: Final = msgspec.json.Decoder(LedgerEvent).decode

WALLET_OPENED: Final = "wallet.opened"
SUB_WALLET_OPENED: Final = "wallet.sub_wallet_opened"
ASSET_ENABLED: Final = "wallet.asset_enabled"
WALLET_STATE_CHANGED: Final = "wallet.state_changed"
WALLET_LIMITS_SET: Final = "wallet.limits_set"
WALLET_TIER_SET: Final = "wallet.tier_set"
WALLET_STEP_UP_REQUIRED: Final = "wallet.step_up_required"
WALLET_QUARANTINED: Final = "wallet.quarantined"
WALLET_RELEASING: Final = "wallet.releasing"
WALLET_RELEASED: Final = "wallet.released"
TRANSACTION_INITIATED: Final = "transaction.initiated"
TRANSACTION_PROCESSED: Final = "transaction.processed"
TRANSACTION_SETTLED: Final = "transaction.settled"
TRANSACTION_FAILED: Final = "transaction.failed"
TRANSACTION_CANCELED: Final = "transaction.canceled"
TRANSACTION_DISPUTED: Final = "transaction.disputed"
TRANSACTION_REVERSED: Final = "transaction.reversed"
TRANSACTION_SUBMITTED: Final = "transaction.submitted"
TRANSACTION_RETURNED: Final = "transaction.returned"
REWARD_EXPIRED: Final = "reward.expired"
TRANSACTION_CONFIRMED: Final = "transaction.confirmed"
TRANSACTION_CONTRADICTED: Final = "transaction.contradicted"
TRANSACTION_SCREENED: Final = "transaction.screened"
TRANSACTION_OVERDUE: Final = "transaction.overdue"
TRANSFER_RECEIVED: Final = "transfer.received"
TRANSFER_REFUSED: Final = "transfer.refused"
REQUEST_REJECTED: Final = "request.rejected"
REQUEST_REPLAYED: Final = "request.replayed"
REQUEST_FORWARDED: Final = "request.forwarded"
REQUEST_DEAD_LETTERED: Final = "request.dead_lettered"
REQUEST_PARKED: Final = "request.parked"
CLOCK_TICKED: Final = "clock.ticked"
BATCH_SEALED: Final = "batch.sealed"

EVENT_TYPES: Final = (
    WALLET_OPENED,
    SUB_WALLET_OPENED,
    ASSET_ENABLED,
    WALLET_STATE_CHANGED,
    WALLET_LIMITS_SET,
    WALLET_TIER_SET,
    WALLET_STEP_UP_REQUIRED,
    WALLET_QUARANTINED,
    WALLET_RELEASING,
    WALLET_RELEASED,
    TRANSACTION_INITIATED,
    TRANSACTION_PROCESSED,
    TRANSACTION_SETTLED,
    TRANSACTION_FAILED,
    TRANSACTION_CANCELED,
    TRANSACTION_DISPUTED,
    TRANSACTION_REVERSED,
    TRANSACTION_SUBMITTED,
    TRANSACTION_RETURNED,
    REWARD_EXPIRED,
    TRANSACTION_CONFIRMED,
    TRANSACTION_CONTRADICTED,
    TRANSACTION_SCREENED,
    TRANSACTION_OVERDUE,
    TRANSFER_RECEIVED,
    TRANSFER_REFUSED,
    REQUEST_REJECTED,
    REQUEST_REPLAYED,
    REQUEST_FORWARDED,
    REQUEST_DEAD_LETTERED,
    REQUEST_PARKED,
    CLOCK_TICKED,
    BATCH_SEALED,
)
