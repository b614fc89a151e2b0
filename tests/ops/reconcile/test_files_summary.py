"""What a reconciliation of files came to, in numbers for people and for scripts."""

from __future__ import annotations

from pathlib import Path

import pytest

from ops.reconcile.files_summary import Summary
from tests.ops.reconcile.running import run_files


def test_only_all_lines_are_all_of_them(tmp_path: Path) -> None:
    rows = [(f"t{number}", "1.00", "EUR", "2026-11-02", f"R{number}") for number in range(20_001)]
    ran = run_files(tmp_path, rows, rows[1:])
    assert "left: 20,001 lines, 99.99% matched" in ran.output
    assert "right: 20,000 lines, 100.00% matched" in ran.output


@pytest.mark.parametrize(("lines", "rate"), [(3_000_000, 0.999999), (0, 1.0), (1, 0.0)])
def test_the_rate_for_scripts_is_rounded_down(monkeypatch: pytest.MonkeyPatch, lines: int, rate: float) -> None:
    counts = {"lines": lines, "matched": max(0, lines - 1)}
    monkeypatch.setattr(Summary, "_lines", lambda _summary, _side, what: counts.get(what, 0))
    assert Summary().as_json()["left"]["match_rate"] == rate
