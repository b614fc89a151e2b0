"""Scenarios as aligned text tables: parsing.

A file holds scenarios, each under a line `== name`. A scenario is a list of steps: sentences such as `wait 41 days`,
and tables. The first line of a table names its columns, and every cell begins where its column's name begins:

    wallet  operation  key  amount    |  code  state    balances
    alice   credit     c1   100 EUR   |  ok    settled  main 100 EUR
    alice   debit      d1   30 EUR    |  ok    settled  main 70 EUR

A table ends at an empty line. `.` is an empty cell, `*` one that is not looked at, `#` begins a comment line.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from schemas.facts import FACT_FIELDS

#: First column of a table -> the columns that such a table may have.
COLUMNS = {
    "wallet": (
        *("wallet", "operation", "key", "amount", "to", "with", "in", "record key", "|"),
        *("code", "field", "state", "replayed", "current", "balances", "event", "then"),
    ),
    "account": ("account", "asset", "balance"),
    "who": ("who", "does", "with", "|", "batches", "free", "waits", "payouts", "balances", "alerts"),
    "at": ("at", *FACT_FIELDS, "amount_minor>EUR", "|", "fires"),
}

_HEADING = re.compile(r"[^ ]+(?: [^ ]+)*")


class ScenarioError(ValueError):
    """A scenario cannot be read: names the file, the line and what is wrong with it."""

    def __init__(self, where: str, problem: str):
        super().__init__(f"{where}: {problem}")


class Row(NamedTuple):
    """One row of a table: column -> cell, without the columns that the table does not have."""

    where: str
    cells: dict[str, str]


class Sentence(NamedTuple):
    """A step in words."""

    where: str
    text: str


class Table(NamedTuple):
    """A table; `kind` is the name of its first column."""

    kind: str
    rows: list[Row]


@dataclass
class Scenario:
    """A name and the steps."""

    name: str
    steps: list[Sentence | Table] = field(default_factory=list)


def read_scenarios(path: Path) -> list[Scenario]:
    """All scenarios of a file.

    Raises:
        ScenarioError: the file is not what this module describes.
    """
    return parse_scenarios(path.read_text(), path.name)


def parse_scenarios(text: str, file: str) -> list[Scenario]:
    """All scenarios of a text; `file` is how errors name it.

    Raises:
        ScenarioError: the text is not what this module describes.
    """
    scenarios: list[Scenario] = []
    columns: dict[str, int] | None = None
    for number, line in enumerate(text.splitlines(), start=1):
        where = f"{file}:{number}"
        if not line.strip():
            columns = None
        elif line.startswith("#"):
            continue
        elif line.startswith("== "):
            scenarios.append(Scenario(line[3:].strip()))
            columns = None
        elif not scenarios:
            raise ScenarioError(where, "a scenario begins with a line `== name`")
        elif columns is not None:
            table = scenarios[-1].steps[-1]
            assert isinstance(table, Table)
            table.rows.append(Row(where, _cells(line, columns, where)))
        elif line.split("  ")[0] in COLUMNS:
            columns = _columns(line, where)
            scenarios[-1].steps.append(Table(next(iter(columns)), []))
        else:
            scenarios[-1].steps.append(Sentence(where, line.strip()))
    return scenarios


def _columns(line: str, where: str) -> dict[str, int]:
    """Column -> where it begins."""
    found = {match[0]: match.start() for match in _HEADING.finditer(line)}
    allowed = COLUMNS[next(iter(found))]
    for name in found:
        if name not in allowed:
            raise ScenarioError(where, f"no column is called {name!r}; there are {', '.join(allowed)}")
    return found


def _cells(line: str, columns: dict[str, int], where: str) -> dict[str, str]:
    if "\t" in line:
        raise ScenarioError(where, "there is a tab; align with spaces")
    cells: dict[str, str] = {}
    ends = [*list(columns.values())[1:], max(len(line), *columns.values()) + 1]
    for (name, start), end in zip(columns.items(), ends, strict=True):
        cell = line[start:end].strip()
        if start and line[start - 1 : start].strip():
            raise ScenarioError(where, f"text crosses into column {name!r}, which begins at {start + 1}")
        if not cell:
            raise ScenarioError(where, f"column {name!r} has no cell; write `.` for an empty one")
        if line[start : start + 1] == " ":
            raise ScenarioError(where, f"the cell {cell!r} is not aligned with {name!r}, which begins at {start + 1}")
        cells[name] = cell
    return cells
