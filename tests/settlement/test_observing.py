"""What the role's metrics show of positions: those of the partitions that this worker owns, from its start on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest

from agents.settlement.observing import SettlementMetrics
from agents.settlement.state import POSITIONS, QUEUES, PositionRow, QueueRow
from schemas.settlement_batches import PositionRecord, encode_settlement_record
from schemas.topics import SETTLEMENT_BATCHES
from streams.batch import Batch, Progress
from streams.errors import StoreError
from streams.machine import Message, Outgoing
from streams.metrics import REGISTRY

RAIL = "shown"


class Stored:
    """A local state with these rows; it cannot be read where there are none."""

    def __init__(self, tables: dict[str, dict[str, bytes]] | None):
        self._tables = tables

    def get(self, table: str, key: str) -> bytes | None:
        raise NotImplementedError

    def get_many(self, table: str, keys: Sequence[str]) -> Sequence[bytes | None]:
        raise NotImplementedError

    def scan(self, table: str, start: str = "") -> Iterator[tuple[str, bytes]]:
        if self._tables is None:
            raise StoreError("cannot be read")
        return iter(self._tables.get(table, {}).items())


def told(asset: str, waiting: int) -> Batch:
    record = PositionRecord(rail=RAIL, asset=asset, waiting=waiting, funded_minor=9, free_minor=7, recorded_at="")
    message = Message(SETTLEMENT_BATCHES, 0, b"k", encode_settlement_record(record))
    return Batch(Outgoing([message]), [], b"seal", Progress(), 1, None)


def shown() -> dict[str, float]:
    """Asset, and part where it is of a position -> value."""
    return {
        " ".join(value for name, value in sorted(sample.labels.items()) if name != "rail"): sample.value
        for family in REGISTRY.collect()
        for sample in family.samples
        if sample.labels.get("rail") == RAIL
    }


@pytest.fixture
def metrics() -> Iterator[SettlementMetrics]:
    made = SettlementMetrics()
    yield made
    for partition in range(4):
        made.ended(partition)


def test_what_waited_before_a_restart_is_shown_after_it(metrics: SettlementMetrics) -> None:
    positions = {f"{RAIL} EUR": POSITIONS.encode(PositionRow(funded_minor=1_000, committed_minor=990))}
    queues = {
        f"{RAIL} EUR out": QUEUES.encode(QueueRow(waiting=3, waiting_minor=60)),
        f"{RAIL} EUR in": QUEUES.encode(QueueRow(waiting=9, waiting_minor=90)),
        f"{RAIL} USD out": QUEUES.encode(QueueRow(waiting=1, waiting_minor=5)),
    }
    metrics.loaded(1, Stored({POSITIONS.name: positions, QUEUES.name: queues}))
    assert shown() == {
        "EUR": 3,
        "EUR funded": 1_000,
        "EUR committed": 990,
        "EUR waiting": 60,
        "USD": 1,
        "USD funded": 0,
        "USD committed": 0,
        "USD waiting": 5,
    }


def test_positions_of_a_partition_that_went_to_another_worker_are_not_shown_any_more(
    metrics: SettlementMetrics,
) -> None:
    metrics.committed(2, told("EUR", 5))
    metrics.committed(3, told("USD", 1))
    metrics.ended(2)
    assert set(shown()) == {"USD", "USD funded", "USD committed", "USD free", "USD waiting"}
    metrics.ended(2)
    metrics.committed(2, told("EUR", 4))
    assert (shown()["EUR"], shown()["EUR free"]) == (4, 7)


def test_a_state_that_cannot_be_read_is_shown_once_it_moves(metrics: SettlementMetrics) -> None:
    metrics.committed(2, told("EUR", 5))
    metrics.loaded(2, Stored(None))
    assert shown() == {}
    metrics.committed(2, told("EUR", 4))
    assert shown()["EUR"] == 4
