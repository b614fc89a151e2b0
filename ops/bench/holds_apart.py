"""Measures holds that expire in a process of its own, so that its memory is that of the holds."""

from __future__ import annotations

from typing import Final

from ops.bench.apart import apart
from ops.bench.holds import Holds
from ops.bench.stage import Stage

#: Holds of one wallet.
_OF_A_WALLET: Final = 10


async def holds_apart(stage: Stage, holds: int, expiring: int) -> Holds:
    """What ticks and commands take with so many open holds.

    Raises:
        OperationError: the process failed; the message has the end of what it said.
    """
    stage.tell(f"{holds:,} open holds", 0.0)
    wallets = max(1, holds // _OF_A_WALLET)
    arguments = ["--holds", holds, "--wallets", wallets, "--expiring", expiring]
    return await apart("ops.bench.holds", arguments, Holds)
