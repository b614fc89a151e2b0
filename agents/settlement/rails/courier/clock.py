"""The worker's clock, for the courier."""

from __future__ import annotations

import asyncio
import time


class WallClock:
    """Time as it passes."""

    def now_ms(self) -> int:
        """Unix milliseconds."""
        return time.time_ns() // 1_000_000

    async def sleep_ms(self, pause_ms: int) -> None:
        """Return after `pause_ms` milliseconds."""
        await asyncio.sleep(pause_ms / 1000)
