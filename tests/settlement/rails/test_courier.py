"""The courier: desks by partition and record, and that one rail never holds up another."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from agents.settlement.rails import port
from agents.settlement.rails.courier.book import Book
from agents.settlement.rails.courier.courier import Courier
from agents.settlement.rails.courier.observing import CourierMetrics
from agents.settlement.rails.port import RailMisconfigured, RailUnavailable
from agents.settlement.rails.registry import AdapterKind, Registry, Surroundings
from schemas.contract import Contract
from schemas.partitioning import partition_of
from schemas.rail_settings import Adapter, BatchLimits, Retry
from schemas.rails import Rail
from schemas.settlement_batches import AlertRecord, SettlementRecord
from streams.metrics import REGISTRY
from tests.settlement.rails.batches import batch
from tests.settlement.rails.stage import Crash, Kept, ScriptedRail, VirtualClock, Watching, nothing_by_chance, record

PARTITIONS = 4
RETRY = Retry(timeout_ms=1_000, first_ms=100, longest_ms=800, breaker_failures=3, breaker_open_ms=1_000, poll_ms=100)


class NoSettings(Contract):
    pass


class Rails(Registry):
    """Opens scripted rails, and remembers them."""

    def __init__(self) -> None:
        super().__init__()
        self.opened: dict[str, ScriptedRail] = {}
        self.opens = 0
        self._loaded["scripted"] = AdapterKind("scripted", NoSettings, self._scripted)

    def _scripted(self, rail: Rail, settings: NoSettings, surroundings: Surroundings) -> port.Rail:
        self.opens += 1
        return self.opened.setdefault(rail.name, ScriptedRail(rail.name))


def rail(name: str, **changes: Any) -> Rail:
    made = Rail(
        name=name,
        settlement="deferred",
        adapter=Adapter(kind="scripted"),
        batches=BatchLimits(max_age_s=60),
        retry=RETRY,
    )
    return made.model_copy(update=changes)


#: Two rails that live in different partitions, and one beside the first.
A = "sim"
B = next(n for n in map(str, range(99)) if partition_of(n, PARTITIONS) != partition_of(A, PARTITIONS))
C = next(n for n in map(str, range(99)) if partition_of(n, PARTITIONS) == partition_of(A, PARTITIONS))
HOME = {name: partition_of(name, PARTITIONS) for name in (A, B, C)}


class Stage:
    def __init__(self) -> None:
        self.clock, self.rails, self.kept, self.watching = VirtualClock(), Rails(), Kept(), Watching()
        self.courier = Courier(
            self.rails, self.kept, self.clock, Path("none"), PARTITIONS, self.watching, share=nothing_by_chance
        )
        self.offset = 0

    def own(self, *partitions: int) -> None:
        for partition in partitions:
            self.courier.own(partition)

    def current(self, *partitions: int) -> None:
        for partition in partitions:
            self.courier.current(partition)

    def tell(self, told: SettlementRecord) -> None:
        self.courier.take(HOME[told.rail], self.offset, told)
        self.offset += 1

    def states(self, name: str) -> list[str]:
        return [answer.state for answer in self.kept.answers if answer.rail == name]


def play(scene: Callable[[Stage], Awaitable[None]]) -> Stage:
    async def go() -> Stage:
        on = Stage()
        try:
            await scene(on)
        finally:
            await on.courier.close()
        return on

    return asyncio.run(go())


def test_nothing_is_done_before_the_log_was_read_to_its_end() -> None:
    async def scene(on: Stage) -> None:
        on.courier.configure({A: rail(A)})
        on.own(HOME[A])
        on.tell(record(batch(1)))
        on.tell(record(batch(2)))
        await on.clock.pass_ms(1_000)
        assert on.courier.desks == []
        on.tell(record(batch(1), "empty", is_final=True))
        on.current(HOME[A])
        await on.clock.until(lambda: bool(on.kept.answers))
        await on.clock.pass_ms(1_000)
        assert on.rails.opened[A].taken == {batch(2).batch_id: 1}

    play(scene)


def test_an_attempt_that_another_courier_may_be_at_certainly_was_not_sent_only_after_the_next_one() -> None:
    """Its call may still be under way, and reach the rail behind the question about the status."""

    async def scene(on: Stage) -> None:
        slow = asyncio.Event()
        on.courier.configure({A: rail(A)})
        on.own(HOME[A])
        on.current(HOME[A])
        on.rails.opened[A].on["submit"] = [slow.wait, RailUnavailable("down"), RailUnavailable("down")]
        on.tell(record(batch(1)))
        await on.clock.until(lambda: "before submit" in on.watching.steps)
        on.courier.disown(HOME[A])
        on.own(HOME[A])
        on.tell(record(batch(1)))
        on.current(HOME[A])
        await on.clock.until(lambda: bool(on.kept.failed))
        on.tell(record(batch(2)))
        await on.clock.until(lambda: len(on.kept.failed) == 2)

    failed = play(scene).kept.failed
    assert [(one.batch_id, one.may_have_been_sent) for one in failed] == [
        (batch(1).batch_id, True),
        (batch(2).batch_id, False),
    ]


def test_rails_of_other_partitions_are_left_to_others() -> None:
    assert HOME[A] != HOME[B]

    async def scene(on: Stage) -> None:
        on.courier.configure({A: rail(A), B: rail(B), C: rail(C), "none": rail("none", adapter=None)})
        on.own(HOME[A])
        on.current(HOME[A])
        assert set(on.courier.desks) == {A, C}
        on.tell(record(batch(rail=B)))
        await on.clock.pass_ms(1_000)
        assert B not in on.rails.opened
        on.courier.disown(HOME[A])
        assert on.courier.desks == []
        await on.clock.until(lambda: on.rails.opened[A].closed == 1)

    play(scene)


def test_an_outage_of_one_rail_does_not_delay_another() -> None:
    async def scene(on: Stage) -> None:
        on.courier.configure({A: rail(A), B: rail(B), C: rail(C)})
        on.own(*set(HOME.values()))
        on.current(*set(HOME.values()))
        down = on.rails.opened[A]
        for call in ("status", "submit", "collect"):
            down.on[call] = [RailUnavailable("down")] * 10_000
        hanging = on.rails.opened[C]
        for call in ("status", "submit", "collect"):
            hanging.on[call] = [lambda: on.clock.sleep_ms(10**9)] * 10_000
        for number in range(20):
            for name in (A, B, C):
                on.tell(record(batch(number, rail=name)))
        begun_ms = on.clock.ms
        await on.clock.until(lambda: on.states(B) == ["received"] * 20)
        assert on.clock.ms - begun_ms < RETRY.timeout_ms, "nobody has waited for a call of another rail to time out"
        assert on.states(A) == on.states(C) == []
        assert "collect" in on.rails.opened[B].calls
        down.on.clear()
        await on.clock.until(lambda: len(on.states(A)) + len([f for f in on.kept.failed if f.rail == A]) == 20)
        assert on.rails.opened[B].taken.total() == 20

    play(scene)


def test_a_desk_that_trips_is_opened_anew_and_the_others_go_on() -> None:
    async def scene(on: Stage) -> None:
        on.courier.configure({A: rail(A), B: rail(B)})
        on.own(HOME[A], HOME[B])
        on.current(HOME[A], HOME[B])
        real, tripping = on.watching.step, [True]

        def step(name: str, what: str) -> None:
            real(name, what)
            if name == A and what == "after submit" and tripping:
                tripping.pop()
                raise Crash(what)

        on.watching.step = step  # type: ignore[method-assign,assignment]
        on.tell(record(batch(rail=A)))
        on.tell(record(batch(rail=B)))
        await on.clock.until(lambda: on.states(A) == on.states(B) == ["received"])
        assert on.watching.trips == 1
        assert on.rails.opened[A].taken == {batch().batch_id: 1}, "its status was asked first"

    play(scene)


def test_a_changed_record_opens_the_desk_anew() -> None:
    async def scene(on: Stage) -> None:
        on.courier.configure({A: rail(A)})
        on.own(HOME[A])
        on.current(HOME[A])
        assert on.rails.opens == 1
        on.courier.configure({A: rail(A)})
        assert on.rails.opens == 1, "the same again is no news"
        on.rails.opened[A].on["submit"] = [lambda: on.clock.sleep_ms(500)]
        on.tell(record(batch()))
        await on.clock.pass_ms(100)
        on.courier.configure({A: rail(A, retry=Retry())})
        assert on.rails.opens == 2
        await on.clock.until(lambda: on.states(A) == ["received"])
        assert on.rails.opened[A].taken == {batch().batch_id: 1}
        on.courier.configure({})
        assert on.courier.desks == [A], "its batch is open"
        on.tell(record(batch(), "settled", is_final=True))
        assert on.courier.desks == []

    play(scene)


def test_gauges_of_a_desk_that_is_opened_anew_are_those_of_the_new_one() -> None:
    """Its breaker is closed, whatever the last one's was, and stays so while the rail answers."""

    async def scene(on: Stage) -> None:
        watching = CourierMetrics()
        courier = Courier(on.rails, on.kept, on.clock, Path("none"), PARTITIONS, watching, share=nothing_by_chance)
        courier.configure({A: rail(A)})
        courier.own(HOME[A])
        courier.current(HOME[A])
        try:
            assert shown() == {"breaker": 0, "waiting_batches": 0, "followed_batches": 0}
            for call in ("status", "submit", "collect"):
                on.rails.opened[A].on[call] = [RailUnavailable("down")] * 10_000
            courier.take(HOME[A], 0, record(batch()))
            await on.clock.until(lambda: shown()["breaker"] == 2)
            on.rails.opened[A].on.clear()
            courier.configure({A: rail(A, retry=Retry())})
            await on.clock.until(lambda: on.states(A) == ["received"])
            assert shown() == {"breaker": 0, "waiting_batches": 0, "followed_batches": 1}
        finally:
            await courier.close()
        assert shown() == {}

    def shown() -> dict[str, float]:
        samples = [sample for family in REGISTRY.collect() for sample in family.samples if sample.labels == {"rail": A}]
        gauges = {sample.name.removeprefix("walletstream_rail_"): sample.value for sample in samples}
        return {name: value for name, value in gauges.items() if name == "breaker" or name.endswith("_batches")}

    play(scene)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (None, "there is no rail sim among the reference data"),
        ({"adapter": None}, "rail sim has no adapter"),
        ({"adapter": Adapter(kind="telex")}, "rail sim: no adapter of kind 'telex'; there are"),
        ({"adapter": Adapter(kind="scripted", settings={"x": 1})}, "rail sim, adapter.settings: x: Extra inputs"),
        ({"adapter": Adapter(kind="simulated", settings={"seed": "1"})}, "rail sim, adapter.settings: seed: Input"),
    ],
)
def test_a_rail_that_cannot_be_opened_says_why_until_it_is_mended(changes: Any, message: str) -> None:
    async def scene(on: Stage) -> None:
        on.courier.configure({} if changes is None else {A: rail(A, **changes)})
        on.own(HOME[A])
        on.current(HOME[A])
        on.tell(record(batch()))
        await on.clock.until(lambda: bool(on.kept.failed))
        assert message in on.kept.failed[0].message
        assert on.kept.failed[0].may_have_been_sent, "by an earlier record it may"
        on.courier.configure({A: rail(A)})
        await on.clock.until(lambda: on.states(A) == ["received"])

    play(scene)


