"""The ledger's state: tables that are a fold of its events. `apply` alone changes them."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import msgspec
import msgspec.structs

from schemas.events import AssetTerms, Entry, Exchange, ParkedRecord, Source
from schemas.lifecycle import Verb
from streams.overlay import Overlay
from streams.table_views import BucketedView, TableView
from streams.tables import IN_ORDER, Table

DAY_MS: Final = 86_400_000


class SubWallet(msgspec.Struct, frozen=True, array_like=True):
    """A sub-wallet: its kind, and for an escrow the only wallet that it may pay."""

    kind: str
    payee_wallet_id: str | None = None


class Terms(msgspec.Struct, frozen=True, array_like=True):
    """What is agreed with a wallet."""

    tier: str | None = None
    #: By asset; each goes before the tier's.
    limits: dict[str, AssetTerms] = {}
    #: How much more than was authorized may be captured, in basis points of it.
    over_capture_bps: int = 0
    #: Its refunds may take what is available below zero.
    refunds_below_zero: bool = False


class Spent(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What has left a wallet in one asset, in the calendar hour, day and month that something last left it."""

    hour: int = 0
    hour_count: int = 0
    hour_minor: int = 0
    day: int = 0
    day_count: int = 0
    day_minor: int = 0
    month: int = 0
    month_count: int = 0
    month_minor: int = 0


class Wallet(msgspec.Struct, frozen=True, array_like=True):
    """What is known of a wallet besides its balances."""

    owner_ref: str
    kind: str
    state: str
    assets: tuple[str, ...]
    sub_wallets: dict[str, SubWallet]
    quarantined: bool = False
    #: Records that wait for the end of the quarantine.
    parked: int = 0
    #: Transactions that are neither settled nor failed.
    open_transactions: int = 0
    #: Number of the first record that waits; those behind it count on from there.
    first_parked: int = 0
    #: Operators have ended the quarantine, and what is parked is being executed, portion by portion.
    releasing: bool = False
    #: When the first of its transactions is due, in Unix milliseconds; 0 where none is.
    due_at_ms: int = 0
    #: What is agreed with it; None with most wallets.
    terms: Terms | None = None


