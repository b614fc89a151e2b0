"""The simulated rail: what it pays, what it answers, and that its journal is a witness."""

from __future__ import annotations

import asyncio
import multiprocessing
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from agents.settlement.rails.disk import locked
from agents.settlement.rails.port import RailMisconfigured, RailUnavailable, RailUnknown
from agents.settlement.rails.simulated.behaviour import Outage, SimulatedSettings, answers_of, payments_of
from agents.settlement.rails.simulated.journal import FILE_NAME, Acknowledged, Journal, read_totals
from agents.settlement.rails.simulated.rail import DOWN_FILE, SimulatedRail
from schemas.rail_batches import RailAnswer
from tests.settlement.rails.batches import START_MS, SetClock, batch, simulated

LATER_MS = 10_000_000


async def all_answers(rail: SimulatedRail) -> list[RailAnswer]:
    """Collects and acknowledges until nothing is left."""
    found: list[RailAnswer] = []
    while answers := await rail.collect():
        for answer in answers:
            await rail.acknowledge(answer.answer_id)
        found += answers
    return found


def run(work: Any) -> Any:
    return asyncio.run(work)


def test_never_seen_is_no_status(tmp_path: Path) -> None:
    assert run(simulated(tmp_path).status("00")) is None


def test_a_batch_is_paid_once_however_often_it_is_submitted(tmp_path: Path) -> None:
    async def go() -> None:
        clock = SetClock()
        rail, other = simulated(tmp_path, clock), simulated(tmp_path, clock)
        assert (await rail.submit(batch())).state == "received"
        assert (await other.submit(batch(attempt=2))).state == "received"
        clock.ms += LATER_MS
        last = await rail.submit(batch())
        assert (last.state, len(last.instructions)) == ("settled", 3)
        assert await other.status(batch().batch_id) == last

    run(go())
    totals = read_totals(tmp_path)
    assert totals.executed == {batch().batch_id: 1}
    assert totals.repeated == {batch().batch_id: 2}
    assert totals.paid == {one.end_to_end_id: [one.amount_minor] for one in batch().instructions}
    assert totals.paid_minor == 600
    assert totals.paid_twice == []


def test_a_rail_that_is_not_idempotent_is_found_out(tmp_path: Path) -> None:
    async def go() -> None:
        rail = simulated(tmp_path, idempotent=False)
        for _ in range(2):
            await rail.submit(batch())

    run(go())
    totals = read_totals(tmp_path)
    assert totals.executed == {batch().batch_id: 2}
    assert totals.paid_twice == [batch().batch_id, *(one.end_to_end_id for one in batch().instructions)]
    assert totals.paid_minor == 1_200


def test_an_instruction_that_was_paid_in_another_batch_is_refused(tmp_path: Path) -> None:
    async def go() -> RailAnswer | None:
        clock = SetClock()
        rail = simulated(tmp_path, clock)
        await rail.submit(batch(1))
        doubled = batch(2)
        doubled = msgspec.structs.replace(doubled, instructions=batch(1).instructions)
        await rail.submit(doubled)
        clock.ms += LATER_MS
        return await rail.status(doubled.batch_id)

    answer = run(go())
    assert answer.state == "rejected"
    assert {one.code for one in answer.instructions} == {"AM05"}
    assert read_totals(tmp_path).paid_twice == []


def test_a_batch_with_other_instructions_under_a_known_id_is_refused(tmp_path: Path) -> None:
    async def go() -> None:
        rail = simulated(tmp_path)
        await rail.submit(batch(count=3))
        with pytest.raises(RailMisconfigured, match=r"knows batch .* with other instructions"):
            await rail.submit(batch(count=2))

    run(go())
    assert read_totals(tmp_path).paid_minor == 600


def test_answers_come_when_they_are_due_and_until_they_are_acknowledged(tmp_path: Path) -> None:
    async def go() -> None:
        clock = SetClock()
        rail = simulated(tmp_path, clock, answer_min_ms=1_000, answer_max_ms=1_000)
        await rail.submit(batch())
        assert await rail.collect() == []
        clock.ms += 500
        (accepted,) = await rail.collect()
        assert accepted.state == "accepted"
        assert await simulated(tmp_path, clock, answer_min_ms=1_000, answer_max_ms=1_000).collect() == [accepted]
        await rail.acknowledge(accepted.answer_id)
        assert await rail.collect() == []
        clock.ms += 500
        (settled,) = await rail.collect()
        assert settled.state == "settled"
        assert settled.at == "2026-11-23T04:50:01.000Z"
        await rail.acknowledge(settled.answer_id)
        await rail.acknowledge("never heard of")
        assert await rail.collect() == []

    run(go())


