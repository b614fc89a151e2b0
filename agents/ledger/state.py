"""The ledger's state: tables that are a fold of its events. `apply` alone changes them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Final

import msgspec
import msgspec.structs

from agents.ledger.transaction import Lot, Transaction
from schemas.events import AssetTerms, ParkedRecord
from streams.bucketed_view import BucketedView
from streams.overlay import Overlay
from streams.table_views import TableView
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
    #: True from its first reward that expires on. Of others the table of rewards need not be asked.
    has_lots: bool = False


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


WALLETS: Final = Table[Wallet]("wallets-2", _pack, lambda row: compact(_decode_wallet(row)))
#: `<account> <asset>` -> minor units.
BALANCES: Final = Table[int]("balances", _pack, msgspec.msgpack.Decoder(int).decode)
#: Holder -> keys of all its balances, in order of their first posting.
ACCOUNTS: Final = Table[tuple[str, ...]]("accounts", _pack, msgspec.msgpack.Decoder(tuple[str, ...]).decode)
PARKED: Final = Table[ParkedRecord]("parked", _pack, msgspec.msgpack.Decoder(ParkedRecord).decode, cached=False)
#: `<account> <asset>` -> what comes back to the balance if every open saga of the partition fails, in minor units.
UNDER_WAY: Final = Table[int]("under_way-2", _pack, msgspec.msgpack.Decoder(int).decode)
#: `<wallet id> <asset>` -> what has left the wallet, of those with terms.
SPENT: Final = Table[Spent]("spent", _pack, msgspec.msgpack.Decoder(Spent).decode)
#: Transactions that wait for their time -> the command, in its canonical form.
SCHEDULED: Final = Table[bytes]("scheduled", bytes, bytes, cached=False)
#: `<account> <asset>` -> its rewards that expire, soonest first.
LOTS: Final = Table[tuple[Lot, ...]]("lots-2", _pack, msgspec.msgpack.Decoder(tuple[Lot, ...]).decode)
#: Assets in which the partition ever had a reward that expires. They are kept for good: it may come back.
LOT_ASSETS: Final = Table[bool]("lot-assets", _pack, msgspec.msgpack.Decoder(bool).decode)
#: `due_key` -> the wallet whose transaction is due then.
DUE: Final = Table[str](f"due{IN_ORDER}", str.encode, bytes.decode, cached=False)
#: `due_of_wallet_key` -> the transaction that is due then.
DUE_OF_WALLET: Final = Table[str](f"due-of-wallet{IN_ORDER}", str.encode, bytes.decode, cached=False)


_decode_transaction: Final = msgspec.msgpack.Decoder(Transaction).decode
#: Transactions that must not be forgotten, however long they take.
UNFINISHED: Final = Table[Transaction]("unfinished", _pack, _decode_transaction, cached=False)


def to_be_taken(account: str) -> str:
    """The name in `UNDER_WAY` of what is taken from an account if every open saga fails, where others add to it."""
    return f"{account}-"


def transactions_table(retained_ms: int) -> Table[Transaction]:
    """The table of finished transactions, each in the bucket of its last change.

    The buckets do not depend on the retention, so that another one needs no rebuild.
    """
    return Table(
        "transactions-3",
        _pack,
        _decode_transaction,
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
        *("accounts", "balances", "due", "due_of_wallet", "finished", "first_events", "lot_assets", "lots", "overlay"),
        *("parked", "scheduled", "spent", "under_way", "unfinished", "wallets"),
    )

    def __init__(self, overlay: Overlay, transactions: Table[Transaction], first_events: Table[bytes]):
        self.overlay = overlay
        self.lots: TableView[tuple[Lot, ...]] = overlay.table(LOTS)
        #: The keys of `LOT_ASSETS`, and perhaps of what was rolled back: no posting of another asset looks for rewards.
        self.lot_assets = {asset for asset, _ in overlay.table(LOT_ASSETS).scan()}
        self.scheduled: TableView[bytes] = overlay.table(SCHEDULED)
        self.wallets: TableView[Wallet] = overlay.table(WALLETS)
        self.balances: TableView[int] = overlay.table(BALANCES)
        self.accounts: TableView[tuple[str, ...]] = overlay.table(ACCOUNTS)
        self.parked: TableView[ParkedRecord] = overlay.table(PARKED)
        self.under_way: TableView[int] = overlay.table(UNDER_WAY)
        self.spent: TableView[Spent] = overlay.table(SPENT)
        self.due: TableView[str] = overlay.table(DUE)
        self.due_of_wallet: TableView[str] = overlay.table(DUE_OF_WALLET)
        self.unfinished: TableView[Transaction] = overlay.table(UNFINISHED)
        self.finished: BucketedView[Transaction] = overlay.bucketed(transactions)
        self.first_events: BucketedView[bytes] = overlay.bucketed(first_events)

    def transaction(self, key: str, now_ms: int) -> Transaction | None:
        """A transaction by its id or the key of its leg; a finished one within its retention at `now_ms`."""
        return self.unfinished.get(key) or self.finished.get(key, now_ms)

    def read_wallets_ahead(self, wallet_ids: Sequence[str]) -> None:
        """Read at once what is not in the cache of wallets and of all their balances."""
        accounts, balances = self.accounts, self.balances
        unknown = self.wallets.read_ahead(wallet_ids)
        if balances.has_forgotten or accounts.has_forgotten:
            # A wallet has many balances, which leave the cache before it does.
            unknown = list(dict.fromkeys(wallet_ids))
        if unknown:
            accounts.read_ahead(unknown)
            balances.read_ahead([key for wallet_id in unknown for key in accounts.get(wallet_id) or ()])

    def read_transactions_ahead(self, keys: Sequence[str], now_ms: int) -> None:
        """Read at once the transactions under these keys, as `transaction` finds them."""
        self.unfinished.read_ahead(keys)
        unfinished = self.unfinished.get
        self.finished.read_ahead([key for key in keys if unfinished(key) is None], now_ms)

    def keep(self, key: str, before: Transaction | None, after: Transaction, now_ms: int) -> None:
        """Put a transaction as it is now; `before` is what it was, None where it is new."""
        if after.is_unfinished:
            self.unfinished.put(key, after)
            return
        if before is not None and before.is_unfinished:
            self.unfinished.delete(key)
        self.finished.put(key, after, now_ms)

    def balance_minor(self, account: str, asset: str) -> int:
        """Credits less debits of an account in an asset, in minor units."""
        return self.balances.get(f"{account} {asset}") or 0

    def under_way_minor(self, account: str, asset: str) -> int:
        """What is added to the balance if every open saga of the partition is given back, in minor units."""
        return self.under_way.get(f"{account} {asset}") or 0
