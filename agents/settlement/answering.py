"""What rails answer of each instruction: what is new in it, and whether it contradicts what was said before. Pure.

An answer may repeat another one, come late, be of the whole batch or of some of its instructions, and contradict. What
contradicts is told to the ledger all the same, which books it against suspense where money has moved.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

import msgspec

from agents.settlement.state import InstructionRow
from schemas.money import INT64_MAX
from schemas.rail_batches import InstructionAnswer, RailAnswer
from schemas.settlement_batches import InstructionResult

_changed: Final = msgspec.structs.replace
_OPEN: Final = ("pending", "accepted")


class Told(NamedTuple):
    """What of an instruction the ledger has to be told: `settle`, `fail` or `return`."""

    what: str
    #: What was settled, or what has come back.
    minor: int = 0
    rail_reference: str = ""
    fee_minor: int = 0
    value_date: str | None = None
    code: str = ""


class Taken(NamedTuple):
    """What an answer changes of one instruction."""

    result: InstructionResult
    told: Told | None = None
    #: By how much the rail says that it has moved money in the batch's direction, and its fee.
    moved_minor: int = 0
    fee_minor: int = 0
    #: What contradicts what was said before, in words; and the reference that is known from now on.
    contradiction: str = ""
    reference: str = ""


def in_turns(answer: RailAnswer, row_of: Callable[[str], InstructionRow | None]) -> list[RailAnswer]:
    """The answer as several in order, none of which names an instruction twice; what it says of the batch is the last.

    Args:
        answer: what a rail has said.
        row_of: the batch's instruction of an end-to-end id, as it is before the answer.
    """
    said = [*_said_of_each(answer, row_of)]
    left = Counter(part.end_to_end_id for part in said)
    turns: list[list[InstructionAnswer]] = [[] for _ in range(max(left.values(), default=1))]
    for part in said:
        left[part.end_to_end_id] -= 1
        turns[-1 - left[part.end_to_end_id]].append(part)
    before = (_changed(answer, state="partially_settled", instructions=tuple(parts)) for parts in turns[:-1])
    return [*before, _changed(answer, instructions=tuple(turns[-1]))]


def _said_of_each(answer: RailAnswer, row_of: Callable[[str], InstructionRow | None]) -> Iterator[InstructionAnswer]:
    """What is said of instructions; that a part of one has come back says of an open one that it was settled before."""
    ended = set()
    for part in answer.instructions:
        if part.state == "returned" and (part.settled_minor or 0) > 0 and part.end_to_end_id not in ended:
            row = row_of(part.end_to_end_id)
            if row is not None and row.result.state in _OPEN and part.settled_minor != row.result.amount_minor:
                yield InstructionAnswer(part.end_to_end_id, "settled", rail_reference=_untold(part.end_to_end_id))
        if part.state != "accepted":
            ended.add(part.end_to_end_id)
        yield part


def _untold(end_to_end_id: str) -> str:
    """Stands for the rail's reference of a settlement that is known by its return alone, until it is told."""
    return f"{end_to_end_id} before its return"


def parts_of(answer: RailAnswer, rows: list[InstructionRow]) -> list[InstructionAnswer]:
    """What an answer says of each instruction that it says something of, in order; those that are not ours left out.

    That a batch is refused says nothing of those named, whose own state counts. That it is settled says of those not
    named that nothing is open any more, and nothing of those refused before; unless all were.
    """
    all_refused = all(row.result.state == "rejected" for row in rows)
    named = {part.end_to_end_id: part for part in answer.instructions}
    parts = []
    for row in rows:
        end_to_end_id = row.instruction.end_to_end_id
        part = named.get(end_to_end_id)
        if answer.state in ("rejected", "failed"):
            part = part or InstructionAnswer(end_to_end_id, "rejected")
            if part.state == "rejected":
                part = _changed(part, code=part.code or answer.code or answer.state)
        elif answer.state == "accepted":
            part = part or InstructionAnswer(end_to_end_id, "accepted")
        elif answer.state == "settled" and part is None and (row.result.state in _OPEN or all_refused):
            part = InstructionAnswer(end_to_end_id, "settled")
        if part is not None:
            parts.append(part)
    return parts


def take_part(row: InstructionRow, said: InstructionAnswer) -> Taken | None:
    """What is new in what a rail says of an instruction; None where nothing is."""
    result = row.result
    if max(said.fee_minor, said.settled_minor or 0) > INT64_MAX:
        # The ledger would take none of it; what is true has to be asked for.
        reference = f"out of range {said.rail_reference}"
        if reference in row.other_references:
            return None
        return Taken(result, contradiction=f"{result.end_to_end_id}: an amount is out of range", reference=reference)
    if said.state == "accepted":
        return Taken(_changed(result, state="accepted")) if result.state == "pending" else None
    if said.state == "rejected":
        return _rejected(row, said)
    if said.state == "settled":
        return _settled(row, said)
    return _returned(row, said)


def _rejected(row: InstructionRow, said: InstructionAnswer) -> Taken | None:
    result, code = row.result, said.code or "rejected"
    if result.state == "rejected":
        return None
    if result.state in _OPEN:
        fee_minor = max(0, said.fee_minor)
        rejected = _changed(result, state="rejected", code=code, fee_minor=fee_minor)
        return Taken(rejected, Told("fail", code=code), fee_minor=fee_minor)
    reference = f"rejected {code}"
    if reference in row.other_references:
        return None
    why = f"{result.end_to_end_id} was {result.state} and is rejected now ({code})"
    return Taken(result, Told("fail", code=code), contradiction=why, reference=reference)


