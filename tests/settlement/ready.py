"""Batches that are ready to go, for tests of what becomes of them."""

from __future__ import annotations

from typing import Any

from schemas.rail_batches import RailBatch
from tests.settlement.world import SEPA, World

RETRY = {"first_ms": 1_000, "longest_ms": 8_000, "breaker_failures": 3, "breaker_open_ms": 20_000}


def ready(*amounts_minor: int, count: int = 1, **terms: Any) -> tuple[World, list[RailBatch]]:
    """A world with so many batches ready, each of these payouts."""
    world = World(
        {**SEPA, "batches": {"max_transactions": len(amounts_minor), "max_age_s": 60}, "retry": RETRY, **terms}
    )
    world.open_wallet("w1", 10_000)
    world.fund(10_000)
    world.run()
    for _ in range(count):
        for minor in amounts_minor:
            world.payout("w1", minor)
            world.run()
    return world, world.to_send()
