"""The three roles of a namespace, told and asked as anybody may tell and ask them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from pathlib import Path
from typing import Final, TypeVar

import orjson
from aiokafka import AIOKafkaProducer

from agents.reconciliation.own_lines import read_ledger_event
from agents.settlement.rails.simulated.journal import Totals, read_totals
from agents.settlement.rails.simulated.rail import DOWN_FILE
from agents.statements.reading import Reading
from ops.demo.day.placing import Line
from ops.demo.day.script import Command
from ops.errors import OperationError
from ops.reading import TopicReader
from ops.reconcile.importing import Imported, import_files
from schemas.events import LedgerEvent, decode_event
from schemas.external_statements import ExternalLine, decode_external
from schemas.partitioning import partition_of
from schemas.settlement_events import SettlementEvent, decode_settlement_event
from schemas.topics import EXTERNAL_STATEMENTS, LEDGER_EVENTS, SETTLEMENT_EVENTS, full_name
from streams.connection import client_arguments
from streams.seal import is_seal
from streams.settings import Settings

T = TypeVar("T")
_LOOK_EVERY_S: Final = 0.2
_PATIENCE_S: Final = 90.0


class Roles:
    """Writes to the roles of a namespace, and reads what they say; `check` raises where a worker has ended."""

    def __init__(self, reader: TopicReader, settings: Settings, check: Callable[[], None]):
        self.reader = reader
        self._settings = settings
        self._check = check

    async def send(self, commands: Iterable[Command]) -> None:
        """Write commands in their order, each to the partition of its key."""
        reader = self.reader
        producer = AIOKafkaProducer(**client_arguments(reader.brokers), acks="all")
        await producer.start()
        try:
            for topic, key, command in commands:
                partition = partition_of(key, await reader.partition_count(topic))
                name = full_name(reader.namespace, topic)
                await producer.send(name, orjson.dumps(command), key=key.encode(), partition=partition)
        finally:
            await producer.stop()

    async def until(self, what: str, look: Callable[[], Awaitable[T | None]]) -> T:
        """What `look` finds, once it finds something.

        Raises:
            OperationError: not within a minute and a half, or a worker has ended.
        """
        deadline = time.monotonic() + _PATIENCE_S
        while True:
            found = await look()
            if found is not None:
                return found
            self._check()
            if time.monotonic() > deadline:
                raise OperationError(f"the day stopped: {what} did not come within {_PATIENCE_S:.0f} s")
            await asyncio.sleep(_LOOK_EVERY_S)

    async def ledger_events(self) -> list[LedgerEvent]:
        """All events of the ledger."""
        return [decode_event(value) for _, value in await self._values(LEDGER_EVENTS)]

    async def settlement_events(self) -> list[SettlementEvent]:
        """All events of the settlement role."""
        return [decode_settlement_event(value) for _, value in await self._values(SETTLEMENT_EVENTS)]

    async def lines(self, books: Sequence[str]) -> dict[str, list[Line]]:
        """Book -> its lines: what the ledger has posted on the rail, and what statements say."""
        found: dict[str, list[Line]] = {book: [] for book in books}
        for partition, value in await self._values(LEDGER_EVENTS):
            facts = read_ledger_event(value, partition)
            for rail, lines in ({} if facts is None else facts.lines).items():
                own = [Line(one.line_id, one.side, one.amount_minor, one.transaction_id) for one in lines]
                found.setdefault(rail, []).extend(own)
        for _, value in await self._values(EXTERNAL_STATEMENTS):
            record = decode_external(value)
            if isinstance(record, ExternalLine):
                found[record.account].append(Line(record.line_id, record.side, record.amount_minor))
        return {book: found[book] for book in books}

    async def _values(self, topic: str) -> list[tuple[int, bytes]]:
        """(partition, value) of every record but seals."""
        found = []
        async for records in self.reader.read(topic):
            found += [(each.partition, each.value) for each in records if each.value and not is_seal(each.value)]
        return found

    async def import_file(self, path: Path, reading: Reading) -> Imported:
        """Import a file.

        Raises:
            OperationError: it was refused; the message says why.
        """
        (imported,) = [one async for one in import_files(self.reader, [path], reading, self._settings.data_dir)]
        if imported.decision.refusal is not None:
            raise OperationError(f"{path.name} was refused: {imported.decision.refusal.detail}")
        return imported

    # ---- the simulated rails ---------------------------------------------------------------------------

    def set_down(self, rail: str, *, is_down: bool) -> None:
        """Take a simulated rail down, or let it come back."""
        file = self._rail_folder(rail) / DOWN_FILE
        if is_down:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.touch()
        else:
            file.unlink()

    def journal_of(self, rail: str) -> Totals:
        """What a simulated rail has paid, by its own journal."""
        return read_totals(self._rail_folder(rail))

    def _rail_folder(self, rail: str) -> Path:
        return (self._settings.rails_dir or self._settings.data_dir / "rails") / rail
