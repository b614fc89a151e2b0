"""What the views reflect: positions, and whether they reach far enough for a question about the past."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from sqlalchemy import Connection, select

from agents.views.tables import POSITIONS


class Reflected(NamedTuple):
    """A partition's views reflect all events below `next_offset`; the newest was recorded at `recorded_at_ms`."""

    partition: int
    next_offset: int
    sequence: int
    recorded_at_ms: int
    #: When they were last written, by the clock of the worker.
    applied_at_ms: int


def reflected(connection: Connection, partitions: Iterable[int] | None = None) -> dict[int, Reflected]:
    """By partition; of all or those given, and only those that were ever followed."""
    asked = select(*(POSITIONS.c[name] for name in Reflected._fields)).order_by(POSITIONS.c.partition)
    if partitions is not None:
        asked = asked.where(POSITIONS.c.partition.in_(sorted(partitions)))
    return {row.partition: Reflected(*row) for row in connection.execute(asked)}
