"""Payments that wait for screening: what rules say of each, wherever their keys live, becomes one verdict. Pure.

The partition of the payer's wallet shows the payment to the rules that live here, and asks the partitions to which it
sends the fact. Once all of them have answered it judges: one active rule that locks denies; one that asks for a review
or for step-up leaves it to an analyst; else the payment may go. Silence, of a partition or of an analyst, is the
ledger's to end, by the policy of the rail.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from agents.fraud.apply import HOUR_MS, counts_in
from agents.fraud.engine import Change
from agents.fraud.state import RuleCounts, rule_text, subject_of
from agents.fraud.turn import Turn
from schemas.fraud_events import PAYMENT_ANSWERED, PAYMENT_ASKED, PAYMENT_JUDGED, FraudCause, FraudEvent, Gate
from schemas.fraud_feedback import PaymentVerdict
from schemas.fraud_internal import ScreenedFact, encode_fraud_internal
from schemas.partitioning import partition_of
from schemas.topics import FRAUD_COMMANDS, FRAUD_INTERNAL
from streams.machine import InputRecord

if TYPE_CHECKING:
    from agents.fraud.taking import ArrivedFact

#: Actions of rules -> what they say of a payment that waits.
_DENIES: Final = frozenset({"lock"})
_REVIEWS: Final = frozenset({"review", "step_up"})
#: As many rules as a command names at most.
_MOST_RULES: Final = 20
#: Said in place of a rule where none has seen a payment, for it came later than is allowed; no rule has such an id.
_UNSEEN: Final = "(late)"
_encode: Final = msgspec.json.Encoder().encode


class Asked(NamedTuple):
    """A payment that waits for what the rules that live here say of it.

    Attributes:
        cause: the record that brought it.
        changes: what rules have said so far; None where none sees it.
        others: partitions to which it is sent; None where it came from another partition, which is to be told.
    """

    cause: FraudCause
    arrived: ArrivedFact
    changes: Sequence[Change] | None
    others: tuple[int, ...] | None


def screen(turn: Turn, asked: Asked) -> None:
    """A payment waits: say what rules say of it, at once, or once they have looked again at what came late."""
    is_late = turn.judge.is_late
    if asked.changes is not None and any(is_late(use.kind, key) for _, use, key, _ in asked.arrived.keys):
        turn.asked.append(asked)
    else:
        say(turn, asked, asked.changes)


def say(turn: Turn, asked: Asked, changes: Sequence[Change] | None) -> None:
    """Judge a payment, or note whom it was sent to; or tell the partition of the payer's wallet.

    Args:
        changes: what the rules that live here say of it; None where none has seen it.
    """
    arrived = asked.arrived
    deny, review = _said(turn, arrived, changes)
    transaction_id, wallet_id = str(arrived.fact["transaction_id"]), str(arrived.fact["wallet_id"])
    if asked.others is not None:
        _next(turn, asked.cause, Gate(transaction_id, wallet_id, asked.others, deny, review), PAYMENT_ASKED)
        return
    said = ScreenedFact(transaction_id=transaction_id, partition=turn.context.partition, deny=deny, review=review)
    turn.out.send(FRAUD_INTERNAL, arrived.partition, wallet_id.encode(), encode_fraud_internal(said))


def take_answer(turn: Turn, record: InputRecord, said: ScreenedFact) -> None:
    """Another partition has answered; nothing happens where all is said already."""
    gate = turn.state.gates.get(said.transaction_id, turn.context.recorded_at_ms)
    if gate is None or gate.is_judged or said.partition not in gate.waits_for:
        return
    gate = msgspec.structs.replace(
        gate,
        waits_for=tuple(each for each in gate.waits_for if each != said.partition),
        deny=_joined(gate.deny, said.deny),
        review=_joined(gate.review, said.review),
    )
    _next(turn, turn.cause(record), gate, PAYMENT_ANSWERED)


def take_verdict(turn: Turn, record: InputRecord, said: PaymentVerdict, gate: Gate | None) -> None:
    """An analyst's word goes to the ledger, whatever rules say: it refuses what waits no more.

    Args:
        gate: what rules have said of the payment; None where it is not known here.
    """
    context = turn.context
    event = FraudEvent(
        type=PAYMENT_JUDGED,
        cause=turn.cause(record),
        gate=msgspec.structs.replace(gate or Gate(said.transaction_id, said.subject), waits_for=(), is_judged=True),
        verdict=said.verdict,
        by=said.by,
        reason=said.reason,
        recorded_at=context.recorded_at,
    )
    turn.write(event, said.subject.encode())
    # They speak against it: what is allowed is so in spite of them.
    against = () if gate is None or said.verdict == "allow" else (*gate.deny, *gate.review)
    rules = tuple(rule_id for rule_id in against if rule_id != _UNSEEN)
    key = verdict_key(said.transaction_id, context.topic, context.partition, record.offset)
    _send(turn, said.subject, said.transaction_id, said.verdict, rules, key)


def verdict_key(transaction_id: str, topic: str, partition: int, offset: int) -> str:
    """Idempotency key of the command that an analyst's word leads to, by where that stands.

    Each word is a command of its own; the same record decided again is not.
    """
    return f"{transaction_id}:{topic}-{partition}-{offset}"


def _next(turn: Turn, cause: FraudCause, gate: Gate, type_: str) -> None:
    """Keep what is said so far; once nobody is asked any more, judge."""
    event = FraudEvent(type=type_, cause=cause, gate=gate, recorded_at=turn.context.recorded_at)
    if not gate.waits_for:
        event.type, event.gate = PAYMENT_JUDGED, msgspec.structs.replace(gate, is_judged=True)
        event.verdict = "deny" if gate.deny else "review" if gate.review else "allow"
        _see_to_budgets(turn, event, gate.deny)
    verdict = event.verdict
    turn.write(event, gate.wallet_id.encode())
    if verdict in ("allow", "deny"):
        _send(turn, gate.wallet_id, gate.transaction_id, verdict, gate.deny, f"{gate.transaction_id}:rules")


def _see_to_budgets(turn: Turn, event: FraudEvent, deny: tuple[str, ...]) -> None:
    """A rule denies no more payments in an hour than it may open alerts: one more is left to an analyst.

    Its cooldown keeps its alerts few, and the circuit breaker goes by those. A payment whose rules are all gone since
    they spoke is denied: no bound is known.
    """
    # Also those that the circuit breaker has paused, perhaps for this very payment.
    rules = [rule for rule in turn.followed.rules if rule.ref[0] in deny]
    if not rules:
        return
    hour, known = turn.context.recorded_at_ms // HOUR_MS, turn.state.rules.get
    denials = [counts_in(known(rule_text(rule.ref)) or RuleCounts(), hour).denials for rule in rules]
    if any(count < rule.rule.alerts_per_hour for count, rule in zip(denials, rules, strict=True)):
        event.denied_by = tuple(rule.ref for rule in rules)
        return
    rule_id, version = rules[0].ref
    event.verdict, event.rule_id, event.version = "review", rule_id, version
    event.reason = (
        f"{rule_id} would deny it: it has denied {denials[0]:,} in an hour here, its alerts_per_hour is "
        f"{rules[0].rule.alerts_per_hour:,}"
    )


def _send(turn: Turn, wallet_id: str, transaction_id: str, verdict: str, rules: Sequence[str], key: str) -> None:
    command: dict[str, Any] = {
        "operation": "screening_verdict",
        "idempotency_key": key,
        "wallet_id": wallet_id,
        "transaction_id": transaction_id,
        "verdict": verdict,
        "rule_ids": list(rules[:_MOST_RULES]),
    }
    partition = partition_of(wallet_id, turn.context.partitions)
    turn.out.send(FRAUD_COMMANDS, partition, wallet_id.encode(), _encode(command))


def _said(
    turn: Turn, arrived: ArrivedFact, changes: Sequence[Change] | None
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Ids of the rules that fire on this very payment and speak against it, and of those that want a review."""
    if changes is None:
        return (), (_UNSEEN,)
    deny: list[str] = []
    review: list[str] = []
    this = arrived.place
    for change in changes:
        rule = change.rule.rule
        if change.fire is None or change.entry.order[:3] != this or rule.state != "active":
            continue
        if _is_snoozed(turn, rule.rule_id, subject_of(change.key), arrived.t_ms):
            continue
        if rule.action in _DENIES:
            deny.append(rule.rule_id)
        elif rule.action in _REVIEWS:
            review.append(rule.rule_id)
    return _joined((), tuple(deny)), _joined((), tuple(review))


def _is_snoozed(turn: Turn, rule_id: str, subject: str, t_ms: int) -> bool:
    until_ms = turn.state.snoozes.get(f"{rule_id} {subject}")
    return until_ms is not None and t_ms < until_ms


def _joined(before: tuple[str, ...], more: tuple[str, ...]) -> tuple[str, ...]:
    """Each id once, in order: the same whoever answers first."""
    return tuple(sorted({*before, *more}))
