"""A rail that cannot be opened: every attempt hears why, and nothing else happens."""

from __future__ import annotations

from agents.settlement.rails.port import RailMisconfigured
from schemas.rail_batches import RailAnswer, RailBatch


class Unopened:
    """Stands for a rail until its settings are mended."""

    def __init__(self, name: str, why: RailMisconfigured):
        self.name = name
        self._why = why

    async def submit(self, batch: RailBatch) -> RailAnswer:  # noqa: ARG002 - a `Rail`
        """Say why."""
        raise RailMisconfigured(str(self._why))

    async def status(self, batch_id: str) -> RailAnswer | None:  # noqa: ARG002 - a `Rail`
        """Say why."""
        raise RailMisconfigured(str(self._why))

    async def collect(self) -> tuple[RailAnswer, ...]:
        """Nothing arrives."""
        return ()

    async def acknowledge(self, answer_id: str) -> None:
        """Nothing has arrived."""

    async def close(self) -> None:
        """Nothing is open."""
