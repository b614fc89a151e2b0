"""What the courier knows of batches: a fold of `settlement-batches`. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from schemas.rail_batches import RailBatch
from schemas.settlement_batches import BatchRecord, SettlementRecord

#: States in which the rail has the batch, and more is expected of it.
_WITH_THE_RAIL = frozenset({"submitted", "acknowledged"})


class Book:
    """The batches of one partition that a courier has something to do for: the last record of each counts."""

    def __init__(self) -> None:
        self._open: dict[str, tuple[int, BatchRecord]] = {}

    def take(self, offset: int, record: SettlementRecord) -> BatchRecord | None:
        """Take the next record of the partition; returns it where it is of a batch."""
        if not isinstance(record, BatchRecord):
            return None
        # Anew, at the end: what was told last is done last.
        self._open.pop(record.batch_id, None)
        if attempt_of(record) is not None or is_with_the_rail(record):
            self._open[record.batch_id] = offset, record
        return record

    def of_rail(self, rail: str) -> Iterator[BatchRecord]:
        """The rail's batches, in the order of their last records."""
        return (record for _, record in self._open.values() if record.rail == rail)

    @property
    def rails(self) -> set[str]:
        """Rails that have batches here."""
        return {record.rail for _, record in self._open.values()}

    def low_water(self, position: int) -> int:
        """The offset from which all that is open can be read again, where the log was read up to `position`."""
        return min([position, *(offset for offset, _ in self._open.values())])


def attempt_of(record: BatchRecord) -> RailBatch | None:
    """The batch as it is to be handed over now; None where no attempt is due."""
    return record.to_send if record.state == "ready" and not record.is_final else None


def is_with_the_rail(record: BatchRecord) -> bool:
    """Whether the rail has it, and more is expected."""
    return record.state in _WITH_THE_RAIL and not record.is_final
