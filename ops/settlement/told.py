"""The topic of batches: the last word on each batch, position and alert."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import msgspec

from agents.settlement.terms import reserve_minor
from ops.errors import OperationError
from ops.reading import TopicReader
from schemas.rail_batches import RailInstruction
from schemas.rails import Rail
from schemas.settlement_batches import (
    AlertRecord,
    BatchRecord,
    PositionRecord,
    SettlementRecord,
    decode_settlement_record,
)
from schemas.topics import SETTLEMENT_BATCHES


@dataclass(slots=True)
class Told:
    """What was told last."""

    #: By id, in the order in which they were opened.
    batches: dict[str, BatchRecord] = field(default_factory=dict)
    #: Batch id -> its instructions, once they were fixed.
    instructions: dict[str, tuple[RailInstruction, ...]] = field(default_factory=dict)
    #: By rail and asset.
    positions: dict[tuple[str, str], PositionRecord] = field(default_factory=dict)
    #: By id, the open ones.
    alerts: dict[str, AlertRecord] = field(default_factory=dict)

    def take(self, record: SettlementRecord) -> None:
        """Take the next record of a partition."""
        if isinstance(record, BatchRecord):
            self.batches[record.batch_id] = record
            if record.to_send is not None:
                self.instructions[record.batch_id] = record.to_send.instructions
        elif isinstance(record, PositionRecord):
            self.positions[record.rail, record.asset] = record
        elif record.state == "open":
            self.alerts[record.alert_id] = record
        else:
            self.alerts.pop(record.alert_id, None)

    def batch(self, given: str) -> BatchRecord:
        """The batch of an id, or of its beginning.

        Raises:
            OperationError: there is none, or several begin so.
        """
        found = [batch for batch_id, batch in self.batches.items() if given and batch_id.startswith(given)]
        if len(found) == 1:
            return found[0]
        why = "no batch" if not found else f"{len(found)} batches"
        raise OperationError(f"{why} whose id begins with {given!r}; `walletstream settlement batches` lists them")


def by_terms(position: PositionRecord, rail: Rail | None) -> PositionRecord:
    """A position by the rail's record of now, by which the next payout is decided; it was told by that of then."""
    if rail is None:
        return position
    minimum_minor = reserve_minor(rail, position.asset)
    return msgspec.structs.replace(
        position,
        prefunded=rail.prefunded,
        minimum_reserve_minor=minimum_minor,
        free_minor=position.funded_minor - position.committed_minor - minimum_minor,
    )


def told_by(records: Iterable[SettlementRecord]) -> Told:
    """What these records say, the later ones last."""
    told = Told()
    for record in records:
        told.take(record)
    return told


async def read_told(reader: TopicReader) -> Told:
    """All that the topic says.

    Raises:
        OperationError: the topic is missing or cannot be read.
    """
    told = Told()
    async for records in reader.read(SETTLEMENT_BATCHES):
        for record in records:
            told.take(decode_settlement_record(record.value or b""))
    told.batches = dict(sorted(told.batches.items(), key=lambda named: (named[1].opened_at, named[0])))
    return told
