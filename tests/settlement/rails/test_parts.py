"""Long answers in parts: nothing is left out, each part has an id that repeats."""

from __future__ import annotations

import pytest

from agents.settlement.rails.courier.parts import parts_of
from schemas.rail_batches import BatchAnswerState, InstructionAnswer, RailAnswer


def answer(count: int, state: BatchAnswerState = "settled") -> RailAnswer:
    facts = tuple(InstructionAnswer(f"b-{number}", "settled", number) for number in range(count))
    return RailAnswer(
        answer_id="a", batch_id="b", rail="r", state=state, instructions=facts, at="2026-11-23T04:50:00.000Z"
    )


@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_short_one_is_itself(count: int) -> None:
    assert list(parts_of(answer(count), 3)) == [answer(count)]


@pytest.mark.parametrize("count", [4, 6, 7])
@pytest.mark.parametrize("state", ["settled", "rejected", "accepted", "partially_settled"])
def test_a_long_one_says_the_same_in_parts(count: int, state: BatchAnswerState) -> None:
    whole = answer(count, state)
    parts = list(parts_of(whole, 3))
    assert [fact for part in parts for fact in part.instructions] == list(whole.instructions)
    assert max(len(part.instructions) for part in parts) == 3
    assert parts == list(parts_of(whole, 3))
    assert len({part.answer_id for part in parts}) == len(parts)
    named = [part for part in parts if part.instructions]
    assert {part.state for part in named} == {"partially_settled"}, "nothing is said of those that are not named"
    rest = parts[len(named) :]
    assert [(part.answer_id, part.state) for part in rest] == ([] if state == "partially_settled" else [("a", state)])