class Hold(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What is left of an authorization."""

    remaining_minor: int
    #: Sum of its captures, of those too whose payee has not answered yet; more than was held where policy lets it.
    captured_minor: int = 0


class OnRail(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What a rail has been given and has said of a transaction."""

    batch_id: str | None = None
    #: What it has done, as `<command>:<its reference>`: each of them is booked once.
    references: tuple[str, ...] = ()


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
    exchange: Exchange | None = None
    #: When it was counted towards the limits of its wallet; 0 where it was not.
    counted_at_ms: int = 0
    #: When its hold ends, or it is to be executed; 0 where nothing is due of it.
    due_at_ms: int = 0
    #: What was spent of rewards, and how much of that has come back.
    lots: tuple[Lot, ...] = ()
    lots_back_minor: int = 0
    #: None as long as the whole amount is settled and nothing of it taken back.
    counter: Counter | None = None

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


_pack: Final = msgspec.msgpack.Encoder().encode

_decode_wallet: Final = msgspec.msgpack.Decoder(Wallet).decode
_MAIN_ALONE: Final = {"main": SubWallet("main")}


@lru_cache(maxsize=1_024)
def _shared(assets: tuple[str, ...]) -> tuple[str, ...]:
    return assets


def compact(wallet: Wallet) -> Wallet:
    """The same wallet, sharing what most wallets have alike: less memory, most of it in the processor's cache."""
    sub_wallets = _MAIN_ALONE if wallet.sub_wallets == _MAIN_ALONE else wallet.sub_wallets
    return msgspec.structs.replace(wallet, assets=_shared(wallet.assets), sub_wallets=sub_wallets)


WALLETS: Final = Table[Wallet]("wallets", _pack, lambda row: compact(_decode_wallet(row)))
#: `<account> <asset>` -> minor units.
BALANCES: Final = Table[int]("balances", _pack, msgspec.msgpack.Decoder(int).decode)
#: Holder -> keys of all its balances, in order of their first posting.
ACCOUNTS: Final = Table[tuple[str, ...]]("accounts", _pack, msgspec.msgpack.Decoder(tuple[str, ...]).decode)
PARKED: Final = Table[ParkedRecord]("parked", _pack, msgspec.msgpack.Decoder(ParkedRecord).decode, cached=False)
#: `<account> <asset>` -> what comes back to the balance if every open saga of the partition fails, in minor units.
UNDER_WAY: Final = Table[int]("under_way", _pack, msgspec.msgpack.Decoder(int).decode)
#: `<wallet id> <asset>` -> what has left the wallet, of those with terms.
SPENT: Final = Table[Spent]("spent", _pack, msgspec.msgpack.Decoder(Spent).decode)
#: Transactions that wait for their time -> the command, in its canonical form.
SCHEDULED: Final = Table[bytes]("scheduled", bytes, bytes, cached=False)
#: `<account> <asset>` -> its rewards that expire, soonest first.
LOTS: Final = Table[tuple[Lot, ...]]("lots", _pack, msgspec.msgpack.Decoder(tuple[Lot, ...]).decode)
#: Key in `LOTS` that no account has: there once from the partition's first reward that expires.
EVER_HAD_LOTS: Final = ""
#: `due_key` -> the wallet whose transaction is due then.
DUE: Final = Table[str](f"due{IN_ORDER}", str.encode, bytes.decode, cached=False)
#: `due_of_wallet_key` -> the transaction that is due then.
DUE_OF_WALLET: Final = Table[str](f"due-of-wallet{IN_ORDER}", str.encode, bytes.decode, cached=False)


def transactions_table(retained_ms: int) -> Table[Transaction]:
    """The table of transactions; its buckets do not depend on the retention, so that another one needs no rebuild."""
    return Table(
        "transactions-2",
        _pack,
        msgspec.msgpack.Decoder(Transaction).decode,
        bucket_ms=60 * DAY_MS,
        retained_ms=retained_ms,
    )


def first_events_table(retained_ms: int) -> Table[bytes]:
    """Idempotency key in its scope -> the event of the command that it was used for first, as it stands in the log.

    Fingerprint, command and answer are in it. The buckets are a fifth of the retention, so that a miss asks few of
    them. Their width is in the table's name: keys in buckets of another one would not be found, and decided again.
    """
    bucket_ms = max(1, retained_ms // 5)
    return Table(f"first-events-{bucket_ms}ms", bytes, bytes, bucket_ms=bucket_ms, retained_ms=retained_ms)


class LedgerState:
    """The tables of an overlay, typed."""

    __slots__ = (
        *("accounts", "balances", "due", "due_of_wallet", "first_events", "parked", "transactions", "under_way"),
        *("has_lots", "lots", "overlay", "scheduled", "spent", "wallets"),
    )

    def __init__(self, overlay: Overlay, transactions: Table[Transaction], first_events: Table[bytes]):
        self.overlay = overlay
        self.lots: TableView[tuple[Lot, ...]] = overlay.table(LOTS)
        #: False until the first reward of the partition that expires: no posting need look for any.
        self.has_lots = self.lots.get(EVER_HAD_LOTS) is not None
        self.scheduled: TableView[bytes] = overlay.table(SCHEDULED)
        self.wallets: TableView[Wallet] = overlay.table(WALLETS)
        self.balances: TableView[int] = overlay.table(BALANCES)
        self.accounts: TableView[tuple[str, ...]] = overlay.table(ACCOUNTS)
        self.parked: TableView[ParkedRecord] = overlay.table(PARKED)
        self.under_way: TableView[int] = overlay.table(UNDER_WAY)
        self.spent: TableView[Spent] = overlay.table(SPENT)
        self.due: TableView[str] = overlay.table(DUE)
        self.due_of_wallet: TableView[str] = overlay.table(DUE_OF_WALLET)
        self.transactions: BucketedView[Transaction] = overlay.bucketed(transactions)
        self.first_events: BucketedView[bytes] = overlay.bucketed(first_events)

    def balance_minor(self, account: str, asset: str) -> int:
        """Credits less debits of an account in an asset, in minor units."""
        return self.balances.get(f"{account} {asset}") or 0

    def under_way_minor(self, account: str, asset: str) -> int:
        """What is added to the balance if every open saga of the partition is given back, in minor units."""
        return self.under_way.get(f"{account} {asset}") or 0
