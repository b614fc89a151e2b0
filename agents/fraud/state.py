"""The state of one partition of the fraud role: its tables, and how their rows are encoded. Pure.

It is a fold of `fraud-events`: entries by key and time, fires, alerts, snoozes, counts. Windows and groups of alerts
are caches beside it, made of entries and rules (`agents.fraud.judge`).
"""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any, Final, TypeVar

import msgspec

from agents.fraud.entries import Key, Kind, RuleRef
from agents.fraud.learned import NEW, Learned, Model, learn
from schemas.facts import FactValue
from schemas.fraud_alerts import Alert
from schemas.fraud_events import Fired, Gate
from streams.overlay import Overlay
from streams.tables import IN_ORDER, Table

DAY_MS: Final = 86_400_000
_WEEK_MS: Final = 7 * DAY_MS

T = TypeVar("T")


class StoredFire(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What a rule said of an entry, and whether an alert opens with it."""

    fired: Fired
    opens: bool = False


class Head(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What there is of a history.

    Attributes:
        kept_ms: how far back it is kept.
        changes_at_ms: an entry before this event time changes nothing here.
        last_day: the latest event time of it, in days since 1970.
        trim_at_ms: an entry of this event time has it looked at for what is too old.
        has_fires: whether a rule has ever said anything of an entry.
    """

    kept_ms: int
    changes_at_ms: int
    last_day: int
    trim_at_ms: int
    has_fires: bool = False


class RuleCounts(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What a version of a rule has done in this partition.

    `facts` and `fired` are those of `agents.fraud.breaker`, up to when there were `entries` entries of its kind of key,
    or of wallets where these are more; `hour` (of partition time, since 1970) is that of `alerts` opened, less those
    withdrawn, and `actions` taken, and of payments denied (`denials`); `paused` says why it is paused.
    """

    facts: int = 0
    fired: int = 0
    entries: int = 0
    hour: int = 0
    alerts: int = 0
    actions: int = 0
    paused: str = ""
    denials: int = 0


def _table(name: str, kind: type[Any], cached: bool = True) -> Table[Any]:
    return Table(name, msgspec.msgpack.Encoder().encode, msgspec.msgpack.Decoder(kind).decode, cached)


encode_stored_fire: Final = msgspec.msgpack.Encoder().encode
decode_stored_fire: Final = msgspec.msgpack.Decoder(StoredFire).decode

_encode_name: Final = msgspec.json.Encoder().encode

#: Wallet id -> when it was opened, in ms.
WALLETS: Final[Table[int]] = _table("wallets-opened", int)
#: Name of a history -> its head.
HEADS: Final[Table[Head]] = _table("history-heads", Head)
#: By history: order -> the fact without what its key adds to it, as JSON.
ENTRIES: Final[Table[bytes]] = Table(f"history-entries{IN_ORDER}", bytes, bytes, grouped=True)
#: By history: order, space, `rule_text` -> what the rule says of the entry.
FIRES: Final[Table[bytes]] = Table(f"history-fires{IN_ORDER}", bytes, bytes, grouped=True)
#: By day: names of histories that are looked at then, for what is too old, and up to where that was done already.
EXPIRY: Final[Table[bytes]] = Table(f"history-expiry{IN_ORDER}", bytes, bytes, grouped=True)
#: Partition of the ledger -> when the newest fact of it was recorded that came here, in ms.
SOURCES: Final[Table[int]] = _table("sources", int)
#: `closed_before` (ms), `swept` (day), and `sweep_from` (ms), before which nothing more is swept.
CLOCK: Final[Table[int]] = _table("clock", int)
#: `rule_text` -> what it has done; `ALL_RULES` -> the actions of all together.
RULES: Final[Table[RuleCounts]] = _table("rules", RuleCounts)
#: `kind_text` -> how many entries were inserted under keys of this kind.
KINDS: Final[Table[int]] = _table("kinds", int)
#: Name of the history of a wallet -> what its payments have left in its model.
MODELS: Final[Table[Model]] = _table("anomaly-models", Model)
#: Id of a rule, space, subject -> until when it is snoozed, in ms.
SNOOZES: Final[Table[int]] = _table("snoozes", int)


#: No rule has this name.
ALL_RULES: Final = "*"


def alerts_table(retained_ms: int) -> Table[Alert]:
    """Id -> alert as it was told last, in buckets by when it was first seen."""
    encode, decode = msgspec.json.Encoder().encode, msgspec.json.Decoder(Alert).decode
    return Table("alerts", encode, decode, bucket_ms=_WEEK_MS, retained_ms=retained_ms)


def gates_table() -> Table[Gate]:
    """Transaction id -> a payment that waits, or was judged, in buckets by when it was told last.

    No rail waits longer than a day for a verdict.
    """
    encode, decode = msgspec.json.Encoder().encode, msgspec.json.Decoder(Gate).decode
    return Table("gates", encode, decode, bucket_ms=DAY_MS, retained_ms=2 * DAY_MS)


GATES: Final = gates_table()


class FraudState:
    """The tables of one overlay."""

    def __init__(self, overlay: Overlay, alerts: Table[Alert]):
        self.overlay = overlay
        self.wallets = overlay.table(WALLETS)
        self.heads = overlay.table(HEADS)
        self.entries = overlay.grouped(ENTRIES)
        self.fires = overlay.grouped(FIRES)
        self.expiry = overlay.grouped(EXPIRY)
        self.sources = overlay.table(SOURCES)
        self.clock = overlay.table(CLOCK)
        self.rules = overlay.table(RULES)
        self.kinds = overlay.table(KINDS)
        self.snoozes = overlay.table(SNOOZES)
        self.models = overlay.table(MODELS)
        self.alerts = overlay.bucketed(alerts)
        self.gates = overlay.bucketed(GATES)
        self._learned: tuple[Model, dict[str, FactValue], Learned] | None = None

    def learn(self, fact: dict[str, FactValue], t_ms: int) -> Learned:
        """What a payment says to the model of its wallet, as it is now; nothing is changed."""
        model = self.models.get(model_name(fact)) or NEW
        asked = self._learned
        # It is asked for the score first, and then for the model.
        if asked is None or asked[0] is not model or asked[1] is not fact:
            asked = self._learned = model, fact, learn(model, fact, t_ms)
        return asked[2]

    @property
    def closed_before_ms(self) -> int:
        """Nothing that occurred before this is taken any more."""
        return self.clock.get("closed_before") or 0


PLAIN_TABLES: Final = (WALLETS, HEADS, ENTRIES, FIRES, EXPIRY, SOURCES, CLOCK, RULES, KINDS, SNOOZES, MODELS)


def history_name(kind: Kind, key: Key) -> str:
    """How a history is called in the tables: ASCII, so that their order is that of any store."""
    if len(key) == 1:
        value = key[0]
        # As it would be encoded, for nearly all.
        if value.__class__ is str and _is_plain(value):
            return f'{_name_begin(kind)}"{value}"]]'
    name = _encode_name((kind, key)).decode()
    return name if name.isascii() else json.dumps([kind, key], separators=(",", ":"))


def _is_plain(text: str) -> bool:
    """Whether JSON writes a text as it is."""
    return text.isascii() and text.isprintable() and '"' not in text and "\\" not in text


@lru_cache(maxsize=1_024)
def _name_begin(kind: Kind) -> str:
    return f"[{_encode_name(kind).decode()},["


def model_name(fact: dict[str, FactValue]) -> str:
    """How the model of a fact's wallet is called: as the wallet's history, which it goes with."""
    return history_name(("wallet_id",), (fact["wallet_id"],))


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