def test_an_adapter_that_trips_when_it_is_opened_says_so() -> None:
    async def scene(on: Stage) -> None:
        def trip(*_args: Any) -> port.Rail:
            raise ZeroDivisionError

        on.rails._loaded["scripted"] = AdapterKind("scripted", NoSettings, trip)
        on.courier.configure({A: rail(A)})
        on.own(HOME[A])
        on.current(HOME[A])
        on.tell(record(batch()))
        await on.clock.until(lambda: bool(on.kept.failed))
        assert "ZeroDivisionError" in on.kept.failed[0].message

    play(scene)


def test_two_couriers_at_once_pay_once() -> None:
    async def go() -> None:
        first, second = Stage(), Stage()
        second.clock = first.clock
        second.courier._clock = first.clock
        second.rails.opened = first.rails.opened
        for on in (first, second):
            on.courier.configure({A: rail(A)})
            on.own(HOME[A])
            for number in range(10):
                on.tell(record(batch(number)))
            on.current(HOME[A])
        await first.clock.until(lambda: len(first.kept.answers) == len(second.kept.answers) == 10)
        both = {one.answer_id for on in (first, second) for one in on.kept.answers}
        assert len(both) == 10, "the same answers under the same ids"
        await asyncio.gather(first.courier.close(), second.courier.close())

    asyncio.run(go())


