"""The documented chart of accounts is the one that is used."""

from __future__ import annotations

from agents.reconciliation.proofs.chart import CHART
from tests.docs.pages import ROOT


def test_every_class_of_the_chart_is_documented() -> None:
    lines = (ROOT / "docs" / "operating" / "general-ledger.md").read_text().splitlines()
    rows = [line for line in lines if line.startswith(("| 1", "| 2", "| 3", "| 4", "| 5", "| 9"))]
    assert rows == [f"| {one.code} | {one.name} | {one.kind} | {one.covers} |" for one in CHART]
