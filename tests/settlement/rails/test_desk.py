"""A desk: attempts, answers come unasked, statuses, the breaker; in time that is moved by hand."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from agents.settlement.rails.courier.desk import STEPS, Desk
from agents.settlement.rails.port import RailMisconfigured, RailUnavailable, RailUnknown
from schemas.rail_batches import RailAnswer
from schemas.rail_settings import Retry
from tests.settlement.rails.batches import batch
from tests.settlement.rails.stage import Crash, Kept, ScriptedRail, VirtualClock, Watching, nothing_by_chance

RETRY = Retry(
    timeout_ms=1_000,
    first_ms=100,
    longest_ms=800,
    breaker_failures=3,
    breaker_open_ms=1_000,
    poll_ms=100,
    max_parallel=2,
)


class Stage:
    def __init__(self, retry: Retry = RETRY, kept: Kept | None = None, watching: Watching | None = None):
        self.clock, self.rail = VirtualClock(), ScriptedRail()
        self.kept, self.watching = kept or Kept(), watching or Watching()
        self.desk = Desk(self.rail, retry, self.kept, self.clock, self.watching, nothing_by_chance)


def play(scene: Callable[[Stage], Awaitable[None]], **stage: Any) -> Stage:
    async def go() -> Stage:
        on = Stage(**stage)
        running = asyncio.ensure_future(on.desk.run())
        try:
            await scene(on)
        finally:
            running.cancel()
            await asyncio.wait([running])
        return on

    return asyncio.run(go())


def test_a_batch_is_submitted_once_it_is_known_that_the_rail_has_not_seen_it() -> None:
    async def scene(on: Stage) -> None:
        on.desk.attempt(batch())
        await on.clock.until(lambda: bool(on.kept.reports))
        assert on.rail.calls.index("status") < on.rail.calls.index("submit")
        await on.clock.pass_ms(5_000)

    on = play(scene)
    assert on.rail.taken == {batch().batch_id: 1}
    assert [one.state for one in on.kept.answers] == ["received"]
    assert on.desk.waiting == []
    assert on.rail.closed == 1


def test_what_the_rail_has_already_is_not_submitted() -> None:
    async def scene(on: Stage) -> None:
        on.rail.states[batch().batch_id] = "settled"
        on.desk.attempt(batch())
        await on.clock.until(lambda: bool(on.kept.reports))

    on = play(scene)
    assert "submit" not in on.rail.calls
    assert [one.state for one in on.kept.answers] == ["settled"]


@pytest.mark.parametrize(
    ("call", "error", "may_have_been_sent"),
    [
        ("status", RailUnavailable("down"), True),
        ("status", RailUnknown("timeout"), True),
        ("status", RailMisconfigured("settings"), True),
        ("submit", RailUnavailable("down"), False),
        ("submit", RailMisconfigured("settings"), False),
        ("submit", RailUnknown("timeout"), True),
        ("submitted", RailUnknown("no answer"), True),
        ("submit", KeyError("a bug of the adapter"), True),
        ("status", ZeroDivisionError("a bug of the adapter"), True),
    ],
)
def test_a_failed_attempt_says_what_may_be_concluded(call: str, error: Exception, may_have_been_sent: bool) -> None:
    async def scene(on: Stage) -> None:
        on.rail.on[call] = [error]
        on.desk.attempt(batch(attempt=4))
        await on.clock.until(lambda: bool(on.kept.reports))
        await on.clock.pass_ms(10_000)

    on = play(scene)
    (failed,) = on.kept.reports
    assert failed in on.kept.failed
    assert on.kept.failed[0].may_have_been_sent is may_have_been_sent
    assert (on.kept.failed[0].attempt, on.kept.failed[0].batch_id) == (4, batch().batch_id)
    assert on.desk.waiting == [], "when the next attempt is due is said by another record"


def test_after_a_lost_answer_the_next_attempt_finds_the_batch() -> None:
    async def scene(on: Stage) -> None:
        on.rail.on["submitted"] = [RailUnknown("no answer")]
        on.desk.attempt(batch())
        await on.clock.until(lambda: bool(on.kept.failed))
        on.desk.attempt(batch(attempt=2))
        await on.clock.until(lambda: bool(on.kept.answers))

    on = play(scene)
    assert on.rail.taken == {batch().batch_id: 1}


def test_a_call_that_takes_too_long_is_unknown() -> None:
    async def scene(on: Stage) -> None:
        on.rail.on["submit"] = [lambda: on.clock.sleep_ms(1_001)]
        on.desk.attempt(batch())
        await on.clock.until(lambda: bool(on.kept.reports))

    on = play(scene)
    assert "no answer within 1000 ms" in on.kept.failed[0].message
    assert on.kept.failed[0].may_have_been_sent
    assert on.watching.calls["submit", "RailUnknown"] == 1


def test_an_attempt_given_twice_is_made_once() -> None:
    async def scene(on: Stage) -> None:
        for _ in range(3):
            on.desk.attempt(batch())
        await on.clock.until(lambda: bool(on.kept.reports))
        await on.clock.pass_ms(50)

    on = play(scene)
    assert on.rail.calls.count("submit") == 1
    assert len(on.kept.reports) == 1


def test_a_newer_attempt_is_made_after_the_one_under_way() -> None:
    async def scene(on: Stage) -> None:
        on.rail.on["submit"] = [lambda: on.clock.sleep_ms(500)]
        on.rail.on["submitted"] = [RailUnknown("no answer")]
        on.desk.attempt(batch())
        await on.clock.pass_ms(100)
        on.desk.attempt(batch(attempt=2))
        await on.clock.until(lambda: len(on.kept.reports) == 2)

    on = play(scene)
    assert on.kept.failed[0].attempt == 1
    assert [one.state for one in on.kept.answers] == ["received"]
    assert on.rail.taken == {batch().batch_id: 1}


def test_no_more_batches_are_handed_over_at_once_than_allowed() -> None:
    at_once: list[int] = []

    async def scene(on: Stage) -> None:
        busy = 0

        async def slow() -> None:
            nonlocal busy
            busy += 1
            at_once.append(busy)
            await on.clock.sleep_ms(200)
            busy -= 1

        on.rail.on["submit"] = [slow] * 9
        for number in range(9):
            on.desk.attempt(batch(number))
        await on.clock.until(lambda: len(on.kept.answers) == 9)

    on = play(scene)
    assert max(at_once) == 2
    assert set(on.rail.taken.values()) == {1}


def test_an_answer_come_unasked_is_acknowledged_once_it_is_kept() -> None:
    async def scene(on: Stage) -> None:
        on.rail.unasked = [on.rail._answer("b", "settled"), on.rail._answer("c", "rejected")]
        await on.clock.until(lambda: not on.rail.unasked)

    on = play(scene, kept=Kept(failures=3))
    assert [one.batch_id for one in on.kept.answers] == ["b", "c"]
    steps = [step for step in on.watching.steps if step in STEPS[6:]]
    assert steps == ["before keep", "after keep", "after acknowledge"] * 2


def test_an_answer_that_cannot_be_kept_is_not_acknowledged() -> None:
    async def scene(on: Stage) -> None:
        on.rail.unasked = [on.rail._answer("b", "settled")]
        await on.clock.pass_ms(60_000)

    on = play(scene, kept=Kept(failures=10**9))
    assert len(on.rail.unasked) == 1
    assert "acknowledge" not in on.rail.calls


def test_an_answer_whose_acknowledgement_fails_is_kept_again() -> None:
    async def scene(on: Stage) -> None:
        on.rail.unasked = [on.rail._answer("b", "settled")]
        on.rail.on["acknowledge"] = [RailUnavailable("down")]
        await on.clock.until(lambda: not on.rail.unasked)

    on = play(scene)
    assert [one.answer_id for one in on.kept.answers] == [on.rail._answer("b", "settled").answer_id] * 2


def test_an_answer_that_cannot_be_acknowledged_holds_up_none() -> None:
    async def scene(on: Stage) -> None:
        on.rail.unasked = [on.rail._answer(name, "settled") for name in ("bad", "b", "c")]
        real = on.rail.acknowledge

        async def acknowledge(answer_id: str) -> None:
            if answer_id == on.rail._answer("bad", "settled").answer_id:
                raise RailUnavailable("disk")
            await real(answer_id)

        on.rail.acknowledge = acknowledge  # type: ignore[method-assign]
        await on.clock.until(lambda: len(on.rail.unasked) == 1)

    on = play(scene)
    assert [one.batch_id for one in on.kept.answers][:3] == ["bad", "b", "c"]


def test_a_batch_whose_status_cannot_be_asked_holds_up_none() -> None:
    async def scene(on: Stage) -> None:
        on.rail.states = {"bad": "accepted", "b": "accepted", "c": "accepted"}
        real = on.rail.status

        async def status(batch_id: str) -> RailAnswer | None:
            if batch_id == "bad":
                raise KeyError(batch_id)
            return await real(batch_id)

        on.rail.status = status  # type: ignore[method-assign]
        for name in on.rail.states:
            on.desk.follow(name)
        await on.clock.until(lambda: {one.batch_id for one in on.kept.answers} == {"b", "c"})

    play(scene)


def test_the_status_is_asked_ever_less_often_and_told_when_it_changes() -> None:
    async def scene(on: Stage) -> None:
        on.desk.attempt(batch())
        await on.clock.until(lambda: len(on.kept.answers) == 1)
        await on.clock.pass_ms(5_000)
        assert len(on.kept.answers) == 1, "what was told is not told again"
        assert 6 <= on.rail.calls.count("status") <= 12
        on.rail.states[batch().batch_id] = "settled"
        await on.clock.until(lambda: len(on.kept.answers) == 2)
        on.desk.forget(batch().batch_id)
        asked = on.rail.calls.count("status")
        await on.clock.pass_ms(5_000)
        assert on.rail.calls.count("status") == asked

    on = play(scene)
    assert [one.state for one in on.kept.answers] == ["received", "settled"]


def test_a_batch_that_the_rail_has_is_followed_after_a_restart() -> None:
    async def scene(on: Stage) -> None:
        on.rail.states["b"] = "accepted"
        on.desk.follow("b")
        await on.clock.until(lambda: bool(on.kept.answers))

    assert [one.state for one in play(scene).kept.answers] == ["accepted"]


def test_the_breaker_spares_a_rail_that_is_down_and_lets_one_call_try() -> None:
    async def scene(on: Stage) -> None:
        on.rail.on["collect"] = [RailUnavailable("down")] * 10
        await on.clock.until(lambda: "open" in on.watching.breaker)
        calls = len(on.rail.calls)
        on.desk.attempt(batch())
        await on.clock.pass_ms(900)
        assert len(on.rail.calls) == calls, "nobody calls while it is open"
        assert on.kept.reports == [], "an attempt that was not made has not failed"
        on.rail.on["collect"] = []
        await on.clock.until(lambda: bool(on.kept.answers))

    on = play(scene)
    assert on.watching.breaker == ["open", "half_open", "closed"]


@pytest.mark.slow
def test_a_rail_that_stays_down_is_called_ever_less_often() -> None:
    async def scene(on: Stage) -> None:
        on.rail.on["collect"] = [RailUnavailable("down")] * 10_000
        await on.clock.pass_ms(3_600_000)

    retry = RETRY.model_copy(update={"longest_ms": 60_000})
    calls = play(scene, retry=retry).rail.calls.count("collect")
    assert 55 <= calls <= 75, "one a minute in the end"


def test_a_probe_that_is_cancelled_lets_another_try() -> None:
    async def scene(on: Stage) -> None:
        breaker = on.desk._calls.breaker
        for _ in range(3):
            breaker.failed(on.clock.now_ms(), 0.0)
        running = asyncio.ensure_future(on.desk._calls.make("x", lambda: on.clock.sleep_ms(10**9)))
        await on.clock.pass_ms(1_000)
        running.cancel()
        await asyncio.wait([running])
        on.desk.attempt(batch())
        await on.clock.until(lambda: bool(on.kept.answers))

    play(scene)


@pytest.mark.parametrize("step", STEPS[:5])
def test_a_crash_at_any_step_of_an_attempt_pays_once_and_forgets_nothing(step: str) -> None:
    async def go() -> None:
        first = Stage(watching=Watching(crash_at=step))
        first.desk.attempt(batch())
        with pytest.raises(BaseExceptionGroup) as caught:
            await first.desk.run()
        assert caught.group_contains(Crash)
        again = Stage()
        again.rail = first.rail
        again.desk = Desk(first.rail, RETRY, again.kept, again.clock, again.watching, nothing_by_chance)
        again.desk.attempt(batch())
        running = asyncio.ensure_future(again.desk.run())
        await again.clock.until(lambda: bool(again.kept.answers))
        running.cancel()
        await asyncio.wait([running])
        assert first.rail.taken == {batch().batch_id: 1}
        ids = {one.answer_id for one in [*first.kept.answers, *again.kept.answers]}
        assert len(ids) == 1, "what is told twice has one id"

    asyncio.run(go())


@pytest.mark.parametrize("step", STEPS[5:])
def test_a_crash_at_any_step_of_an_answer_loses_none(step: str) -> None:
    async def go() -> None:
        first = Stage(watching=Watching(crash_at=step))
        answer: RailAnswer = first.rail._answer("b", "settled")
        first.rail.unasked = [answer]
        with pytest.raises(BaseExceptionGroup):
            await first.desk.run()
        kept = Kept(failures=0)
        again = Desk(first.rail, RETRY, kept, first.clock, Watching(), nothing_by_chance)
        running = asyncio.ensure_future(again.run())
        await first.clock.until(lambda: not first.rail.unasked)
        running.cancel()
        await asyncio.wait([running])
        assert {one.answer_id for one in [*first.kept.answers, *kept.answers]} == {answer.answer_id}

    asyncio.run(go())
