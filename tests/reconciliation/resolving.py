"""How people decide in the books of tests, and what is looked at afterwards."""

from __future__ import annotations

from typing import Any

from schemas.reconciliation_exceptions import ReconciliationException
from schemas.reconciliation_results import BookSummary, decode_result
from schemas.topics import RECONCILIATION_RESULTS
from tests.reconciliation.fates import wrong_fates
from tests.reconciliation.world import World

EVIDENCE = {"reason_code": "known", "evidence_ref": "mail-7"}


def refusals(world: World) -> list[str | None]:
    return [event.code for event in world.events("decision.refused")]


def propose(world: World, exception: ReconciliationException, **resolution: Any) -> None:
    world.decide("propose", "op:ines", exception, resolution=resolution, **EVIDENCE)


def resolve(world: World, exception: ReconciliationException, **resolution: Any) -> None:
    """One person proposes, another approves; nobody refuses."""
    before = refusals(world)
    propose(world, exception, **resolution)
    number = world.exceptions()[exception.exception_id].proposals
    world.decide("approve", "op:omar", exception, number=number)
    assert refusals(world) == before


def restart_all(world: World) -> None:
    """Every partition's state is the fold of its log."""
    for partition in world.all:
        partition.restart()


def check_fates(world: World) -> None:
    """Every line is in at most one of match and exception of each relation, and those name it."""
    for partition in world.all:
        assert list(wrong_fates(partition.machine._turn(partition.overlay).state)) == []


def summary(world: World) -> BookSummary:
    told = [decode_result(value) for value in world.records(RECONCILIATION_RESULTS)]
    return [each for each in told if isinstance(each, BookSummary) and each.book == "sepa"][-1]


def missing_on_both_sides() -> World:
    """A line of the ledger and one of the partner that share nothing but the amount in sum: both are exceptions."""
    world = World()
    world.settled("w1", 10_000, "R1")
    world.settled("w2", 5_000, "R2")
    world.run()
    world.statement((15_000, "X"))
    world.run()
    world.later(days=9)
    return world


def by_reason(world: World) -> dict[str, list[ReconciliationException]]:
    found: dict[str, list[ReconciliationException]] = {}
    for each in world.open():
        found.setdefault(each.reason, []).append(each)
    return found
