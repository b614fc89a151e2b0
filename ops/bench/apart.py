"""Measures in a process of its own: its memory is then that of what is measured, and nothing else runs in it."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from typing import Final, TypeVar

import msgspec

from ops.errors import OperationError

T = TypeVar("T")

_SHOWN_BYTES: Final = 2_000


async def apart(module: str, arguments: Sequence[object], found: type[T]) -> T:
    """What a module says that is run with these arguments and `--json`, read as `found`.

    Raises:
        OperationError: the process failed; the message has the end of what it said.
    """
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", module, *map(str, arguments), "--json"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        output, errors = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    if process.returncode:
        raise OperationError(f"{module} failed: {errors.decode()[-_SHOWN_BYTES:]}")
    return msgspec.json.decode(output, type=found)
