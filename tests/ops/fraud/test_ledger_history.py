"""Facts of the ledger for a table: those that the role makes of the same events."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, cast

import pytest

from agents.fraud.turn import Limits
from ops.errors import OperationError
from ops.fraud.ledger_history import COLUMNS, MAPPING, FactMaker, write_history
from ops.reading import TopicReader
from schemas.clock import rfc3339
from schemas.facts import FACT_FIELDS
from schemas.topics import LEDGER_EVENTS
from tests.fraud.role import RoleWorld, payment

LATENESS_MS = 60_000


def test_facts_are_those_of_the_role() -> None:
    world = RoleWorld(partitions=1, limits=Limits(lateness_ms=LATENESS_MS))
    payment(world, 1, "w1", 0)
    world.ledger_event(0, type="wallet.opened", wallet_id="w1", operation="open_wallet")
    for number in range(2, 6):
        world.now_ms += 7_300
        payment(world, number, "w1", 0, occurred_at=rfc3339(world.now_ms - number * 20_000), device={"ip": "::1"})
    # A later event of a transaction is not what a rule sees first.
    payment(world, 5, "w1", 0, type="transaction.captured", from_state="authorized", to_state="captured")
    world.run()
    first = [event for event in world.events("fact.evaluated") if "@later" not in (event.fact or {})]
    made = FactMaker(0, LATENESS_MS)
    records = world.topics[LEDGER_EVENTS, 0]
    found = [placed for record in records if (placed := made.take(record.offset, record.value or b"")) is not None]
    assert [placed.recorded.fact for placed in found] == [
        event.fact for event in first if (event.fact or {}).get("type") != "wallet.opened"
    ]
    assert [placed.recorded.t_ms for placed in found] == [
        event.event_time_ms for event in first if (event.fact or {}).get("type") != "wallet.opened"
    ]
    assert "wallet_age_s" not in found[0].recorded.fact
    assert [placed.recorded.fact["wallet_age_s"] for placed in found[1:]] == [0, 0, 0, 0]
    assert [placed.offset for placed in found] == [0, 2, 3, 4, 5]


class Broken:
    """A reader whose topic is not there."""

    async def whole_bounds(self, name: str) -> Any:
        raise OperationError(f"topic {name} is missing")


def test_what_stood_there_stays_where_the_topic_cannot_be_read(tmp_path: Path) -> None:
    table = tmp_path / "history.csv"
    table.write_text("before\n")
    with pytest.raises(OperationError, match="is missing"):
        asyncio.run(write_history(cast("TopicReader", Broken()), tmp_path, LATENESS_MS))
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("history.csv", "before\n")]


def test_the_mapping_knows_all_fields_that_no_time_gives() -> None:
    assert set(MAPPING) == {"time", "source_partition", "source_offset"} | FACT_FIELDS.keys() - {
        "party_id",
        "hour",
        "weekday",
        "anomaly_score",
    }
    assert all(column in COLUMNS for column in MAPPING.values() if isinstance(column, str))
