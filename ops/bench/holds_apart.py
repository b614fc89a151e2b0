"""Measures holds that expire in a process of its own, so that its memory is that of the holds."""

from __future__ import annotations

import asyncio
import sys
from typing import Final

import msgspec

from ops.bench.holds import Holds
from ops.bench.stage import Stage
from ops.errors import OperationError

_SHOWN_BYTES: Final = 2_000
#: Holds of one wallet.
_OF_A_WALLET: Final = 10


async def holds_apart(stage: Stage, holds: int, expiring: int) -> Holds:
    """What ticks and commands take with so many open holds.

    Raises:
        OperationError: the process failed; the message has the end of what it said.
    """
    stage.tell(f"{holds:,} open holds", 0.0)
    wallets = max(1, holds // _OF_A_WALLET)
    arguments = ["--holds", holds, "--wallets", wallets, "--expiring", expiring, "--json"]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "ops.bench.holds", *map(str, arguments)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        output, errors = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    if process.returncode:
        raise OperationError(f"measuring {holds:,} holds failed: {errors.decode()[-_SHOWN_BYTES:]}")
    return msgspec.json.decode(output, type=Holds)
