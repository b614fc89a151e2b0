"""Batches, clocks and rails for tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from agents.settlement.rails.simulated.behaviour import SimulatedSettings
from agents.settlement.rails.simulated.rail import SimulatedRail
from schemas.rail_batches import Direction, RailBatch, RailInstruction

START_MS = 1_795_409_400_000


class SetClock:
    """A clock that stands until it is set."""

    def __init__(self, now_ms: int = START_MS):
        self.ms = now_ms

    def now_ms(self) -> int:
        return self.ms


def batch(
    number: int = 1, count: int = 3, *, rail: str = "sim", direction: Direction = "out", attempt: int = 1
) -> RailBatch:
    """A batch of `count` instructions over 1.00, 2.00, ... euros."""
    batch_id = f"{number:024x}"
    return RailBatch(
        batch_id=batch_id,
        rail=rail,
        asset="EUR",
        direction=direction,
        instructions=tuple(
            RailInstruction(f"{batch_id}-{i}", (f"{number:016x}{i:016x}",), f"DE{i:020}", 100 * (i + 1), f"Payout {i}")
            for i in range(count)
        ),
        execution_date="2026-11-23",
        ready_at="2026-11-23T04:50:00.000Z",
        attempt=attempt,
    )


def simulated(folder: Path, clock: SetClock | None = None, name: str = "sim", **settings: Any) -> SimulatedRail:
    return SimulatedRail(name, SimulatedSettings(**settings), folder, (clock or SetClock()).now_ms)
