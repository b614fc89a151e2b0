"""Answers that are too long for a record, in parts that say the same. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from msgspec.structs import replace

from schemas.rail_batches import RailAnswer, answer_id_of

#: With texts of usual length some 100 KiB; a record may have 2 MiB.
MOST_INSTRUCTIONS: Final = 500


def parts_of(answer: RailAnswer, most: int = MOST_INSTRUCTIONS) -> Iterator[RailAnswer]:
    """The answer itself where it is short; else what it says of instructions, `most` by `most`, then of the batch.

    Whoever takes them in order knows what the answer says: what is said of the batch counts for those instructions that
    nothing was said of before.
    """
    if len(answer.instructions) <= most:
        yield answer
        return
    for number, start in enumerate(range(0, len(answer.instructions), most)):
        yield replace(
            answer,
            answer_id=answer_id_of(answer.answer_id, str(number)),
            state="partially_settled",
            instructions=answer.instructions[start : start + most],
        )
    if answer.state != "partially_settled":
        yield replace(answer, instructions=())
