"""The benchmark of holds ends what it says it ends."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from ops.bench.holds import main, measure_holds

pytestmark = pytest.mark.slow


def test_each_tick_ends_its_holds_and_looks_at_no_other(tmp_path: Path) -> None:
    counts: list[int] = []
    few = measure_holds(tmp_path / "few", 600, 60, 100, 100, counts.append)
    many = measure_holds(tmp_path / "many", 3_000, 300, 100, 100)
    assert sum(counts) == 600
    assert (few.holds, few.wallets, few.expired, len(few.tick_s)) == (600, 60, 100, 3)
    assert all(0 < decide_s <= tick_s for decide_s, tick_s in zip(few.decide_s, few.tick_s, strict=True))
    assert many.rows_read == pytest.approx(few.rows_read, rel=0.02)
    assert few.rows_read < 10
    assert few.disk_mb < many.disk_mb < few.rss_mb


def test_it_prints_and_gives_json() -> None:
    small = ["--holds", "60", "--wallets", "10", "--expiring", "20"]
    ran = CliRunner().invoke(main, small)
    assert ran.exit_code == 0, ran.output
    assert "60 open holds of 10 wallets" in ran.output
    value = json.loads(CliRunner().invoke(main, [*small, "--json"]).output)
    assert len(value["tick_s"]) == 3
    assert value["rss_mb"] > 0
    refused = CliRunner().invoke(main, ["--holds", "59", "--expiring", "20"])
    assert refused.exit_code == 2
