"""The ledger's own history as a table for a backtest: one row for each fact that rules see on the stream.

Rows name the partition and offset of their event, so that a backtest finds the alerts of the stream, with the same ids.
"""

from __future__ import annotations

import csv
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Final, NamedTuple

from agents.fraud.facts import Recorded, fact_of
from ops.consuming import Record, Stream
from ops.errors import OperationError
from ops.reading import TopicReader
from schemas.events import WALLET_OPENED
from schemas.facts import ANOMALY_SCORE, FACT_FIELDS, FactValue
from schemas.topics import LEDGER_EVENTS

#: Not in the table: no field but a key; what follows from the time; what is learned of the rows themselves.
_LEFT_OUT: Final = frozenset({"party_id", "hour", "weekday", ANOMALY_SCORE})
_FIELDS: Final = tuple(name for name in FACT_FIELDS if name not in _LEFT_OUT)
_SOURCE: Final = ("source_partition", "source_offset")
_TIME: Final = "time_ms"
COLUMNS: Final = (*_SOURCE, _TIME, *_FIELDS)
#: Field -> column, as `fraud backtest --mapping` takes it.
MAPPING: Final[dict[str, Any]] = {
    "time": {"column": _TIME, "unit": "ms"},
    **{name: name for name in (*_SOURCE, *_FIELDS)},
}


class Placed(NamedTuple):
    """A fact, and the place of its event in `ledger-events`."""

    partition: int
    offset: int
    recorded: Recorded


class Written(NamedTuple):
    """What was written."""

    table: Path
    mapping: Path
    rows: int


class FactMaker:
    """Makes facts of the ledger events of one partition, in order, as the role does."""

    def __init__(self, partition: int, lateness_ms: int):
        self._partition = partition
        self._lateness_ms = lateness_ms
        #: Wallet -> when it was opened, in ms.
        self._opened_ms: dict[str, int] = {}

    def take(self, offset: int, value: bytes) -> Placed | None:
        """The fact of an event; None where it is none, or no first one of its transaction.

        Raises:
            msgspec.MsgspecError: it is no event of the ledger.
        """
        recorded = fact_of(value, self._lateness_ms)
        if recorded is None:
            return None
        fact = recorded.fact
        wallet_id = str(fact["wallet_id"])
        opened_ms = self._opened_ms.get(wallet_id)
        if opened_ms is not None:
            fact["wallet_age_s"] = max(0, recorded.t_ms - opened_ms) // 1000
        if fact["type"] == WALLET_OPENED:
            self._opened_ms[wallet_id] = recorded.recorded_at_ms
        return Placed(self._partition, offset, recorded) if recorded.is_first else None


async def write_history(reader: TopicReader, folder: Path, lateness_ms: int) -> Written:
    """Write `history.csv` and `mapping.json` into a folder, which is made if need be.

    Raises:
        OperationError: the topic cannot be read, or the folder not written.
    """
    table, mapping, rows = folder / "history.csv", folder / "mapping.json", 0
    try:
        with _written(table, mapping) as file:
            writer = csv.writer(file)
            writer.writerow(COLUMNS)
            async for placed in history(reader, lateness_ms):
                writer.writerow(_cells(placed))
                rows += 1
    except OSError as error:
        raise OperationError(f"{error.filename or folder} cannot be written: {error.strerror}") from None
    return Written(table, mapping, rows)


@contextmanager
def _written(table: Path, mapping: Path) -> Iterator[IO[str]]:
    """A file that becomes the table once all is written: what stood there before is worth more than a part."""
    table.parent.mkdir(parents=True, exist_ok=True)
    part = table.with_name(f"{table.name}.part")
    try:
        with part.open("w", encoding="utf-8", newline="") as file:
            yield file
        mapping.write_text(json.dumps(MAPPING, indent=2) + "\n", encoding="utf-8")
        part.replace(table)
    finally:
        part.unlink(missing_ok=True)


async def history(reader: TopicReader, lateness_ms: int) -> AsyncIterator[Placed]:
    """All facts, about in the order in which the ledger recorded them.

    Raises:
        OperationError: the topic is missing or cannot be read.
    """
    bounds = await reader.whole_bounds(LEDGER_EVENTS)
    heads: list[_Facts] = []
    for partition, (start, end) in bounds.items():
        facts = _Facts(reader.stream(LEDGER_EVENTS, partition, start, end), FactMaker(partition, lateness_ms))
        if await facts.go_on():
            heads.append(facts)
    while heads:
        first = min(heads, key=lambda each: each.head.recorded.recorded_at_ms)
        yield first.head
        if not await first.go_on():
            heads.remove(first)


class _Facts:
    """The facts of one partition, one at a time."""

    head: Placed

    def __init__(self, stream: Stream, maker: FactMaker):
        self._stream = stream
        self._maker = maker
        self._ahead: list[Record] = []

    async def go_on(self) -> bool:
        """Make the next fact the head; False where there is none."""
        while True:
            while self._ahead:
                record = self._ahead.pop()
                placed = self._maker.take(record.offset, record.value or b"")
                if placed is not None:
                    self.head = placed
                    return True
            records = await self._stream.next()
            if records is None:
                await self._stream.close()
                return False
            self._ahead = records[::-1]


def _cells(placed: Placed) -> list[FactValue]:
    fact = placed.recorded.fact
    return [placed.partition, placed.offset, placed.recorded.t_ms, *(fact.get(name, "") for name in _FIELDS)]