def test_what_each_setting_does(tmp_path: Path) -> None:
    async def of(name: str, **settings: Any) -> tuple[list[RailAnswer], Any]:
        clock, folder = SetClock(), tmp_path / name
        rail = simulated(folder, clock, answer_min_ms=1_000, answer_max_ms=1_000, **settings)
        await rail.submit(batch())
        clock.ms += LATER_MS
        return await all_answers(rail), read_totals(folder)

    async def go() -> None:
        answers, totals = await of("fair")
        assert [one.state for one in answers] == ["accepted", "settled"]
        answers, totals = await of("rejected", rejected_bps=10_000)
        assert ([one.state for one in answers], totals.paid_minor) == (["accepted", "rejected"], 0)
        answers, totals = await of("partial", partial_bps=10_000)
        assert [one.state for one in answers] == ["accepted", "partially_settled"]
        assert {one.end_to_end_id: one.settled_minor for one in answers[-1].instructions} == {
            name: amounts[0] for name, amounts in totals.paid.items()
        }
        assert 0 < totals.paid_minor < 600
        answers, totals = await of("fees", fee_minor=7)
        assert [one.fee_minor for one in answers[-1].instructions] == [7, 7, 7]
        answers, totals = await of("split", split_bps=10_000)
        assert [len(one.instructions) for one in answers] == [0, 1, 2]
        answers, totals = await of("repeated", repeated_bps=10_000)
        assert answers[-1].instructions == answers[-2].instructions
        assert answers[-1].answer_id != answers[-2].answer_id
        answers, totals = await of("returned", returned_bps=10_000)
        assert [one.instructions[0].state for one in answers[2:]] == ["returned"] * 3
        answers, totals = await of("contradicted", contradicted_bps=10_000)
        assert [one.instructions[0].state for one in answers[2:]] == ["rejected"] * 3
        answers, totals = await of("silent", silent_bps=10_000)
        assert (answers, totals.paid_minor) == ([], 600)
        answers, totals = await of("late", late_bps=10_000, late_ms=5_000)
        assert answers[-1].at == "2026-11-23T04:50:06.000Z"

    run(go())


def test_a_lost_answer_is_unknown_and_the_batch_is_paid(tmp_path: Path) -> None:
    async def go() -> None:
        rail = simulated(tmp_path, lost_bps=10_000)
        with pytest.raises(RailUnknown):
            await rail.submit(batch())
        status = await rail.status(batch().batch_id)
        assert status is not None
        assert status.state == "received"

    run(go())
    assert read_totals(tmp_path).paid_minor == 600


def test_who_is_turned_away_is_not_paid_and_gets_in_in_the_end(tmp_path: Path) -> None:
    async def go() -> int:
        rail, failures = simulated(tmp_path, turned_away_bps=10_000), 0
        while True:
            try:
                await rail.submit(batch())
            except RailUnavailable:
                failures += 1
                assert await rail.status(batch().batch_id) is None
                assert read_totals(tmp_path).paid_minor == 0
            else:
                return failures

    assert 1 <= run(go()) <= 3
    assert read_totals(tmp_path).executed == {batch().batch_id: 1}


def test_the_status_says_all_that_is_known(tmp_path: Path) -> None:
    async def go() -> None:
        clock = SetClock()
        faults: dict[str, Any] = {"split_bps": 10_000, "returned_bps": 10_000, "silent_bps": 10_000}
        rail = simulated(tmp_path, clock, answer_min_ms=1_000, answer_max_ms=1_000, **faults)
        await rail.submit(batch())
        told = {}
        for at_ms in (0, 500, 750, 1_000, LATER_MS):
            clock.ms = START_MS + at_ms
            status = await rail.status(batch().batch_id)
            assert status is not None
            told[at_ms] = (status.state, len(status.instructions))
        assert told == {
            0: ("received", 0),
            500: ("accepted", 0),
            750: ("partially_settled", 1),
            1_000: ("settled", 3),
            LATER_MS: ("settled", 3),
        }
        assert await rail.collect() == []

    run(go())


