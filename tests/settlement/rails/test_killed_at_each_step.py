"""kill -9 at each step of the courier, with a rail that would pay twice: its journal says whether it did."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from agents.settlement.rails.courier.desk import STEPS
from agents.settlement.rails.simulated.journal import read_totals
from schemas.settlement_internal import RailAnswered
from tests.settlement.rails.batches import batch
from tests.settlement.rails.desk_process import BATCHES, read_reports

KILLS = 5
#: How often something is done at each step before the kill comes, in turn.
AFTER = (0, 3, 1, 5, 2)


def run(folder: Path, step: str, after: int) -> int:
    command = [sys.executable, "-m", "tests.settlement.rails.desk_process", str(folder), step, str(after)]
    return subprocess.run(command, timeout=60, check=False, capture_output=True).returncode


@pytest.mark.slow
@pytest.mark.parametrize("step", STEPS)
def test_each_batch_is_paid_once_and_every_answer_told(step: str, tmp_path: Path) -> None:
    codes = [run(tmp_path, step, AFTER[turn]) for turn in range(KILLS)]
    assert -9 in codes, "it was killed at this step"
    assert run(tmp_path, "never", 0) == 0
    totals = read_totals(tmp_path)
    assert totals.executed == {batch(number).batch_id: 1 for number in range(BATCHES)}
    assert totals.paid_twice == []
    answers = [report.answer for report in read_reports(tmp_path / "reports.jsonl") if isinstance(report, RailAnswered)]
    settled = {
        fact.end_to_end_id: fact.settled_minor
        for answer in answers
        for fact in answer.instructions
        if fact.state == "settled"
    }
    assert settled == {name: amounts[0] for name, amounts in totals.paid.items()}
    by_id = {answer.answer_id: answer for answer in answers}
    assert all(by_id[answer.answer_id] == answer for answer in answers), "what is told twice is the same"
