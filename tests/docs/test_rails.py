"""The page of rails has every field of a rail's record, and every setting of the adapters that ship."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest
from pydantic import BaseModel

from agents.settlement.rails.csv.rail import ADAPTER as CSV
from agents.settlement.rails.iso20022.rail import ADAPTER as ISO20022
from agents.settlement.rails.registry import registry_of
from agents.settlement.rails.simulated.rail import ADAPTER as SIMULATED
from schemas.rail_settings import Adapter, BatchLimits
from schemas.rails import Rail
from tests.docs.pages import ROOT, blocks

_FILE = ROOT / "docs" / "operating" / "rails.md"
_PAGE = _FILE.read_text()
#: Said in reference data and in the head of the page; and a switch for tests of the courier.
_APART = {"name", "settlement", "idempotent"}


def _fields(model: type[BaseModel]) -> Iterator[str]:
    """Names as they are written, of parts too."""
    for name, field in model.model_fields.items():
        yield field.alias or name
        for part in (field.annotation, *get_args(field.annotation)):
            if isinstance(part, type) and issubclass(part, BaseModel):
                yield from _fields(part)


@pytest.mark.parametrize("model", [Rail, CSV.settings, ISO20022.settings, SIMULATED.settings], ids=lambda m: m.__name__)
def test_every_field_is_named(model: type[BaseModel]) -> None:
    assert [name for name in _fields(model) if f"`{name}`" not in _PAGE and name not in _APART] == []


def test_the_printed_adapter_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (text,) = [block.text for block in blocks(_FILE) if block.language == "python"]
    (tmp_path / "printed_pigeons.py").write_text(text.replace("Pigeons(...)", "Pigeons()"))
    monkeypatch.syspath_prepend(tmp_path)
    registry = registry_of("printed_pigeons")
    adapter = Adapter(kind="pigeons", settings={"loft": "north"})
    rail = Rail(name="loft", settlement="deferred", adapter=adapter, batches=BatchLimits(max_age_s=60))
    assert registry.settings_of(rail).model_dump() == {"loft": "north"}
