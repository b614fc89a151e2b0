"""A rail of one's own: one file and one line of configuration, and it is handed batches like those that ship."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from agents.settlement.rails.courier.courier import Courier
from agents.settlement.rails.port import RailMisconfigured
from agents.settlement.rails.registry import registry_of
from schemas.partitioning import partition_of
from schemas.rail_settings import Adapter, BatchLimits
from schemas.rails import Rail
from tests.settlement.rails.batches import batch
from tests.settlement.rails.stage import Kept, VirtualClock, record

#: The file.
PIGEONS = """
from agents.settlement.rails.registry import AdapterKind
from schemas.contract import Contract
from schemas.rail_batches import RailAnswer, answer_id_of


class PigeonSettings(Contract):
    loft: str


class Pigeons:
    def __init__(self, name, settings):
        self.name, self.sent, self.loft = name, {}, settings.loft

    async def submit(self, batch):
        self.sent[batch.batch_id] = batch
        return await self.status(batch.batch_id)

    async def status(self, batch_id):
        batch = self.sent.get(batch_id)
        if batch is None:
            return None
        return RailAnswer(
            answer_id=answer_id_of(self.name, batch_id, "flown"), batch_id=batch_id, rail=self.name, state="received",
            message=f"from {self.loft}", at=batch.ready_at,
        )

    async def collect(self):
        return ()

    async def acknowledge(self, answer_id):
        pass

    async def close(self):
        pass


ADAPTER = AdapterKind("pigeons", PigeonSettings, lambda rail, settings, surroundings: Pigeons(rail.name, settings))
"""


@pytest.fixture
def pigeons(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Name of a module with an adapter in it."""
    name = f"pigeons_{tmp_path.name}".replace("-", "_")
    (tmp_path / f"{name}.py").write_text(PIGEONS)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    return name


def rail(kind: str = "pigeons") -> Rail:
    return Rail(
        name="by-air",
        settlement="deferred",
        adapter=Adapter(kind=kind, settings={"loft": "the roof"}),
        batches=BatchLimits(max_age_s=60),
    )


def test_it_is_handed_batches(pigeons: str) -> None:
    async def go() -> None:
        clock, kept = VirtualClock(), Kept()
        courier = Courier(registry_of(pigeons), kept, clock, Path("none"), partitions=4)
        courier.configure({"by-air": rail()})
        home = partition_of("by-air", 4)
        courier.own(home)
        courier.current(home)
        courier.take(home, 0, record(batch(rail="by-air")))
        await clock.until(lambda: bool(kept.answers))
        await courier.close()
        assert kept.answers[0].message == "from the roof"

    asyncio.run(go())


def test_what_is_wrong_with_it_is_said(pigeons: str, tmp_path: Path) -> None:
    registry = registry_of(f" {pigeons}, ")
    assert registry.kinds == ["csv", "iso20022", "pigeons", "simulated"]
    with pytest.raises(RailMisconfigured, match=r"adapter\.settings: loft: Field required"):
        registry.settings_of(rail().model_copy(update={"adapter": Adapter(kind="pigeons")}))
    with pytest.raises(RailMisconfigured, match=rf"WALLETSTREAM_RAIL_ADAPTERS: {pigeons}: kind 'pigeons' belongs to"):
        registry_of(f"{pigeons},{pigeons}")
    (tmp_path / "no_adapter.py").write_text("ADAPTER = 7\n")
    for name, message in (
        ("no_adapter", "no_adapter.ADAPTER is no AdapterKind"),
        ("sys", "no adapter in module 'sys'"),
    ):
        with pytest.raises(RailMisconfigured, match=message):
            registry_of(name)


@pytest.mark.parametrize("text", ["x = undefined", "def", "raise RuntimeError('no loft')"])
def test_a_module_that_fails_as_it_is_imported_is_named(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "failing_pigeons.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(RailMisconfigured, match="WALLETSTREAM_RAIL_ADAPTERS: no adapter in module 'failing_pigeons': "):
        registry_of("failing_pigeons")
