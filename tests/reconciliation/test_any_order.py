"""What comes out is a function of the lines: not of order, batches, restarts, nor of how much fits at once."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from agents.reconciliation.turn import Limits
from schemas.clock import rfc3339
from schemas.reconciliation_lines import BookLine
from tests.reconciliation.records import statement_records
from tests.reconciliation.resolving import check_fates, propose, restart_all
from tests.reconciliation.world import World


def named(line: BookLine) -> tuple[str, int, str]:
    """What a line says, whatever its id, which follows from when it came."""
    return line.side, line.amount_minor, line.references.get("provider_reference", "")


def outcome(world: World) -> tuple[list[Any], list[Any]]:
    """Open exceptions and matches by what their lines say."""
    exceptions = [(each.relation, each.reason, sorted(map(named, each.lines))) for each in world.open()]
    matches = []
    for partition in world.all:
        state = partition.machine._turn(partition.overlay).state
        for _, match in state.matches.scan():
            found = [state.find_line(match.book, line_id) for line_id in (*match.left_ids, *match.right_ids)]
            matches.append((match.relation, match.pass_name, sorted(named(held.line) for held in found if held)))
    return sorted(exceptions), sorted(matches)


def drawn(rng: random.Random) -> list[Callable[[World], object]]:
    """Movements of the ledger, and statements of a partner and a bank that fit them by chance."""

    def settle(number: int, minor: int, reference: str) -> Callable[[World], object]:
        return lambda world: world.settled(f"w{number}", minor, reference)

    def state(side: str, *lines: tuple[int, str]) -> Callable[[World], object]:
        return lambda world: world.statement(*lines, side=side)

    steps = [
        settle(number, rng.choice([100, 200, 300, -100]), f"R{rng.randrange(8)}")
        for number in range(rng.randint(3, 14))
    ]
    for _ in range(rng.randint(1, 5)):
        lines = [
            (rng.choice([100, 200, 300, -100, 500]), rng.choice(["", f"R{rng.randrange(8)}"]))
            for _ in range(rng.randint(1, 5))
        ]
        steps.append(state(rng.choice(["partner", "bank"]), *lines))
    return steps


@pytest.mark.parametrize("seed", range(30))
def test_the_outcome_is_the_same_in_any_order_and_any_portions(seed: int) -> None:
    rng = random.Random(seed)
    steps = drawn(rng)
    outcomes = []
    for order in (steps, rng.sample(steps, len(steps))):
        world = World(limits=Limits(changes_at_once=rng.choice([1, 5_000])))
        for step in order:
            step(world)
            if rng.random() < 0.6:
                world.run(rng)
        world.run(rng)
        world.later(seconds=61)
        world.later(days=1)
        check_fates(world)
        restart_all(world)
        outcomes.append(outcome(world))
    assert outcomes[0] == outcomes[1]


def test_what_is_there_twice_stays_so_after_its_twin_is_not_kept_any_more() -> None:
    world = World()
    world.settled("w1", 10_000, "R1")
    world.run()
    world.statement((10_000, "R1"), (10_000, "R1"))
    world.run()
    (twice,) = world.open()
    assert twice.reason == "duplicate"
    for _ in range(14):
        world.later(days=1)
    assert world.events("lines.archived")
    (still,) = world.open()
    assert (still.exception_id, still.reason) == (twice.exception_id, "duplicate")


def reported(world: World, minor: int, day: str = "", *, reversal: bool = False, **references: str) -> None:
    """The partner reports one line, of today unless a day is given."""
    world.files += 1
    day = day or rfc3339(world.now_ms)[:10]
    records = statement_records(world.files, ((minor, ""),), "partner", "sepa", day)
    records[0] |= {"reversal": reversal, "references": references}
    for record in records:
        world.external(record)
    world.run()


def takes_back(world: World, minor: int, reference: str) -> None:
    """The partner's report has a line that takes an earlier one back."""
    reported(world, minor, reversal=True, provider_reference=reference)


@pytest.mark.parametrize("times", [1, 2])
def test_what_a_reversal_takes_back_is_known_after_it_is_not_kept_any_more(times: int) -> None:
    world = World()
    world.settled("w1", 10_000, "R1")
    if times == 2:
        returned = {"type": "transaction.returned", "transaction_id": "7" * 32}
        world.settled("w1", -10_000, "R1", **returned)
    world.run()
    world.statement((10_000, "R1"))
    for _ in range(times):
        takes_back(world, -10_000, "R1")
    world.later(days=3)
    (before,) = world.open()
    assert before.reason == ("missing_left" if times == 1 else "duplicate")
    propose(world, before, kind="no_posting")
    for _ in range(12):
        world.later(days=1)
    assert world.events("lines.archived")
    (still,) = world.open()
    assert (still.exception_id, still.reason, still.state) == (before.exception_id, before.reason, "proposed")


def test_a_reversal_that_came_before_what_it_takes_back_is_linked_once_that_is_there() -> None:
    world = World()
    takes_back(world, -10_000, "R1")
    world.later(days=3)
    (alone,) = world.open()
    assert alone.reason == "unlinked_reversal"
    world.settled("w1", 10_000, "R1")
    world.statement((10_000, "R1"))
    world.later(days=1)
    (linked,) = world.open()
    assert (linked.exception_id, linked.reason) == (alone.exception_id, "missing_left")


@pytest.mark.parametrize("is_first", [False, True])
def test_a_part_whose_whole_belongs_to_another_is_no_part_any_more(is_first: bool) -> None:
    """What it is told to be while its whole is expected is forgotten with it."""
    world = World()
    facts = {"rail_reference": "R1", "batch_id": "B", "value_date": "2026-11-17"}
    world.settled("w1", 100, "", rail_facts=facts)
    world.run()

    def whole() -> None:
        reported(world, 500, provider_reference="R2", batch_id="B")
        world.later(seconds=61)

    if not is_first:
        whole()
        assert [each.reason for each in world.open()] == ["split_incomplete"]
    world.settled("w2", 500, "R2")
    world.later(seconds=61)
    if is_first:
        whole()
    assert [each.reason for each in world.open()] == ["missing_right"]


@pytest.mark.parametrize("is_first", [False, True])
def test_what_is_there_twice_is_so_only_while_its_twin_is_matched(is_first: bool) -> None:
    world = World()
    transaction_id = "5" * 32
    world.settled("w1", 100, "R1", transaction_id=transaction_id)
    world.run()
    if is_first:
        reported(world, 100, provider_reference="R1")
    for _ in range(2):
        reported(world, 100, "2026-11-17", transaction_id=transaction_id)
    if not is_first:
        assert [each.reason for each in world.open()] == ["duplicate"]
        reported(world, 100, provider_reference="R1")
    world.later(days=1)
    assert [each.reason for each in world.open()] == ["missing_left", "missing_left"]
