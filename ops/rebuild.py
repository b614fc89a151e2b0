"""Makes the views anew from the event log, here and now, also under workers that follow it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Final, NamedTuple

from agents.views.chunk import Chunk, LogGap, Unreadable
from agents.views.database import ViewsError
from agents.views.store import ViewStore
from ops.errors import OperationError
from ops.reading import OnProgress, TopicReader
from schemas.topics import LEDGER_EVENTS, full_name

_CHUNK_RECORDS: Final = 5_000


class Rebuilt(NamedTuple):
    """What a rebuild did."""

    partitions: int
    #: Records that it applied itself; what a worker applied meanwhile is not among them.
    records: int
    seconds: float


async def rebuild(reader: TopicReader, store: ViewStore, on_progress: OnProgress) -> Rebuilt:
    """Drop the views and fold the event log again, up to its ends as they are now.

    Workers may go on: their next write fails, they read their position anew, and whoever is first applies a chunk.

    Raises:
        OperationError: the log has lost its beginning or cannot be read, or the database does not answer.
    """
    bounds = await reader.bounds(LEDGER_EVENTS)
    topic = full_name(reader.namespace, LEDGER_EVENTS)
    for partition, (start, _) in bounds.items():
        if start:
            raise OperationError(
                f"{topic}/{partition} begins at offset {start}: its first events were deleted, so the views cannot be "
                "made from it, and are left as they are; restore the topic from a backup"
            )
    began, done, total, records = time.perf_counter(), 0, sum(end for _, end in bounds.values()), 0
    try:
        await asyncio.to_thread(store.reset)
        for partition, (_, end) in bounds.items():
            async for chunk in _chunks(reader, partition, end):
                records += (await asyncio.to_thread(store.apply, chunk)).records
                on_progress(done + chunk.end, total)
            done += end
    except LogGap as gap:
        raise OperationError(
            f"somebody else rebuilds these views at the same time, or the log has a hole: {gap}"
        ) from gap
    except (ViewsError, Unreadable) as error:
        raise OperationError(str(error)) from error
    return Rebuilt(len(bounds), records, time.perf_counter() - began)


async def _chunks(reader: TopicReader, partition: int, end: int) -> AsyncIterator[Chunk]:
    """The whole log of a partition, in chunks as large as those of a worker."""
    stream = reader.stream(LEDGER_EVENTS, partition, 0, end)
    try:
        start, waiting = 0, list[tuple[int, bytes]]()
        while (records := await stream.next()) is not None:
            waiting += [(record.offset, record.value or b"") for record in records]
            if len(waiting) >= _CHUNK_RECORDS:
                yield Chunk(partition, start, waiting[-1][0] + 1, waiting)
                start, waiting = waiting[-1][0] + 1, []
        if end > start:
            yield Chunk(partition, start, end, waiting)
    finally:
        await stream.close()
