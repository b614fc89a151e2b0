"""The page of rails has every field of a rail's record, and every setting of the adapters that ship."""

from __future__ import annotations

from collections.abc import Iterator
from typing import get_args

import pytest
from pydantic import BaseModel

from agents.settlement.rails.csv.rail import ADAPTER as CSV
from agents.settlement.rails.iso20022.rail import ADAPTER as ISO20022
from agents.settlement.rails.simulated.rail import ADAPTER as SIMULATED
from schemas.rails import Rail
from tests.docs.pages import ROOT

_PAGE = (ROOT / "docs" / "operating" / "rails.md").read_text()
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