def _settled(row: InstructionRow, said: InstructionAnswer) -> Taken | None:
    result, amount_minor = row.result, row.result.amount_minor
    reference = said.rail_reference or result.end_to_end_id
    settled_minor = amount_minor if said.settled_minor is None else said.settled_minor
    if settled_minor <= 0:
        return _rejected(row, _changed(said, state="rejected", code=said.code or "nothing was settled"))
    fee_minor = max(0, said.fee_minor)
    if _is_what_came_back(row, reference, settled_minor):
        # It was told after its return, and the ledger knows what both came to; only what it has cost is new.
        paid_minor = result.fee_minor + max(0, said.fee_minor)
        if result.state == "rejected":
            ended = _changed(result, rail_reference=None, fee_minor=paid_minor)
            return Taken(ended, fee_minor=max(0, said.fee_minor), reference=reference)
        known = _changed(result, rail_reference=reference, value_date=said.value_date, fee_minor=paid_minor)
        return Taken(known, fee_minor=max(0, said.fee_minor))
    if _is_untold(row, reference):
        return _corrected(row, said, reference, settled_minor)
    told = Told("settle", settled_minor, reference, fee_minor, said.value_date)
    if result.state in _OPEN:
        settled = _changed(
            result,
            state="settled",
            settled_minor=settled_minor,
            fee_minor=fee_minor,
            rail_reference=reference,
            value_date=said.value_date,
        )
        why = ""
        if settled_minor > amount_minor:
            why = f"{result.end_to_end_id} is {amount_minor}, but the rail has moved {settled_minor}"
        return Taken(settled, told, settled_minor, fee_minor, why)
    if reference == result.rail_reference:
        if settled_minor == result.settled_minor:
            return None
        other = f"{reference} {settled_minor}"
        if other in row.other_references:
            return None
        # Nothing to book: it is the same thing that the rail did, and only how much it was is in dispute.
        why = f"{result.end_to_end_id} was settled with {result.settled_minor} under {reference}, now {settled_minor}"
        return Taken(result, contradiction=why, reference=other)
    if reference in row.other_references:
        return None
    why = f"{result.end_to_end_id} was {result.state} and is settled now under {reference}"
    return Taken(result, told, settled_minor, fee_minor, why, reference)


def _is_what_came_back(row: InstructionRow, reference: str, settled_minor: int) -> bool:
    """Whether a settlement is the one whose return was told before it: of the sum that then went without saying."""
    result, is_known = row.result, reference in row.other_references
    if result.state == "rejected":
        # Of what was refused, and not returned, there is no reference; a bank may give both the same.
        is_new = not is_known or reference == result.rail_reference
        return is_new and result.rail_reference is not None and settled_minor == result.amount_minor
    return _is_untold(row, reference) and settled_minor == result.settled_minor


def _is_untold(row: InstructionRow, reference: str) -> bool:
    """Whether a settlement is the one that was concluded of the return of a part."""
    result = row.result
    is_concluded = result.state not in _OPEN and result.rail_reference == _untold(result.end_to_end_id)
    return is_concluded and reference not in row.other_references


def _corrected(row: InstructionRow, said: InstructionAnswer, reference: str, settled_minor: int) -> Taken:
    """Of what was concluded to have gone in full less has gone, and the rest is the wallet's; or more."""
    result, fee_minor = row.result, max(0, said.fee_minor)
    more_minor, returned_minor = settled_minor - result.settled_minor, result.returned_minor
    known = _changed(
        result,
        state="returned" if returned_minor >= settled_minor else "settled",
        settled_minor=settled_minor,
        fee_minor=result.fee_minor + fee_minor,
        rail_reference=reference,
        value_date=said.value_date,
    )
    if more_minor > 0:
        why = f"{result.end_to_end_id} is {result.amount_minor}, but the rail has moved {settled_minor}"
        return Taken(known, Told("settle", more_minor, reference), more_minor, fee_minor, why)
    why = ""
    if returned_minor > settled_minor:
        why = f"{returned_minor} of {result.end_to_end_id} came back, of which {settled_minor} were settled"
    told = Told("return", -more_minor, f"rest of {reference}", code="partially_settled")
    return Taken(known, told, more_minor, fee_minor, why)


def _return_reference(result: InstructionResult, said: InstructionAnswer) -> str:
    """Where the rail gives none: parts are told from each other by their amounts and days."""
    named = f"{result.end_to_end_id} returned"
    is_whole = said.settled_minor in (None, result.amount_minor)
    return named if is_whole else f"{named} {said.settled_minor} {said.value_date or ''}".rstrip()


def _returned(row: InstructionRow, said: InstructionAnswer) -> Taken | None:
    result, code = row.result, said.code or "returned"
    reference = said.rail_reference or _return_reference(result, said)
    if result.state in _OPEN:
        # It was settled and came back before we heard of either: for the wallet it has never gone.
        taken = _rejected(row, _changed(said, state="rejected", code=code))
        if taken is None:
            return None
        return taken._replace(result=_changed(taken.result, rail_reference=reference), reference=reference)
    if reference in row.other_references:
        return None
    left_minor = result.settled_minor - result.returned_minor
    minor = left_minor if said.settled_minor is None else said.settled_minor
    if minor <= 0:
        return None
    told = Told("return", minor, reference, code=code)
    why = ""
    if result.state == "rejected" or minor > left_minor:
        why = f"{minor} of {result.end_to_end_id} came back, of which {max(0, left_minor)} were left"
    fee_minor = max(0, said.fee_minor)
    if result.state == "rejected":
        return Taken(result, told, -minor, fee_minor, why, reference)
    returned_minor = result.returned_minor + minor
    state = "returned" if returned_minor >= result.settled_minor else result.state
    paid_minor = result.fee_minor + fee_minor
    back = _changed(result, state=state, returned_minor=returned_minor, code=code, fee_minor=paid_minor)
    return Taken(back, told, -minor, fee_minor, why, reference)
