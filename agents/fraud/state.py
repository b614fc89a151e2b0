"""The state of one partition of the fraud role: its tables, and how their rows are encoded. Pure.

It is a fold of `fraud-events`: entries by key and time, fires, alerts, snoozes, counts. Windows and groups of alerts
are caches beside it, made of entries and rules (`agents.fraud.judge`).
"""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any, Final, NamedTuple, TypeVar

import msgspec

from agents.fraud.entries import Key, Kind, Order, RuleRef
from schemas.facts import FactValue
from schemas.fraud_alerts import Alert
from schemas.fraud_events import Fired
from streams.overlay import Overlay
from streams.tables import IN_ORDER, Table

DAY_MS: Final = 86_400_000
_WEEK_MS: Final = 7 * DAY_MS

T = TypeVar("T")


class StoredFire(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What a rule said of an entry, and whether an alert opens with it."""

    fired: Fired
    opens: bool = False


class StoredEntry(msgspec.Struct, array_like=True):
    """An entry of a history: the fact without what its key adds to it, and what rules say of it by `rule_text`."""

    fact: dict[str, FactValue]
    fires: dict[str, StoredFire] = {}


class Chunk(NamedTuple):
    """Entries of a history that follow each other: where they stand, and each encoded."""

    orders: tuple[Order, ...]
    rows: tuple[bytes, ...]


class Head(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What there is of a history: how far back it is kept, and its chunks: number and where they begin."""

    kept_ms: int
    next_number: int
    chunks: tuple[tuple[int, Order], ...]


class RuleCounts(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What a version of a rule has done in this partition.

    `facts` and `fired` are those of `agents.fraud.breaker`, up to when its kind of key had `entries` entries; `hour`
    (of partition time, since 1970) is that of `alerts` opened and `actions` taken; `paused` says why it is paused.
    """

    facts: int = 0
    fired: int = 0
    entries: int = 0
    hour: int = 0
    alerts: int = 0
    actions: int = 0
    paused: str = ""


def _table(name: str, kind: type[Any], cached: bool = True) -> Table[Any]:
    return Table(name, msgspec.msgpack.Encoder().encode, msgspec.msgpack.Decoder(kind).decode, cached)


def _chunk_of(raw: bytes) -> Chunk:
    return Chunk(*_decode_chunk(raw))


_decode_chunk: Final = msgspec.msgpack.Decoder(tuple[tuple[Order, ...], tuple[bytes, ...]]).decode
encode_entry: Final = msgspec.msgpack.Encoder().encode
decode_entry: Final = msgspec.msgpack.Decoder(StoredEntry).decode

_encode_name: Final = msgspec.json.Encoder().encode

#: Wallet id -> when it was opened, in ms.
WALLETS: Final[Table[int]] = _table("wallets-opened", int)
#: Name of a history -> its head.
HEADS: Final[Table[Head]] = _table("histories", Head)
#: Name of a history, space, number -> its chunk.
CHUNKS: Final[Table[Chunk]] = Table("chunks", msgspec.msgpack.Encoder().encode, _chunk_of, cached=False)
#: Day, space, name of a history: it is looked at then, for what is too old.
EXPIRY: Final[Table[int]] = _table(f"expiry{IN_ORDER}", int)
#: Partition of the ledger -> when the newest fact of it was recorded that came here, in ms.
SOURCES: Final[Table[int]] = _table("sources", int)
#: `closed_before` (ms) and `swept` (day).
CLOCK: Final[Table[int]] = _table("clock", int)
#: `rule_text` -> what it has done; `ALL_RULES` -> the actions of all together.
RULES: Final[Table[RuleCounts]] = _table("rules", RuleCounts)
#: `kind_text` -> how many entries were inserted under keys of this kind.
KINDS: Final[Table[int]] = _table("kinds", int)
#: Id of a rule, space, subject -> until when it is snoozed, in ms.
SNOOZES: Final[Table[int]] = _table("snoozes", int)


#: No rule has this name.
ALL_RULES: Final = "*"


def alerts_table(retained_ms: int) -> Table[Alert]:
    """Id -> alert as it was told last, in buckets by when it was first seen."""
    encode, decode = msgspec.json.Encoder().encode, msgspec.json.Decoder(Alert).decode
    return Table("alerts", encode, decode, bucket_ms=_WEEK_MS, retained_ms=retained_ms)


class FraudState:
    """The tables of one overlay."""

    def __init__(self, overlay: Overlay, alerts: Table[Alert]):
        self.wallets = overlay.table(WALLETS)
        self.heads = overlay.table(HEADS)
        self.chunks = overlay.table(CHUNKS)
        self.expiry = overlay.table(EXPIRY)
        self.sources = overlay.table(SOURCES)
        self.clock = overlay.table(CLOCK)
        self.rules = overlay.table(RULES)
        self.kinds = overlay.table(KINDS)
        self.snoozes = overlay.table(SNOOZES)
        self.alerts = overlay.bucketed(alerts)

    @property
    def closed_before_ms(self) -> int:
        """Nothing that occurred before this is taken any more."""
        return self.clock.get("closed_before") or 0


PLAIN_TABLES: Final = (WALLETS, HEADS, CHUNKS, EXPIRY, SOURCES, CLOCK, RULES, KINDS, SNOOZES)


@lru_cache(maxsize=65_536)
def history_name(kind: Kind, key: Key) -> str:
    """How a history is called in the tables: ASCII, so that their order is that of any store."""
    name = _encode_name((kind, key)).decode()
    return name if name.isascii() else json.dumps([kind, key], separators=(",", ":"))


@lru_cache(maxsize=1_024)
def kind_text(kind: Kind) -> str:
    """A kind of key in the tables."""
    return ",".join(kind)


@lru_cache(maxsize=4_096)
def rule_text(ref: RuleRef) -> str:
    """A version of a rule in the tables."""
    return f"{ref[0]} {ref[1]}"


@lru_cache(maxsize=4_096)
def rule_ref(text: str) -> RuleRef:
    """The inverse of `rule_text`."""
    rule_id, _, version = text.rpartition(" ")
    return rule_id, int(version)


def subject_of(key: Key) -> str:
    """Values of a key, joined by `|`: what an alert is about, and what decides where it lives."""
    return str(key[0]) if len(key) == 1 else "|".join(map(str, key))