def test_outages_by_time_and_by_file(tmp_path: Path) -> None:
    async def go() -> None:
        clock = SetClock()
        rail = simulated(tmp_path, clock, outages=(Outage(from_ms=START_MS, to_ms=START_MS + 10),))
        for call in (rail.submit(batch()), rail.status("x"), rail.collect(), rail.acknowledge("x")):
            with pytest.raises(RailUnavailable, match="rail sim is down"):
                await call
        clock.ms += 10
        await rail.submit(batch())
        (tmp_path / DOWN_FILE).touch()
        with pytest.raises(RailUnavailable):
            await rail.collect()

    run(go())


def test_a_lock_that_somebody_keeps_is_not_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with locked(path), pytest.raises(RailUnavailable, match="another process has held"), locked(path, timeout_s=0.02):
        pass
    with locked(path, timeout_s=0):
        pass


@pytest.mark.parametrize("torn", [b"{", b'{"kind":"acknowledged","at_ms":1,"answer_id":"x"}', b'{"kind":"taken","at_'])
def test_a_line_that_was_cut_off_never_happened(tmp_path: Path, torn: bytes) -> None:
    journal = Journal(tmp_path)
    with journal.held():
        journal.append([Acknowledged(at_ms=1, answer_id="a")])
    path = tmp_path / FILE_NAME
    whole = path.read_bytes()
    path.write_bytes(whole + torn)
    assert read_totals(tmp_path).acknowledged == {"a"}
    for one in (journal, Journal(tmp_path)):
        with one.held() as totals:
            assert totals.acknowledged == {"a"}
    assert path.read_bytes() == whole
    with journal.held():
        journal.append([Acknowledged(at_ms=1, answer_id="b")])
    assert read_totals(tmp_path).acknowledged == {"a", "b"}


def _submit_all(folder: str, numbers: list[int]) -> None:
    async def go() -> None:
        rail = simulated(Path(folder))
        await asyncio.gather(*(rail.submit(batch(number)) for number in numbers))

    asyncio.run(go())


@pytest.mark.slow
def test_processes_that_submit_the_same_batches_at_once_pay_each_once(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    numbers = list(range(20))
    processes = [context.Process(target=_submit_all, args=(str(tmp_path), order)) for order in (numbers, numbers[::-1])]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0, 0]
    totals = read_totals(tmp_path)
    assert set(totals.executed.values()) == {1}
    assert len(totals.executed) == 20
    assert totals.repeated.total() == 20
    assert totals.paid_twice == []


@given(
    st.builds(
        SimulatedSettings,
        seed=st.integers(0, 1_000),
        rejected_bps=st.sampled_from([0, 3_000, 10_000]),
        partial_bps=st.sampled_from([0, 3_000]),
        split_bps=st.sampled_from([0, 10_000]),
        repeated_bps=st.sampled_from([0, 10_000]),
        returned_bps=st.sampled_from([0, 3_000]),
        contradicted_bps=st.sampled_from([0, 3_000]),
    ),
    st.integers(1, 6),
)
def test_what_it_says_first_of_an_instruction_is_what_it_paid(settings: SimulatedSettings, count: int) -> None:
    one = batch(count=count)
    payments = payments_of(settings, one, ())
    answers = answers_of(settings, one, payments, START_MS)
    assert answers == answers_of(settings, one, payments, START_MS)
    assert len({answer.answer.answer_id for answer in answers}) == len(answers)
    first: dict[str, int] = {}
    for answer in answers:
        for fact in answer.answer.instructions:
            first.setdefault(fact.end_to_end_id, fact.settled_minor or 0 if fact.state == "settled" else 0)
    assert first == {payment.end_to_end_id: payment.amount_minor for payment in payments}
    asked = {instruction.end_to_end_id: instruction.amount_minor for instruction in one.instructions}
    assert all(0 <= paid <= asked[name] for name, paid in first.items())


@pytest.mark.parametrize(
    "settings", [{"rejected_bps": 10_001}, {"answer_min_ms": 9, "answer_max_ms": 8}, {"colour": 1}, {"seed": "1"}]
)
def test_settings_that_cannot_be(settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        SimulatedSettings(**settings)
