"""What one partition of the fraud role tells another over `fraud-internal`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from schemas.facts import FactValue

#: Most of one record of facts.
MOST_FACTS: Final = 128
MOST_BYTES: Final = 128 << 10


class FactSource(msgspec.Struct, frozen=True, gc=False):
    """Where in `ledger-events` the event is that a fact was made of."""

    partition: int
    offset: int


class FactKey(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A key that a fact is counted under.

    `kind` are names of fields, `key` their values; `leg` is 1 for the payee's side under `party_id`; `kept_s` how far
    back the history has to reach.
    """

    kind: tuple[str, ...]
    key: tuple[FactValue, ...]
    kept_s: int
    leg: int = 0


class KeyUse(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What a fact is counted under, in place of the key itself, which the fact tells.

    `kind` are names of fields; `kept_s` is how far back the history has to reach; `leg` is 1 for the payee's side
    under `party_id`.
    """

    kind: tuple[str, ...]
    kept_s: int
    leg: int = 0


class RoutedFact(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A fact, enriched, on its way to the partition in which some of its keys live.

    `partition` and `offset` say where in `ledger-events` the event is that it was made of; `uses` which of those that
    are named beside it. Times are milliseconds since 1970; `ledger_time_ms` is when the ledger recorded it.
    """

    partition: int
    offset: int
    event_time_ms: int
    ledger_time_ms: int
    uses: tuple[int, ...]
    #: Object of the fact's fields.
    fact: msgspec.Raw
    #: Its payment waits for the verdict of screening: the answer to it is a `ScreenedFact`.
    is_gated: bool = False


class ScreenedFact(msgspec.Struct, tag_field="kind", tag="screened", omit_defaults=True, kw_only=True, gc=False):
    """What the rules of one partition say of a payment that waits, told to the partition of its wallet."""

    transaction_id: str
    #: Who answers.
    partition: int
    #: Ids of the rules that speak against it, and of those that want a person to look at it.
    deny: tuple[str, ...] = ()
    review: tuple[str, ...] = ()


class RoutedFacts(msgspec.Struct, tag_field="kind", tag="facts", kw_only=True):
    """Facts of one batch on their way to one partition, in their order: what they cost together is less."""

    uses: tuple[KeyUse, ...]
    facts: tuple[RoutedFact, ...]


class PauseRule(msgspec.Struct, tag_field="kind", tag="pause_rule", kw_only=True):
    """The circuit breaker of one partition has paused a version of a rule: pause it everywhere."""

    rule_id: str
    version: int
    reason: str
    #: Where it was tripped.
    partition: int


class ForwardedFeedback(msgspec.Struct, tag_field="kind", tag="feedback", kw_only=True):
    """Feedback that arrived in another partition than its subject's: its value."""

    value: str


FraudInternal = RoutedFacts | ScreenedFact | PauseRule | ForwardedFeedback

_encode: Final = msgspec.json.Encoder().encode
encode_fraud_internal: Final = _encode
decode_fraud_internal: Final = msgspec.json.Decoder(FraudInternal).decode


def encode_routed(
    source: tuple[int, int], event_time_ms: int, ledger_time_ms: int, uses: list[int], fact: bytes, *, is_gated: bool
) -> bytes:
    """A `RoutedFact`, of partition and offset of its source, and its fact as it was encoded before."""
    head = f"[{source[0]},{source[1]},{event_time_ms},{ledger_time_ms},{uses},"
    return b"%b%b%b" % (head.encode(), fact, b",true]" if is_gated else b"]")


def together(uses: Sequence[KeyUse], facts: Sequence[bytes]) -> Iterator[bytes]:
    """Encoded `RoutedFact`s as few records of `RoutedFacts`, in their order.

    None has more than `MOST_FACTS` facts, nor more than about `MOST_BYTES` unless it is of one fact.
    """
    head = b'{"kind":"facts","uses":%b,"facts":[' % _encode(uses)
    held: list[bytes] = []
    size = 0
    for fact in facts:
        if held and (len(held) == MOST_FACTS or size + len(fact) > MOST_BYTES):
            yield b"%b%b]}" % (head, b",".join(held))
            held, size = [], 0
        held.append(fact)
        size += len(fact)
    if held:
        yield b"%b%b]}" % (head, b",".join(held))
