"""The last word on each batch, as operators ask for it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import orjson
import pytest
from click.testing import CliRunner

from ops.amounts import Amounts
from ops.cli import main, settlement_shown
from ops.errors import OperationError
from ops.reference_records import Contents
from ops.settlement.told import told_by
from schemas.assets import AssetRegistry
from schemas.catalogue import TOPICS
from schemas.reference import Reference
from schemas.settlement_batches import PositionRecord
from schemas.topics import RAILS, SETTLEMENT_COMMANDS, SETTLEMENT_EVENTS
from tests.settlement.rails.batches import batch
from tests.settlement.rails.stage import record
from tests.settlement.ready import ready
from tests.settlement.world import SEPA


def test_the_beginning_of_an_id_names_a_batch() -> None:
    (one, other), told = (batch(1), batch(0x12)), told_by([record(batch(1)), record(batch(0x12))])
    assert told.batch(other.batch_id) == record(other)
    assert told_by([record(one)]).batch("0000") == record(one)
    with pytest.raises(OperationError, match=r"2 batches whose id begins with '0000'.*settlement batches"):
        told.batch("0000")
    with pytest.raises(OperationError, match="no batch"):
        told.batch("ff")


def test_nothing_names_no_batch_also_where_there_is_one_only() -> None:
    with pytest.raises(OperationError, match="no batch whose id begins with ''"):
        told_by([record(batch(1))]).batch("")


def test_positions_are_shown_by_the_terms_of_now(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was told last may be older than the rail's record."""
    numbers: dict[str, Any] = {
        "funded_minor": 1_000,
        "committed_minor": 300,
        "free_minor": 700,
        "waiting": 1,
        "waiting_minor": 600,
    }
    told = told_by([PositionRecord(rail=rail, asset="EUR", recorded_at="", **numbers) for rail in ("gone", "sepa")])
    rail = orjson.dumps({**SEPA, "minimum_reserve_minor": {"EUR": 500}})
    contents = Contents(reference=Reference().with_record(RAILS, "sepa", rail))

    async def read_told(_reader: Any) -> Any:
        return told

    async def read_amounts(_reader: Any) -> Any:
        return Amounts(AssetRegistry())

    async def read_contents(_reader: Any, _topic: str) -> Any:
        return contents

    def with_reader(work: Callable[[Any, Any], Awaitable[Any]]) -> Any:
        async def run() -> Any:
            return await work(None, None)

        return asyncio.run(run())

    for one in (read_told, read_amounts, read_contents, with_reader):
        monkeypatch.setattr(settlement_shown, one.__name__, one)

    def shown(*arguments: str) -> list[dict[str, Any]]:
        result = CliRunner().invoke(main, ["settlement", *arguments, "--json"])
        assert result.exit_code == 0, result.output
        found: list[dict[str, Any]] = json.loads(result.stdout)
        return found

    gone, sepa = shown("position")
    assert (gone.get("minimum_reserve_minor", 0), gone["free_minor"]) == (0, 700)
    assert (sepa.get("minimum_reserve_minor", 0), sepa["free_minor"]) == (500, 200)
    (row,) = shown("forecast")
    assert (row["position_minor"], row["missing_minor"]) == (700, 400)


@pytest.mark.parametrize(
    ("state", "said"), [("submitted", ": pending"), ("acknowledged", ": told once the batch is over")]
)
def test_of_instructions_that_are_not_told_yet_nothing_is_claimed(
    monkeypatch: pytest.MonkeyPatch, state: Any, said: str
) -> None:
    large = batch(count=101)
    told = told_by([record(large), record(large, state)])
    monkeypatch.setattr(
        settlement_shown, "with_reader", lambda _work: (told.batch(large.batch_id), told, Amounts(AssetRegistry()))
    )
    result = CliRunner().invoke(main, ["settlement", "show", large.batch_id])
    assert result.exit_code == 0, result.output
    assert result.stdout.count(said) == 101


def test_keys_of_the_log_are_as_the_catalogue_says() -> None:
    world, _ = ready(10)
    world.send(SETTLEMENT_COMMANDS, 0, b"sepa", b"{}")
    world.later(61)
    keys = {
        orjson.loads(one.value or b"")["type"]: one.key for n in (0, 1) for one in world.topics[SETTLEMENT_EVENTS, n]
    }
    assert {type_ for type_, key in keys.items() if key is None} == {"clock.ticked", "command.refused"}
    assert {type_ for type_, key in keys.items() if key == b""} == {"batch.sealed"}
    for topic in (topic for topic in TOPICS if topic.value.endswith("or Seal")):
        assert "empty for seals" in topic.key, topic.name
