"""What deciding one record has at hand. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from agents.fraud.apply import apply
from agents.fraud.followed import Followed, in_effect_but
from agents.fraud.judge import Judge
from agents.fraud.state import FraudState, rule_text
from schemas.fraud_events import FraudCause, FraudEvent, encode_fraud_event
from streams.machine import Context, InputRecord, Output


@dataclass(frozen=True, slots=True)
class Limits:
    """What settings say, times in ms; see `streams.settings`."""

    lateness_ms: int = 3_600_000
    partition_lag_ms: int = 86_400_000
    retention_ms: int = 180 * 86_400_000
    cached_entries: int = 200_000
    #: Of all rules, in an hour of partition time and a partition.
    actions_per_hour: int = 500


class Turn:
    """State, judge, rules, and where to write.

    The judge is a cache beside the state, which a batch that fails leaves behind: it stands at the sequence up to which
    it knows all, at none while a record is being decided, and begins anew where the state stands elsewhere.
    """

    def __init__(self, state: FraudState, limits: Limits, followed: Followed):
        self.state = state
        self.limits = limits
        self.followed = followed
        self.judge = Judge(limits.lateness_ms, limits.cached_entries)
        self.context: Any = None
        self.out: Any = None
        #: `rule_text` -> actions that the record being decided has taken.
        self.acted: dict[str, int] = {}
        #: When the ledger recorded the fact that is being counted here, if one is.
        self.ledger_ms: int | None = None
        self._stands_at: int | None = None
        self._generation = -1

    def begin(self, context: Context, out: Output) -> None:
        """A record is decided from here on."""
        self.context, self.out = context, out
        self.acted.clear()
        self.ledger_ms = None
        stood_at, self._stands_at = self._stands_at, None
        if stood_at != out.sequence or self._generation != self.followed.generation:
            self.begin_anew()

    def begin_anew(self) -> None:
        """Forget what the judge holds: rules have changed, or the state is not as it knows it."""
        followed = self.followed
        followed.prepare()
        self._generation = followed.generation
        paused = {rule.ref for rule in followed.rules if self._is_paused(rule_text(rule.ref))}
        self.judge.begin(in_effect_but(followed.rules, paused), followed.kinds)

    def _is_paused(self, rule: str) -> bool:
        counts = self.state.rules.get(rule)
        return counts is not None and bool(counts.paused)

    def end(self) -> None:
        """The record is decided."""
        self._stands_at = self.out.sequence

    def sealed(self, sequence: int) -> None:
        """A batch is decided; its seal has this sequence."""
        if self._stands_at is not None:
            self._stands_at = sequence

    def cause(self, record: InputRecord) -> FraudCause:
        """The record as what an event answers."""
        return FraudCause(self.context.topic, self.context.partition, record.offset)

    def write(self, event: FraudEvent, key: bytes | None) -> None:
        """Apply the next event and write it."""
        event.sequence = self.out.sequence + 1
        apply(self.state, event)
        self.out.event(key, encode_fraud_event(event), (event.type, event.verdict or event.rule_id))
