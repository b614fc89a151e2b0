"""A batch goes to its rail once for each attempt, and again after failures."""

from __future__ import annotations

from agents.settlement.terms import next_attempt_ms
from schemas.rails import Rail
from tests.settlement.ready import ready


def test_an_attempt_that_fails_is_made_again_after_a_pause_that_doubles() -> None:
    world, (batch,) = ready(10)
    pauses = []
    for attempt in (1, 2):
        assert batch.attempt == attempt
        world.fail_attempt(batch)
        world.run()
        assert world.to_send() == []
        (record,) = world.batches().values()
        assert record.message == "down"
        began_ms = world.now_ms
        while not world.to_send():
            world.later(0.1)
        pauses.append(world.now_ms - began_ms)
        (batch,) = world.to_send()
    assert 500 <= pauses[0] <= 1_100
    assert 1_000 <= pauses[1] <= 2_100


def test_pauses_have_jitter_that_everybody_draws_alike() -> None:
    rail = Rail.model_validate_json(
        '{"name":"sepa","settlement":"deferred","retry":{"first_ms":1000,"longest_ms":8000}}'
    )
    pauses = {next_attempt_ms(rail, f"b{number}", 3, 0) for number in range(50)}
    assert min(pauses) >= 2_000
    assert max(pauses) <= 4_000
    assert len(pauses) > 40
    assert next_attempt_ms(rail, "b", 60, 0) <= 8_000
    assert next_attempt_ms(rail, "b", 1, 5) == next_attempt_ms(rail, "b", 1, 5)


def test_each_attempt_is_answered_once() -> None:
    world, (batch,) = ready(10)
    for _ in range(3):
        world.fail_attempt(batch)
    world.run()
    assert len(world.events("attempt.failed")) == 1
    world.later(2)
    world.answer(batch, "received")
    world.fail_attempt(world.to_send()[0] if world.to_send() else batch)
    world.run()
    (record,) = world.batches().values()
    assert record.state == "submitted"


def test_a_rail_that_keeps_failing_is_left_alone_and_then_tried_by_one_batch() -> None:
    world, batches = ready(10, count=4)
    for batch in batches[:3]:
        world.fail_attempt(batch)
    world.run()
    assert world.alerts()["rail_unavailable sepa"].state == "open"
    world.answer(batches[3], "unknown")
    world.run()
    for _ in range(19):
        world.later(1)
        # Two failed before it was clear: their next attempt may be due meanwhile.
        assert len(world.to_send()) <= 2
        for batch in world.to_send():
            world.fail_attempt(batch)
        world.run()
    while not world.to_send():
        world.later(1)
    (probe,) = world.to_send()
    world.later(5)
    assert world.to_send() == [probe]
    world.answer(probe, "settled")
    world.run()
    assert world.alerts() == {}
    for _ in range(60):
        world.later(1)
        for batch in world.to_send():
            world.answer(batch, "settled")
        world.run()
    assert {record.state for record in world.batches().values()} == {"settled"}


def test_a_rail_that_does_not_know_is_asked_again() -> None:
    world, (batch,) = ready(10)
    world.answer(batch, "unknown", message="timeout")
    world.run()
    (record,) = world.batches().values()
    assert (record.state, record.to_send) == ("ready", None)
    world.later(2)
    (again,) = world.to_send()
    assert (again.attempt, again.instructions) == (2, batch.instructions)
    # It says so again, under the very same id.
    world.answer(again, "unknown", answer_id="a3")
    world.run()
    world.answer(again, "unknown", answer_id="a3")
    world.later(5)
    assert world.to_send()[0].attempt == 3
