"""Alerts: what the fraud role tells analysts on `fraud-alerts`. The last record of an alert's id is what counts."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

AlertState = Literal["open", "snoozed", "withdrawn"]

#: Action of an alert on a rule itself, which the circuit breaker has paused.
PAUSE: Final = "pause"
#: What became of an action: its command was sent; or by an alert in whose place this one stands.
SENT: Final = "sent"
SENT_BEFORE: Final = "sent before"


class Contribution(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A rule that an alert rests on: itself, or one of those that it combines; and what it adds to the score."""

    rule_id: str
    version: int
    score: int


class ListMatch(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """An entry of a list that a field of the fact is, or resembles; `likeness` in per cent."""

    field: str
    name: str
    version: int
    entry: str
    likeness: int = 100


class Alert(msgspec.Struct, omit_defaults=True, kw_only=True):
    """One alert: a rule, whom it is about, and why. Its key on the topic is `subject`."""

    #: Hash of rule, version, subject and the fact that opened it: the same wherever it is computed.
    alert_id: str
    rule_id: str
    version: int
    state: AlertState
    #: The rule is in `shadow`: nobody acts on it.
    shadow: bool = False
    severity: str
    score: int
    #: What the rule asks for; `pause` of an alert on a rule that the circuit breaker has paused.
    action: str
    #: What became of the action: `sent`, or why it was not: `shadow`, `snoozed`, `budget`, `no wallet`; or
    #: `sent before`, by an alert that is withdrawn since a fact came late at which this one opens, in its place.
    action_result: str | None = None
    #: Values of the rule's key, joined by `|`.
    subject: str
    #: Field -> value of the rule's key.
    key: dict[str, str]
    #: The wallet that it is about: the party under `party_id`, else that of the fact that opened it.
    wallet_id: str | None = None
    #: Its amount, in minor units of its asset.
    amount_minor: int | None = None
    asset: str | None = None
    #: Of the last occurrence: what was compared, as exact text; units are the field's own.
    observed: str | None = None
    limit: str | None = None
    #: What is normal for the subject, where the rule compares with its own history.
    normal: str | None = None
    window_from: str | None = None
    window_to: str | None = None
    first_seen: str
    last_seen: str
    occurrences: int = 1
    #: Ids of the transactions that it rests on, newest first; the newest of them where they are many.
    evidence: tuple[str, ...] = ()
    contributions: tuple[Contribution, ...] = ()
    matches: tuple[ListMatch, ...] = ()
    #: One sentence that says why.
    sentence: str
    #: Name -> where to read on, such as a command; `in_place_of` of the alert in whose place it stands.
    links: dict[str, str] = {}
    #: What an analyst said of it last.
    label: str | None = None
    #: Partition time at which this was written.
    recorded_at: str


encode_alert: Final = msgspec.json.Encoder().encode
decode_alert: Final = msgspec.json.Decoder(Alert).decode
