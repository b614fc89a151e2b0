"""What the simulated rail pays and answers: by its seed and the ids of the batch alone. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Final, Self

import msgspec
from pydantic import ConfigDict, Field, model_validator

from schemas.clock import rfc3339
from schemas.contract import Contract
from schemas.rail_batches import (
    BatchAnswerState,
    InstructionAnswer,
    RailAnswer,
    RailBatch,
    RailInstruction,
    answer_id_of,
)

_Bps = Annotated[int, Field(ge=0, le=10_000)]
_Ms = Annotated[int, Field(ge=0, le=7 * 86_400_000)]

#: External code sets of ISO 20022: closed account, returned as not to be credited.
REJECTED_CODE: Final = "AC04"
RETURNED_CODE: Final = "MS03"
#: Duplicate message: an end-to-end id that was paid in another batch.
DUPLICATE_CODE: Final = "AM05"


class Outage(Contract):
    """A time in which the rail answers nothing, in Unix milliseconds; `to_ms` is the first moment after it."""

    model_config = ConfigDict(frozen=True)

    from_ms: int
    to_ms: int


class SimulatedSettings(Contract):
    """Settings of the simulated rail. Shares are hundredths of a percent; which ones they hit depends on the seed."""

    model_config = ConfigDict(frozen=True)

    seed: Annotated[int, Field(description="Another seed hits other batches.")] = 0
    call_ms: Annotated[_Ms, Field(description="How long a call takes at most.")] = 0
    answer_min_ms: Annotated[_Ms, Field(description="Final answers come so long after a batch, at least.")] = 100
    answer_max_ms: Annotated[_Ms, Field(description="And so long at most.")] = 2_000
    fee_minor: Annotated[int, Field(ge=0, description="Fee of each instruction, in minor units.")] = 0
    rejected_bps: Annotated[_Bps, Field(description="Instructions that are refused.")] = 0
    partial_bps: Annotated[_Bps, Field(description="Instructions that are paid in part.")] = 0
    returned_bps: Annotated[_Bps, Field(description="Paid instructions that come back later.")] = 0
    split_bps: Annotated[_Bps, Field(description="Batches that are answered in two parts.")] = 0
    repeated_bps: Annotated[_Bps, Field(description="Batches whose final answer comes again, under another id.")] = 0
    late_bps: Annotated[_Bps, Field(description="Batches whose answers are late.")] = 0
    late_ms: Annotated[_Ms, Field(description="How late.")] = 60_000
    contradicted_bps: Annotated[_Bps, Field(description="Paid instructions of which it says later: refused.")] = 0
    silent_bps: Annotated[_Bps, Field(description="Batches that it never answers, unless it is asked.")] = 0
    lost_bps: Annotated[_Bps, Field(description="Batches that it takes and does not say so: the call fails.")] = 0
    turned_away_bps: Annotated[_Bps, Field(description="Batches that it does not take at first.")] = 0
    outages: Annotated[tuple[Outage, ...], Field(max_length=1_000, description="When it answers nothing.")] = ()
    idempotent: Annotated[
        bool, Field(description="False: it pays whatever it is given, however often. For tests of the courier.")
    ] = True

    @model_validator(mode="after")
    def _ascends(self) -> Self:
        if self.answer_min_ms > self.answer_max_ms:
            raise ValueError("answer_min_ms must not be above answer_max_ms")
        return self


class Payment(msgspec.Struct, frozen=True, omit_defaults=True):
    """Money that the rail has moved for an instruction, in minor units; 0 where it was refused."""

    end_to_end_id: str
    amount_minor: int
    code: str = ""


@dataclass(frozen=True, slots=True)
class PlannedAnswer:
    """An answer, and how long after the batch was taken it is due."""

    after_ms: int
    answer: RailAnswer


class Chance:
    """Numbers that depend on the seed and on what they are asked for, and on nothing else."""

    def __init__(self, seed: int):
        self._seed = seed

    def below(self, bound: int, *about: str) -> int:
        """A number from 0 to `bound` - 1."""
        digest = hashlib.sha256("\x1f".join([str(self._seed), *about]).encode()).digest()
        return int.from_bytes(digest[:8]) % bound

    def hits(self, bps: int, *about: str) -> bool:
        """True for so many hundredths of a percent of what it may be asked about."""
        return self.below(10_000, *about) < bps


def payments_of(settings: SimulatedSettings, batch: RailBatch, paid_before: Container[str]) -> tuple[Payment, ...]:
    """What is paid of each instruction when the batch is taken; end-to-end ids paid before are refused."""
    return tuple(_payment(settings, one, one.end_to_end_id in paid_before) for one in batch.instructions)


def _payment(settings: SimulatedSettings, one: RailInstruction, is_paid: bool) -> Payment:
    chance, name = Chance(settings.seed), one.end_to_end_id
    if is_paid and settings.idempotent:
        return Payment(name, 0, DUPLICATE_CODE)
    if chance.hits(settings.rejected_bps, "rejected", name):
        return Payment(name, 0, REJECTED_CODE)
    if one.amount_minor > 1 and chance.hits(settings.partial_bps, "partial", name):
        return Payment(name, 1 + chance.below(one.amount_minor - 1, "part", name))
    return Payment(name, one.amount_minor)


def received(batch: RailBatch, at_ms: int) -> RailAnswer:
    """The answer to the call itself."""
    return _answer(batch, "received", (), at_ms, "received")


def answers_of(
    settings: SimulatedSettings, batch: RailBatch, payments: Sequence[Payment], taken_ms: int
) -> list[PlannedAnswer]:
    """All that the rail will say of a batch that it took at `taken_ms`, in order."""
    return sorted(_answers(settings, batch, payments, taken_ms), key=lambda one: one.after_ms)


def status_of(
    settings: SimulatedSettings, batch: RailBatch, payments: Sequence[Payment], taken_ms: int, now_ms: int
) -> RailAnswer:
    """What the rail says when it is asked: all that it knows, of a finished batch every instruction."""
    final_ms = _final_ms(settings, batch)
    if taken_ms + final_ms <= now_ms:
        facts = [_fact(settings, batch, payment) for payment in payments]
        return _answer(batch, _state(batch, payments), facts, taken_ms + final_ms, "final")
    due = [one for one in answers_of(settings, batch, payments, taken_ms) if taken_ms + one.after_ms <= now_ms]
    return due[-1].answer if due else received(batch, taken_ms)


def is_silent(settings: SimulatedSettings, batch: RailBatch) -> bool:
    """Whether the rail says nothing of it unasked."""
    return Chance(settings.seed).hits(settings.silent_bps, "silent", batch.batch_id)


def _final_ms(settings: SimulatedSettings, batch: RailBatch) -> int:
    """How long after a batch was taken the rail knows what became of it."""
    chance, name = Chance(settings.seed), batch.batch_id
    after_ms = settings.answer_min_ms + chance.below(settings.answer_max_ms - settings.answer_min_ms + 1, "after", name)
    return after_ms + (settings.late_ms if chance.hits(settings.late_bps, "late", name) else 0)


def _answers(
    settings: SimulatedSettings, batch: RailBatch, payments: Sequence[Payment], taken_ms: int
) -> Iterator[PlannedAnswer]:
    chance, name = Chance(settings.seed), batch.batch_id
    after_ms = _final_ms(settings, batch)
    facts = [_fact(settings, batch, payment) for payment in payments]
    yield PlannedAnswer(after_ms // 2, _answer(batch, "accepted", (), taken_ms + after_ms // 2, "accepted"))
    if len(facts) > 1 and chance.hits(settings.split_bps, "split", name):
        half = len(facts) // 2
        early_ms = after_ms * 3 // 4
        yield PlannedAnswer(
            early_ms, _answer(batch, "partially_settled", facts[:half], taken_ms + early_ms, "first part")
        )
        final = _answer(batch, "partially_settled", facts[half:], taken_ms + after_ms, "second part")
    else:
        final = _answer(batch, _state(batch, payments), facts, taken_ms + after_ms, "final")
    yield PlannedAnswer(after_ms, final)
    if chance.hits(settings.repeated_bps, "repeated", name):
        again = _answer(batch, final.state, final.instructions, taken_ms + after_ms, "repeated")
        yield PlannedAnswer(after_ms + 1 + chance.below(after_ms + 1, "again", name), again)
    for fact in facts:
        yield from _afterthoughts(settings, batch, fact, taken_ms, after_ms)


def _afterthoughts(
    settings: SimulatedSettings, batch: RailBatch, fact: InstructionAnswer, taken_ms: int, after_ms: int
) -> Iterator[PlannedAnswer]:
    """What is said of an instruction after it was paid: that it came back, or that it never was."""
    chance, name = Chance(settings.seed), fact.end_to_end_id
    if fact.state != "settled":
        return
    later_ms = after_ms + 1 + chance.below(after_ms + 1, "afterthought", name)
    if chance.hits(settings.returned_bps, "returned", name):
        back = InstructionAnswer(
            name,
            "returned",
            settled_minor=fact.settled_minor,
            rail_reference=_reference(name, "back"),
            code=RETURNED_CODE,
            value_date=fact.value_date,
        )
        yield PlannedAnswer(later_ms, _answer(batch, "partially_settled", [back], taken_ms + later_ms, "back", name))
    elif chance.hits(settings.contradicted_bps, "contradicted", name):
        never = InstructionAnswer(name, "rejected", code=REJECTED_CODE)
        yield PlannedAnswer(later_ms, _answer(batch, "partially_settled", [never], taken_ms + later_ms, "never", name))


def _fact(settings: SimulatedSettings, batch: RailBatch, payment: Payment) -> InstructionAnswer:
    name = payment.end_to_end_id
    if not payment.amount_minor:
        return InstructionAnswer(name, "rejected", code=payment.code)
    return InstructionAnswer(
        name,
        "settled",
        settled_minor=payment.amount_minor,
        fee_minor=settings.fee_minor,
        rail_reference=_reference(name, "paid"),
        value_date=batch.execution_date,
    )


def _state(batch: RailBatch, payments: Sequence[Payment]) -> BatchAnswerState:
    paid = {payment.end_to_end_id: payment.amount_minor for payment in payments}
    if not any(paid.values()):
        return "rejected"
    is_full = all(paid.get(one.end_to_end_id) == one.amount_minor for one in batch.instructions)
    return "settled" if is_full else "partially_settled"


def _reference(end_to_end_id: str, what: str) -> str:
    return f"sim-{answer_id_of(end_to_end_id, what)[:16]}"


def _answer(
    batch: RailBatch, state: BatchAnswerState, facts: Sequence[InstructionAnswer], at_ms: int, *about: str
) -> RailAnswer:
    return RailAnswer(
        answer_id=answer_id_of(batch.rail, batch.batch_id, *about),
        batch_id=batch.batch_id,
        rail=batch.rail,
        state=state,
        instructions=tuple(facts),
        at=rfc3339(at_ms),
    )
