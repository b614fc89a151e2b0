"""What deciding one record has at hand. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from agents.fraud.apply import apply, note_kinds, partition_names
from agents.fraud.followed import Followed, in_effect_but
from agents.fraud.judge import Judge
from agents.fraud.shared_facts import SharedFacts
from agents.fraud.state import FraudState, rule_text
from schemas.fraud_events import (
    FACTS_COUNTED,
    PAYMENT_JUDGED,
    CountedFact,
    FraudCause,
    FraudEvent,
    encode_fraud_event,
)
from schemas.fraud_internal import MOST_BYTES, MOST_FACTS, KeyUse, together
from schemas.topics import FRAUD_INTERNAL
from streams.machine import Context, InputRecord, Output

if TYPE_CHECKING:
    from agents.fraud.screening import Asked


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

    def __init__(self, state: FraudState, limits: Limits, followed: Followed, facts: SharedFacts):
        self.state = state
        self.facts = facts
        self.limits = limits
        self.followed = followed
        self.judge = Judge(limits.lateness_ms, limits.cached_entries)
        self.context: Any = None
        self.out: Any = None
        #: `rule_text` -> actions that the fact being counted has taken.
        self.acted: dict[str, int] = {}
        #: What brought that which rules have yet to look at, the last of it; and payments that wait for their word.
        self.late_cause = FraudCause("", 0, 0)
        self.asked: list[Asked] = []
        #: When the ledger recorded the fact that is being counted here, if one is.
        self.ledger_ms: int | None = None
        #: When the newest fact of each partition of the ledger was recorded, as the state has it; empty where that has
        #: to be asked.
        self.ledger_times_ms: list[int] = []
        #: What facts are counted under, and the number of each: those of rules in effect first.
        self.uses: list[KeyUse] = []
        self._numbers: dict[KeyUse, int] = {}
        #: Facts of which no rule has said anything: they become one event. Their topic, and what they weigh.
        self._counted: list[CountedFact] = []
        self._counted_topic = ""
        self._counted_bytes = 0
        #: Partition -> encoded facts that the batch sends there; and those of the last record, which may fail yet.
        self._routed: dict[int, list[bytes]] = {}
        self._routing: list[tuple[int, bytes]] = []
        self._stands_at: int | None = None
        #: Whether the batch of the record that was begun last is decided.
        self._is_sealed = False
        self._generation = -1

    def begin(self, context: Context, out: Output) -> None:
        """A record is decided from here on."""
        stood_at, self._stands_at = self._stands_at, None
        if out is not self.out:
            # Those of a batch that has failed; the judge may know facts of it of which no event was written.
            self._counted.clear()
            self.asked.clear()
            stood_at = stood_at if self._is_sealed else None
        self._keep_routed(out)
        self.context, self.out, self._is_sealed = context, out, False
        self.ledger_ms = None
        if self._counted and self._counted_topic != context.topic:
            stood_at = out.sequence + 1 if stood_at == out.sequence else stood_at
            self.tell_counted()
        if stood_at != out.sequence or self._generation != self.followed.generation:
            self.begin_anew()

    def begin_anew(self) -> None:
        """Forget what the judge holds: rules have changed, or the state is not as it knows it."""
        self.tell_counted()
        self.ledger_times_ms = []
        followed = self.followed
        followed.prepare()
        if self._generation != followed.generation:
            self.uses = followed.uses.copy()
            self._numbers = {use: number for number, use in enumerate(self.uses)}
        self._generation = followed.generation
        paused = {rule.ref for rule in followed.rules if self._is_paused(rule_text(rule.ref))}
        self.judge.begin(in_effect_but(followed.rules, paused), followed.kinds)

    def begin_times(self) -> list[int]:
        """Ask the state for `ledger_times_ms`."""
        known = self.state.sources.get
        self.ledger_times_ms = [known(name) or 0 for name in partition_names(self.context.partitions)]
        return self.ledger_times_ms

    def _is_paused(self, rule: str) -> bool:
        counts = self.state.rules.get(rule)
        return counts is not None and bool(counts.paused)

    def route(self, partition: int, fact: bytes) -> None:
        """Send an encoded fact to another partition, at the end of the batch and together with others."""
        if len(fact) > MOST_BYTES:
            # On its own account: the record that it comes of is to blame if it does not fit.
            for value in together(self.uses, [fact]):
                self.out.send(FRAUD_INTERNAL, partition, None, value)
        else:
            self._routing.append((partition, fact))

    def failed(self) -> None:
        """The record that was begun last has failed: what it was to send is not sent, what it counted not told."""
        self._routing.clear()
        self._counted.clear()
        self.asked.clear()

    def send_routed(self, out: Output) -> None:
        """The batch is decided: send what is on its way to other partitions."""
        self._keep_routed(out)
        for partition, facts in self._routed.items():
            for value in together(self.uses, facts):
                out.send(FRAUD_INTERNAL, partition, None, value)
        self._routed.clear()

    def _keep_routed(self, out: Output) -> None:
        """The record before is decided; or a batch begins, and the one before may have failed."""
        if out is self.out:
            for partition, fact in self._routing:
                self._routed.setdefault(partition, []).append(fact)
        else:
            self._routed.clear()
        self._routing.clear()

    def take_asked(self) -> list[Asked]:
        """The payments that wait for what rules say once they have looked again; none is kept here."""
        asked, self.asked = self.asked, []
        return asked

    def go_on(self) -> None:
        """There is more to decide at the end of the batch; `end` is to follow."""
        self._stands_at = None

    def end(self) -> None:
        """The record is decided."""
        if self.state.overlay.is_careful:
            # Another one may be rolled back: each tells its own.
            self.tell_counted()
        self._stands_at = self.out.sequence

    def complete(self) -> None:
        """All records of the batch are decided."""
        if self._counted:
            self.tell_counted()
            if self._stands_at is not None:
                self._stands_at = self.out.sequence

    def sealed(self, sequence: int) -> None:
        """A batch is decided; its seal has this sequence."""
        self._is_sealed = True
        if self._stands_at is not None:
            self._stands_at = sequence

    def cause(self, record: InputRecord) -> FraudCause:
        """The record as what an event answers."""
        return FraudCause(self.context.topic, self.context.partition, record.offset)

    def number_of(self, use: KeyUse) -> int:
        """Which of `uses` it is."""
        number = self._numbers.get(use)
        if number is None:
            number = self._numbers[use] = len(self.uses)
            self.uses.append(use)
        return number

    def count(self, fact: CountedFact, size: int) -> None:
        """No rule says anything of a fact of so many bytes, which the state holds now: tell it together with others."""
        counted = self._counted
        if not counted:
            self._counted_topic, self._counted_bytes = self.context.topic, 0
        counted.append(fact)
        self._counted_bytes += size
        if len(counted) == MOST_FACTS or self._counted_bytes > MOST_BYTES:
            self.tell_counted()

    def tell_counted(self) -> None:
        """Write the event of what was counted and is not told yet."""
        counted = self._counted
        if not counted:
            return
        context = self.context
        event = FraudEvent(
            sequence=self.out.sequence + 1,
            type=FACTS_COUNTED,
            cause=FraudCause(self._counted_topic, context.partition, counted[0].cause_offset),
            uses=tuple(self.uses),
            facts=tuple(counted),
            recorded_at=context.recorded_at,
        )
        note_kinds(self.state, event)
        self.out.events_of(len(counted), None, encode_fraud_event(event), (event.type, None))
        counted.clear()

    def write(self, event: FraudEvent, key: bytes | None) -> None:
        """Apply the next event and write it."""
        self.tell_counted()
        event.sequence = self.out.sequence + 1
        apply(self.state, event)
        what = event.verdict or event.rule_id
        if event.type == PAYMENT_JUDGED and event.rule_id is not None:
            # The rule is over its budget.
            what = f"{event.verdict} {event.rule_id}"
        self.out.event(key, encode_fraud_event(event), (event.type, what))
