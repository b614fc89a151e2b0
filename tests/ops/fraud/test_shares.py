"""A backtest in several processes: what becomes of it where one of them cannot go on."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
from pathlib import Path

import pytest

from ops.errors import OperationError
from ops.fraud.backtest import Plan, scan
from ops.fraud.shares import run_plan
from schemas.fraud_rules import Rule
from tests.ops.fraud.trying import counting


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    table = tmp_path / "T.csv"
    table.write_text("at,who\n" + "".join(f"{number},w{number}\n" for number in range(30_000)))
    rules = [Rule.model_validate_json(json.dumps(counting("two", 2, 60)))]
    return Plan(table, {"time": "at", "wallet_id": "who"}, [rules])


@pytest.mark.slow
def test_how_far_the_slowest_is(plan: Plan) -> None:
    told: list[int] = []
    outcome = run_plan(plan, scan(plan), 2, told.append)
    assert told[0] == 0
    assert told == sorted(told)
    assert told[-1] == outcome.seen.events == 30_000


@pytest.mark.slow
def test_a_process_that_is_killed(plan: Plan) -> None:
    def kill(_rows: int) -> None:
        for process in multiprocessing.active_children():
            os.kill(process.pid or 0, signal.SIGKILL)

    with pytest.raises(OperationError, match="ended with exit code -9; was memory short"):
        run_plan(plan, scan(plan), 2, kill)
    assert multiprocessing.active_children() == []


@pytest.mark.slow
def test_a_process_that_cannot_read_the_table(plan: Plan) -> None:
    scanned = scan(plan)
    plan.transactions.unlink()
    with pytest.raises(OperationError, match="is no file"):
        run_plan(plan, scanned, 2, lambda _rows: None)
    assert multiprocessing.active_children() == []