def test_records_of_positions_and_alerts_are_passed_over() -> None:
    book = Book()
    alert = AlertRecord(
        alert_id="a", rail=A, code="liquidity", state="open", message="m", recorded_at="2026-11-23T04:50:00.000Z"
    )
    assert book.take(7, alert) is None
    assert book.low_water(9) == 9


def test_the_low_water_is_the_last_record_of_the_oldest_open_batch() -> None:
    book = Book()
    book.take(3, record(batch(1)))
    book.take(4, record(batch(2)))
    book.take(5, record(batch(1), "submitted"))
    assert book.low_water(6) == 4
    assert [one.batch_id for one in book.of_rail("sim")] == [batch(2).batch_id, batch(1).batch_id]
    book.take(6, record(batch(2), "settled", is_final=True))
    assert book.low_water(7) == 5
    book.take(7, record(batch(1), "partially_settled"))
    assert book.low_water(8) == 8
    assert book.rails == set()


def test_folding_from_the_low_water_on_gives_the_same_book() -> None:
    states = ["ready", "submitted", "acknowledged", "settled"]
    log = [record(batch(number), states[turn]) for turn in range(4) for number in range(5) if number % 4 >= turn]  # type: ignore[arg-type]
    whole = Book()
    for offset, told in enumerate(log):
        whole.take(offset, told)
    low = whole.low_water(len(log))
    part = Book()
    for offset, told in enumerate(log[low:], start=low):
        part.take(offset, told)
    assert list(part.of_rail("sim")) == list(whole.of_rail("sim"))
    assert low < len(log)


def test_settings_of_a_kind_that_is_there_twice_are_refused() -> None:
    with pytest.raises(RailMisconfigured, match=r"kind 'simulated' belongs to agents\.settlement"):
        Registry(["agents.settlement.rails.simulated.rail"])
