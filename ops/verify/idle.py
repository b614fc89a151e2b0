"""Waiting until the ledger has decided everything: nothing is left in any input behind the last seals."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping

import msgspec

from ops.errors import OperationError
from ops.reading import TopicReader
from ops.verify.chain import decode_seal, is_seal
from schemas.topics import INPUTS, LEDGER_EVENTS

_FIRST_LOOK = 4


async def wait_until_idle(reader: TopicReader, wait_s: float, poll_s: float = 0.25) -> None:
    """Return once nothing waits in any input, twice in a row.

    Raises:
        OperationError: something still waits after `wait_s` seconds; the message says what.
    """
    deadline = time.monotonic() + wait_s
    quiet = 0
    while True:
        waiting = await what_waits(reader)
        quiet = quiet + 1 if not waiting else 0
        if quiet == 2:
            return
        if waiting and time.monotonic() >= deadline:
            listed = ", ".join(f"{place} from offset {offset}" for place, offset in list(waiting.items())[:5])
            raise OperationError(
                f"not idle after {wait_s:.0f} s: the ledger has not decided {listed}; is a worker running and ready "
                "(`walletstream worker ledger`), do requests still arrive, or has a producer left a transaction open?"
            )
        await asyncio.sleep(poll_s)


async def what_waits(reader: TopicReader) -> dict[str, int]:
    """Inputs that hold committed records behind the last seal: `<topic>/<partition>` -> position of the seal.

    Also those on which somebody has a transaction open: what was committed behind its begin nobody sees.
    """
    partitions = await reader.partition_count(LEDGER_EVENTS)
    positions = [await sealed_positions(reader, partition) for partition in range(partitions)]
    waiting: dict[str, int] = {}
    for topic in INPUTS:
        ends = await reader.high_watermarks(topic)
        for partition, (start, end) in (await reader.bounds(topic)).items():
            position = max(start, positions[partition].get(topic, 0))
            is_held_up = end < ends[partition]
            if is_held_up or (position < end and await _has_records(reader, topic, partition, position, end)):
                waiting[f"{topic}/{partition}"] = position
    return waiting


async def sealed_positions(reader: TopicReader, partition: int) -> Mapping[str, int]:
    """How far the last seal of a partition has read each input; empty where there is no seal yet."""
    count = _FIRST_LOOK
    while True:
        records = await reader.last(LEDGER_EVENTS, partition, count)
        for record in reversed(records):
            if record.value is not None and is_seal(record.value):
                try:
                    return {topic: span.to for topic, span in decode_seal(record.value).inputs.items()}
                except msgspec.DecodeError as error:
                    raise OperationError(
                        f"{record.topic}/{partition} offset {record.offset} is no seal: {error}"
                    ) from error
        if len(records) < count:
            return {}
        count *= 8


async def _has_records(reader: TopicReader, topic: str, partition: int, position: int, end: int) -> bool:
    """Whether anything but control records lies from `position` to `end`."""
    stream = reader.stream(topic, partition, position, end)
    try:
        return await stream.next() is not None
    finally:
        await stream.close()
