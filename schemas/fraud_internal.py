"""What one partition of the fraud role tells another over `fraud-internal`."""

from __future__ import annotations

from typing import Final

import msgspec

from schemas.facts import FactValue


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


class RoutedFact(msgspec.Struct, tag_field="kind", tag="fact", omit_defaults=True, kw_only=True):
    """A fact, enriched, on its way to the partition in which these keys live."""

    source: FactSource
    #: Milliseconds since 1970.
    event_time_ms: int
    #: When the ledger recorded it.
    ledger_time_ms: int
    fact: dict[str, FactValue]
    keys: tuple[FactKey, ...]


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


FraudInternal = RoutedFact | PauseRule | ForwardedFeedback

encode_fraud_internal: Final = msgspec.json.Encoder().encode
decode_fraud_internal: Final = msgspec.json.Decoder(FraudInternal).decode
