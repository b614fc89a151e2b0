"""The commit protocol under faults: seeds of all machines; a run is reproducible."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections import Counter

import pytest

from tests.simulation.campaign import ERRORS_OF_10_000, Tally, domain_named, replay_command, run_seed
from tests.simulation.error_classes import as_the_ports_raise
from tests.simulation.faults import ERRORS, STEPS, Kind, Planned, Point, plan
from tests.simulation.world import Profile, Result, simulate

_AT_ONCE = 30
_SEEDS = [("ledger", first) for first in range(0, 300, _AT_ONCE)] + [("toy", first) for first in range(0, 60, _AT_ONCE)]
_SEEDS += [(role, first) for role in ("fraud", "settlement") for first in range(0, 90, _AT_ONCE)]
_SEEDS += [("reconciliation", 0)]


@pytest.mark.slow
@pytest.mark.parametrize(("machine", "first"), _SEEDS)
def test_every_promise_holds_under_faults(machine: str, first: int) -> None:
    """Whatever strikes, each input is answered once, money is conserved, state is the fold of the log."""
    failed = [
        f"{replay_command(machine, seed)}: {result.violations[0]}"
        for seed in range(first, first + _AT_ONCE)
        if (result := run_seed(machine, seed)).violations
    ]
    assert not failed, "\n".join(failed)


@pytest.mark.parametrize("seed", [52_223, 52_704])
def test_funds_that_the_broker_did_not_take_are_a_dead_letter_and_count_for_nothing(seed: int) -> None:
    """An operator's command that is struck by an error of its record's size."""
    assert run_seed("settlement", seed).violations == []


def test_every_step_is_crashed_and_every_kind_of_fault_planned() -> None:
    struck = Counter[tuple[Point, Kind]]()
    for seed in range(60):
        struck.update(run_seed("toy", seed).struck)
    assert all(struck[step, Kind.CRASH] for step in STEPS)
    planned = {fault.kind for seed in range(500) for fault in plan(random.Random(seed), 9)}
    assert planned == {*Kind}


def test_a_campaign_plans_every_error_at_every_step_many_times() -> None:
    planned = Counter(
        (fault.point, fault.error)
        for seed in range(10_000)
        for fault in plan(random.Random(f"ledger/{seed}"), 9)
        if fault.kind in ERRORS.get((fault.point, fault.error), ())
    )
    assert {cell for cell in ERRORS if planned[cell] < 2 * ERRORS_OF_10_000} == set()


@pytest.mark.slow
@pytest.mark.parametrize("step", STEPS)
def test_an_error_of_any_class_at_any_step_harms_nothing(step: Point) -> None:
    """Each class that a step can raise, in each way in which it is raised there, as the real writer maps it."""
    missed = {(error, kind) for (at, error), kinds in ERRORS.items() if at is step for kind in kinds}
    violated = []
    for error, kind in sorted(missed):
        profile = Profile(most_faults=0, planned=tuple(Planned(step, nth, kind, error) for nth in (4, 9)))
        for seed in range(6):
            result = simulate(domain_named("ledger"), seed, profile)
            violated += [f"{error}, {kind}, seed {seed}: {violation}" for violation in result.violations]
            if result.raised.get((step, error)) and _is_told(error, result.trace):
                missed.discard((error, kind))
                break
    assert not violated, "\n".join(violated)
    assert missed == set()


def _is_told(error: str, trace: list[str]) -> bool:
    """True where a processor failed with the error, or was cancelled by it, as its port raises it."""
    told = f": {as_the_ports_raise(error).__name__}("
    return error == "CancelledError" or any(" failed " in line and told in line for line in trace)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("point", "kind"),
    [
        (Point.DELIVER, Kind.SEEK_STALE),
        (Point.DELIVER, Kind.REPEATED),
        (Point.CLOSE, Kind.CLOSE_SLOW),
        (Point.CLOSE, Kind.CANCEL),
        (Point.CLOSE, Kind.ERROR),
        (Point.STOP, Kind.ERROR),
        (Point.STOP, Kind.STOP_HANGS),
        (Point.STOP, Kind.CANCEL),
        (Point.SEEK, Kind.SEEK_SLOW),
    ],
)
def test_what_goes_wrong_around_a_restore_harms_nothing(point: Point, kind: Kind) -> None:
    """A stale seek, a reader or a producer that does not close, one after the other in the same run."""
    struck = 0
    for seed in range(20):
        profile = Profile(
            most_faults=0,
            planned=(
                *(Planned(point, 4 * n + 2, kind) for n in range(3)),
                *(Planned(Point.COMMIT, 5 * n + 3, Kind.REPLY_ERROR) for n in range(6)),
            ),
        )
        result = simulate(domain_named("ledger"), seed, profile)
        assert result.violations == [], f"seed {seed}"
        struck += result.struck.get((point, kind), 0)
    assert struck >= 20


def _result(seed: int, struck: dict[tuple[Point, Kind], int], violations: list[str]) -> Result:
    return Result(seed, violations, struck, digest="", trace=[], requests=10, virtual_s=1.0, raised={})


def test_a_campaign_fails_where_a_step_was_not_crashed_often_enough() -> None:
    tally = Tally(20)
    for seed in range(20):
        tally.add(_result(seed, {(step, Kind.CRASH): 1 for step in STEPS if step is not Point.COMMIT}, []))
    assert tally.missed() == [Point.COMMIT]
    tally.add(_result(20, {(Point.COMMIT, Kind.CRASH): 1}, ["a hole"]))
    assert tally.missed() == []
    assert [result.seed for result in tally.failed] == [20]
    assert "1 failed" in tally.progress()
    assert "4 commit                  1" in tally.summary()


def test_a_campaign_fails_where_an_error_was_not_raised_often_enough() -> None:
    tally = Tally(10_000)
    tally.done = 10_000
    tally.struck.update({(step, Kind.CRASH): 500 for step in STEPS})
    tally.raised.update(dict.fromkeys(ERRORS, ERRORS_OF_10_000))
    assert tally.missed() == []
    tally.raised[Point.COMMIT, "ProducerFenced"] -= 1
    assert tally.missed() == ["4 commit ProducerFenced"]
    row = next(line for line in tally.summary().splitlines() if line.startswith("ProducerFenced"))
    assert row.split()[1:] == ["-", "-", "36", "35", "-", "-"]


@pytest.mark.parametrize("machine", ["ledger", "toy", "fraud", "settlement", "reconciliation"])
def test_the_same_seed_is_the_same_run(machine: str) -> None:
    first, again = (simulate(domain_named(machine), 7) for _ in range(2))
    assert first.digest == again.digest
    assert first.trace == again.trace
    assert first.digest != simulate(domain_named(machine), 8).digest


def test_a_run_does_not_depend_on_the_process_it_runs_in() -> None:
    """Hash seeds differ from process to process; sets must not decide anything."""
    script = (
        "from tests.simulation.campaign import domain_named\n"
        "from tests.simulation.world import simulate\n"
        "print([simulate(domain_named('ledger'), seed).digest for seed in range(12)])"
    )
    digests = {
        subprocess.run(
            [sys.executable, "-c", script],
            env={**os.environ, "PYTHONHASHSEED": seed},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(digests) == 1
