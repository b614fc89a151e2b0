"""The benchmark of backtests measures what it says it measures."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from ops.bench.backtest import Like, main, measure, table_rows, typical_rules
from schemas.fraud_rules import Rule

pytestmark = pytest.mark.slow


def test_ten_rules_over_four_kinds_of_keys() -> None:
    rules = [Rule.model_validate_json(json.dumps(rule)) for rule in typical_rules()]
    assert len({rule.rule_id for rule in rules}) == 10
    assert len({rule.key for rule in rules}) == 4


@pytest.mark.parametrize("like", ["amlsim", "shops"])
def test_tables_are_the_same_each_time_and_in_order(like: Like) -> None:
    rows = list(table_rows(like, 2_000))
    assert rows == list(table_rows(like, 2_000))
    assert len(rows) == 2_000
    times = [row[1] for row in rows]
    assert times == sorted(times)


def test_what_is_measured_is_the_command(tmp_path: Path) -> None:
    speed = measure(tmp_path, "shops", 20_000)
    assert (speed.rows, speed.like) == (20_000, "shops")
    assert 0 < speed.processor_s < 60
    assert speed.rows_per_s == 20_000 / speed.seconds
    assert speed.alerts > 0


def test_a_slow_machine_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ops.bench.backtest.LEAST_ROWS_PER_S", 1e9)
    done = CliRunner().invoke(main, ["--rows", "1000", "--runs", "1", "--like", "amlsim", "--keep", str(tmp_path)])
    assert done.exit_code == 1
    found = json.loads(done.stdout)
    assert found["ok"] is False
    assert found["amlsim"]["runs"][0]["rows"] == 1_000
