"""Whole scenarios, written as tables in the `*.scenario` files of this folder."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from schemas.codes import Code
from schemas.commands import CONTRACTS
from tests.scenarios.play import play
from tests.scenarios.table import Row, Scenario, Table, read_scenarios

FOLDER = Path(__file__).parent
LEDGER = FOLDER.parents[1] / "agents" / "ledger"
SCENARIOS = [(path.stem, scenario) for path in sorted(FOLDER.glob("*.scenario")) for scenario in read_scenarios(path)]


@pytest.mark.parametrize("scenario", [pytest.param(s, id=f"{file}: {s.name}") for file, s in SCENARIOS])
def test_scenario(scenario: Scenario) -> None:
    play(scenario)


def test_every_code_that_the_ledger_can_give_has_a_scenario() -> None:
    source = "".join(path.read_text() for path in LEDGER.rglob("*.py"))
    given = {Code[name].value for name in re.findall(r"\bCode\.([A-Z_]+)", source)} | {"ok"}
    shown = {row.cells.get("code", "*") for row in commands_in_scenarios()}
    # Some come in updates alone.
    shown |= {said for row in commands_in_scenarios() for said in re.findall(r"\w+", row.cells.get("then", ""))}
    assert given - shown == set()
    assert {code.value for code in Code} == given


def test_every_operation_has_a_scenario() -> None:
    schemas = [adapter.json_schema() for adapter in CONTRACTS.values()]
    operations = {operation for schema in schemas for operation in schema["discriminator"]["mapping"]}
    assert operations - {row.cells["operation"] for row in commands_in_scenarios()} == set()


def commands_in_scenarios() -> Iterator[Row]:
    """Every row of every scenario that gives a command."""
    for _, scenario in SCENARIOS:
        for step in scenario.steps:
            if isinstance(step, Table) and step.kind == "wallet":
                yield from step.rows
