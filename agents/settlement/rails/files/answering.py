"""From what messages say of payments to answers of batches: grouped, cut to size, under ids that repeat. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from agents.settlement.rails.files.arrived import Arrived
from agents.statements.refusal import Refusal, quoted
from schemas.clock import rfc3339
from schemas.rail_batches import BatchAnswerState, InstructionAnswer, RailAnswer, answer_id_of

#: What our end-to-end ids begin with: the id of their batch.
_OURS: Final = re.compile(r"([0-9a-f]{24})-.{1,10}")
#: An answer of more instructions would not fit into a record.
_MOST_INSTRUCTIONS: Final = 500
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST_YEAR: Final = 1970
_LAST_YEAR: Final = 2199


def batch_of(end_to_end_id: str | None) -> str | None:
    """The batch that an end-to-end id of ours belongs to; None where it is not ours."""
    found = _OURS.fullmatch(end_to_end_id or "")
    return None if found is None else found[1]


@dataclass(slots=True)
class Said:
    """What a message says of one batch: of all of it, where it does, and of single instructions."""

    state: BatchAnswerState | None = None
    code: str = ""
    message: str = ""
    instructions: list[InstructionAnswer] = field(default_factory=list)


def answers_of(rail: str, arrived: Arrived, said: Iterable[tuple[str, Said]], at: str) -> list[RailAnswer]:
    """The answers of a file, in its order. What is said of single instructions comes first, in parts."""
    answers: list[RailAnswer] = []

    def add(batch_id: str, state: BatchAnswerState, part: Sequence[InstructionAnswer], one: Said) -> None:
        answer_id = answer_id_of(rail, arrived.sha256, str(len(answers)))
        answers.append(
            RailAnswer(
                answer_id=answer_id,
                batch_id=batch_id,
                rail=rail,
                state=state,
                instructions=tuple(part),
                code=one.code,
                message=one.message[:200],
                at=at,
            )
        )

    for batch_id, one in said:
        for start in range(0, len(one.instructions), _MOST_INSTRUCTIONS):
            add(batch_id, "partially_settled", one.instructions[start : start + _MOST_INSTRUCTIONS], one)
        if one.state is not None:
            add(batch_id, one.state, (), one)
    return answers


def time_of(text: str | None) -> str:
    """RFC 3339 of an `ISODateTime`; one without a time zone is taken for UTC.

    Raises:
        Refusal: `date`, where it is no time.
    """
    try:
        at = datetime.fromisoformat(text or "")
    except ValueError:
        raise Refusal("date", f"{quoted(text or '')} is no date and time") from None
    if not _FIRST_YEAR <= at.year <= _LAST_YEAR:
        raise Refusal("date", f"{quoted(text or '')} is not between {_FIRST_YEAR} and {_LAST_YEAR}")
    utc = at.replace(tzinfo=UTC) if at.tzinfo is None else at
    return rfc3339((utc - _EPOCH) // timedelta(milliseconds=1))
