"""A rail's answer is taken, once: the ledger is told, the batch and the position change. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from agents.settlement.allocating import allocate, allocate_again, allocate_return
from agents.settlement.answering import Taken, Told, in_turns, parts_of, take_part
from agents.settlement.apply_answers import failed_minor, is_open
from agents.settlement.attempts import fail_attempt, rail_is_back
from agents.settlement.queueing import advance
from agents.settlement.state import BatchRow, InstructionRow
from agents.settlement.turn import Turn
from agents.settlement.updates import send_fail, send_return, send_settle, text
from schemas import settlement_events as ev
from schemas.rail_batches import RailAnswer
from schemas.settlement_batches import BatchState, InstructionResult
from schemas.settlement_internal import Payout

_DATE: Final = re.compile(r"[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])")
#: Length of a batch's id, which the ids of its instructions begin with.
_ID_LENGTH: Final = 24


@dataclass(slots=True)
class _Sum:
    """What all parts of an answer come to."""

    results: list[InstructionResult] = field(default_factory=list)
    references: list[tuple[str, str]] = field(default_factory=list)
    contradictions: list[str] = field(default_factory=list)
    moved_minor: int = 0
    fees_minor: int = 0
    released_minor: int = 0


def take_answer(turn: Turn, answer: RailAnswer) -> None:
    """Take an answer that was not taken before; one of a batch that does not exist is told apart."""
    is_known = turn.state.taken.get(f"answer {answer.rail} {answer.answer_id}", turn.now_ms) is not None
    # That it does not know yet a rail may say as often as it is asked.
    if is_known and answer.state != "unknown":
        return
    batch_id = _batch_id_of(turn, answer)
    batch = turn.state.batches.get(batch_id)
    if batch is None or batch.rail != answer.rail or not batch.ready_at:
        unknown = turn.event(ev.ANSWER_UNKNOWN, rail=answer.rail, batch_id=batch_id)
        unknown.answer_id, unknown.message = answer.answer_id, f"{answer.state}: {answer.message}"[:400]
        turn.write(unknown)
        return
    if answer.state == "unknown":
        _take_unknown(turn, answer, batch_id, batch)
    else:
        for one in in_turns(answer, lambda end_to_end_id: _row_of(turn, batch_id, end_to_end_id)):
            _take(turn, one, batch_id, turn.state.batch(batch_id))


def _batch_id_of(turn: Turn, answer: RailAnswer) -> str:
    """The batch named, else that of the first instruction that is ours."""
    if answer.batch_id:
        return answer.batch_id
    for part in answer.instructions:
        if turn.state.instructions.get(part.end_to_end_id) is not None:
            return part.end_to_end_id[:_ID_LENGTH]
    return ""


def _take_unknown(turn: Turn, answer: RailAnswer, batch_id: str, batch: BatchRow) -> None:
    """Nobody may conclude anything of it, but that the rail may have the batch; people are told why, once."""
    why = text(answer.message, "")
    if batch.state == "ready" and batch.is_in_attempt:
        message = f"the rail does not know yet: {answer.message or answer.code}"
        fail_attempt(turn, batch_id, batch, message, may_have_been_sent=True)
    elif batch.state != "ready" and why not in ("", batch.message):
        event = turn.event(ev.ANSWER_TAKEN, rail=batch.rail, asset=batch.asset, batch_id=batch_id)
        event.answer_id, event.state, event.message = answer.answer_id, batch.state, why
        rail_is_back(turn, batch, batch_id)
        turn.write(event)
    else:
        _repeated(turn, answer, batch_id, batch)


def _take(turn: Turn, answer: RailAnswer, batch_id: str, batch: BatchRow) -> None:
    rows = _rows_of(turn, answer, batch_id)
    by_id = {row.instruction.end_to_end_id: row for row in rows}
    total = _Sum()
    for part in parts_of(answer, rows):
        row = by_id[part.end_to_end_id]
        taken = take_part(row, part)
        if taken is not None:
            _add(turn, total, row, taken)
    strangers = [part.end_to_end_id for part in answer.instructions if part.end_to_end_id not in by_id]
    if strangers:
        total.contradictions.append(f"{len(strangers)} instructions are not of this batch, such as {strangers[0][:35]}")
    before = [by_id[one.end_to_end_id].result for one in total.results]
    pending = batch.pending - sum(map(is_open, before)) + sum(map(is_open, total.results))
    failed = batch.failed_minor - sum(map(failed_minor, before)) + sum(map(failed_minor, total.results))
    settled = batch.settled_minor + sum(one.settled_minor for one in total.results)
    settled -= sum(one.settled_minor for one in before)
    if pending:
        is_acknowledged = answer.state == "accepted" or bool(total.results) or batch.state == "acknowledged"
        state: BatchState = "acknowledged" if is_acknowledged else "submitted"
    else:
        state = _final_state(settled, failed)
    if not total.results and not total.contradictions and state == batch.state:
        _repeated(turn, answer, batch_id, batch)
        return
    is_over = not pending
    event = turn.event(ev.ANSWER_TAKEN, rail=batch.rail, asset=batch.asset, batch_id=batch_id)
    event.answer_id, event.state, event.results = answer.answer_id, state, tuple(total.results)
    event.other_references, event.contradictions = tuple(total.references), len(total.contradictions)
    sign = -1 if batch.direction == "out" else 1
    event.moved_minor = sign * total.moved_minor - total.fees_minor
    # What the batch itself was expected to cost is set aside until its end.
    event.released_minor = batch.committed_minor if is_over else total.released_minor
    if is_over and not batch.finished_at:
        event.due_ms = turn.now_ms + turn.limits.retention_ms
    event.message = "; ".join(total.contradictions)[:400] or text(answer.message, "") or None
    rail_is_back(turn, batch, batch_id)
    turn.write(event)
    advance(turn, batch.rail, batch.asset, "out")


def _repeated(turn: Turn, answer: RailAnswer, batch_id: str, batch: BatchRow) -> None:
    event = turn.event(ev.ANSWER_REPEATED, rail=batch.rail, batch_id=batch_id)
    event.answer_id = answer.answer_id
    turn.write(event)


def _add(turn: Turn, total: _Sum, row: InstructionRow, taken: Taken) -> None:
    """Tell the ledger of each transaction, and add the instruction to what the answer comes to."""
    rows = [turn.state.payouts.get(transaction_id) for transaction_id in row.instruction.transaction_ids]
    payouts = [one.payout for one in rows if one is not None]
    if is_open(row.result) and not is_open(taken.result):
        total.released_minor += sum(one.payout.amount_minor + one.fee_minor for one in rows if one is not None)
    total.results.append(taken.result)
    total.moved_minor += taken.moved_minor
    total.fees_minor += taken.fee_minor
    if taken.reference:
        total.references.append((taken.result.end_to_end_id, taken.reference))
    if taken.contradiction:
        total.contradictions.append(taken.contradiction)
    if taken.told is not None:
        _tell(turn, payouts, row.result, taken.told)


def _tell(turn: Turn, payouts: Sequence[Payout], before: InstructionResult, told: Told) -> None:
    amounts = [payout.amount_minor for payout in payouts]
    reference, code = text(told.rail_reference, before.end_to_end_id), text(told.code, "rejected")
    if told.what == "fail":
        for payout in payouts:
            send_fail(turn, payout, code)
    elif told.what == "return":
        settled = allocate(amounts, before.settled_minor)
        for payout, minor in zip(payouts, allocate_return(settled, before.returned_minor, told.minor), strict=True):
            if minor:
                send_return(turn, payout, minor, reference, code)
    else:
        _tell_settled(turn, payouts, before, told, reference)


def _tell_settled(turn: Turn, payouts: Sequence[Payout], before: InstructionResult, told: Told, reference: str) -> None:
    """Each transaction's share. What is beyond them all is told apart: the ledger books it against suspense."""
    value_date = told.value_date if told.value_date and _DATE.fullmatch(told.value_date) else None
    amounts, fee_minor = [payout.amount_minor for payout in payouts], told.fee_minor
    is_first = is_open(before)
    shares = allocate(amounts, told.minor) if is_first else allocate_again(amounts, before.settled_minor, told.minor)
    for payout, minor in zip(payouts, shares, strict=True):
        if minor:
            send_settle(turn, payout, reference, minor, fee_minor, value_date)
            fee_minor = 0
        elif is_first:
            send_fail(turn, payout, "partially_settled")
    beyond_minor = told.minor - sum(shares)
    if beyond_minor:
        send_settle(turn, payouts[0], text(f"beyond {reference}", reference), beyond_minor, value_date=value_date)


def _final_state(settled_minor: int, failed_minor_: int) -> BatchState:
    if not failed_minor_:
        return "settled"
    return "partially_settled" if settled_minor else "failed"


def _row_of(turn: Turn, batch_id: str, end_to_end_id: str) -> InstructionRow | None:
    return turn.state.instructions.get(end_to_end_id) if end_to_end_id.startswith(batch_id) else None


def _rows_of(turn: Turn, answer: RailAnswer, batch_id: str) -> list[InstructionRow]:
    """The instructions that an answer may say something of, in order: all, or those that it names."""
    if answer.state != "partially_settled":
        return turn.state.instructions_of(batch_id)
    named = sorted({part.end_to_end_id for part in answer.instructions if part.end_to_end_id.startswith(batch_id)})
    found = [turn.state.instructions.get(end_to_end_id) for end_to_end_id in named]
    return [row for row in found if row is not None]
