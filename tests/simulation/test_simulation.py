"""The commit protocol under faults: seeds of the ledger and of the toy machine, and what makes a run reproducible."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections import Counter

import pytest

from tests.simulation.campaign import Tally, domain_named, replay_command, run_seed
from tests.simulation.faults import STEPS, Kind, Point, plan
from tests.simulation.world import Result, simulate

_AT_ONCE = 30


@pytest.mark.slow
@pytest.mark.parametrize("machine", ["ledger", "toy"])
@pytest.mark.parametrize("first", range(0, 150, _AT_ONCE))
def test_every_promise_holds_under_faults(machine: str, first: int) -> None:
    """Whatever strikes, each input is answered once, money is conserved, state is the fold of the log."""
    failed = [
        f"{replay_command(machine, seed)}: {result.violations[0]}"
        for seed in range(first, first + _AT_ONCE)
        if (result := run_seed(machine, seed)).violations
    ]
    assert not failed, "\n".join(failed)


def test_every_step_is_crashed_and_every_kind_of_fault_planned() -> None:
    struck = Counter[tuple[Point, Kind]]()
    for seed in range(60):
        struck.update(run_seed("toy", seed).struck)
    assert all(struck[step, Kind.CRASH] for step in STEPS)
    planned = {fault.kind for seed in range(200) for fault in plan(random.Random(seed), 9)}
    assert planned == {*Kind}


def _result(seed: int, struck: dict[tuple[Point, Kind], int], violations: list[str]) -> Result:
    return Result(seed, violations, struck, digest="", trace=[], requests=10, virtual_s=1.0)


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


@pytest.mark.parametrize("machine", ["ledger", "toy"])
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
        "print([simulate(domain_named('ledger'), seed).digest for seed in range(6)])"
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
