"""The statements of real banks, if they are there: what becomes of each is in a table that the docs repeat."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import NamedTuple

import pytest

from agents.statements.reading import Reading, read_statements
from schemas.external_statements import RefusedFile

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = Path(os.environ.get("WALLETSTREAM_STATEMENT_SAMPLES", ROOT.parent / "shared" / "data" / "statements"))
PAGE = ROOT / "docs" / "operating" / "statements.md"


class Row(NamedTuple):
    """File, its format, and statements with lines and net amount; or reason, and a part of the sentence."""

    file: str
    format: str
    outcome: str
    why: str


def rows() -> list[Row]:
    """The table of the page."""
    table = PAGE.read_text().split("<!-- samples -->")[1]
    found = []
    for line in table.splitlines():
        cells = [cell.strip().strip("`") for cell in line.strip("|").split("|")]
        if len(cells) == 4 and cells[0] not in {"file", "---"}:
            found.append(Row(*cells))
    return found


def told(path: Path) -> Row:
    """The row that the code gives for a file."""
    found = read_statements(path.name, path.read_bytes(), Reading("samples"))
    if isinstance(found, RefusedFile):
        where = "" if found.line_number is None else f"line {found.line_number}: "
        return Row(path.name, found.source.format or "-", f"refused: {found.reason}", where + found.detail)
    parts = []
    for statement, lines in found.statements:
        net = sum(line.amount_minor for line in lines)
        count = f"{len(lines)} line{'' if len(lines) == 1 else 's'}"
        proof = {"balances": "balances agree", "totals": "totals agree", "none": f"{statement.basis}, no balances"}
        parts.append(f"{count}, {net:+d} minor {statement.asset}, {proof[statement.proof]}")
    return Row(path.name, found.source.format or "-", "read", "; ".join(parts))


def test_the_table_of_the_page_names_every_sample() -> None:
    assert len(rows()) == 15
    assert {row.outcome for row in rows()} == {
        "read",
        *(f"refused: {reason}" for reason in ("unbalanced", "currency", "empty", "page_gap", "account")),
    }


@pytest.mark.parametrize("row", rows(), ids=lambda row: row.file)
def test_what_becomes_of_a_sample(row: Row) -> None:
    found = list(SAMPLES.rglob(row.file))
    if not found:
        pytest.skip(f"needs {row.file} of the sample statements: set WALLETSTREAM_STATEMENT_SAMPLES to their folder")
    assert told(found[0]) == row


def test_no_sample_is_left_out() -> None:
    if not SAMPLES.is_dir():
        pytest.skip("needs the sample statements: set WALLETSTREAM_STATEMENT_SAMPLES to their folder")
    names = {path.name for path in SAMPLES.rglob("*") if re.search(r"\.(sta|xml)$", path.name)}
    assert names == {row.file for row in rows()}
