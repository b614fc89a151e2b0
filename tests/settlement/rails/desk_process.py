"""`python -m tests.settlement.rails.desk_process FOLDER STEP AFTER`: a desk that kills itself by -9 at a step.

Its reports are lines of a file, synced one by one. It ends with 0 once every batch is answered for good.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

from agents.settlement.rails.courier.clock import WallClock
from agents.settlement.rails.courier.desk import Desk
from agents.settlement.rails.courier.ports import CourierObserver, Report
from agents.settlement.rails.simulated.behaviour import SimulatedSettings
from agents.settlement.rails.simulated.rail import SimulatedRail
from schemas.rail_settings import Retry
from schemas.settlement_internal import (
    RailAnswered,
    SubmissionFailed,
    decode_settlement_internal,
    encode_settlement_internal,
)
from tests.settlement.rails.batches import batch

BATCHES = 12
#: It pays whatever it is given: only the status that is asked first stands between a crash and a double payment.
SETTINGS = SimulatedSettings(
    seed=3, answer_min_ms=0, answer_max_ms=30, lost_bps=3_000, turned_away_bps=3_000, split_bps=5_000, idempotent=False
)
RETRY = Retry(first_ms=1, longest_ms=10, poll_ms=5, breaker_open_ms=10, timeout_ms=5_000)


class Killed(CourierObserver):
    def __init__(self, step: str, after: int):
        self._step, self._after = step, after

    def step(self, rail: str, step: str) -> None:
        if step == self._step:
            if not self._after:
                os.kill(os.getpid(), signal.SIGKILL)
            self._after -= 1


class FileReports:
    def __init__(self, path: Path):
        self._path = path
        self.handed_over: set[str] = set()
        self.answered: set[str] = set()
        self.attempts: dict[str, int] = {}
        for report in read_reports(path):
            self._take(report)

    async def put(self, rail: str, report: Report) -> None:
        with self._path.open("ab") as file:
            file.write(encode_settlement_internal(report) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        self._take(report)

    def _take(self, report: Report) -> None:
        if isinstance(report, RailAnswered):
            self.handed_over.add(report.answer.batch_id)
            self.answered |= {fact.end_to_end_id for fact in report.answer.instructions}
        else:
            self.attempts[report.batch_id] = report.attempt


def read_reports(path: Path) -> list[Report]:
    """The reports in a file; a last line that was cut off is none."""
    if not path.exists():
        return []
    content = path.read_bytes()
    decoded = [decode_settlement_internal(line) for line in content[: content.rfind(b"\n") + 1].splitlines()]
    return [report for report in decoded if isinstance(report, RailAnswered | SubmissionFailed)]


async def run(folder: Path, step: str, after: int) -> None:
    clock, reports = WallClock(), FileReports(folder / "reports.jsonl")
    desk = Desk(SimulatedRail("sim", SETTINGS, folder, clock.now_ms), RETRY, reports, clock, Killed(step, after))
    running = asyncio.ensure_future(desk.run())
    batches = {batch(number).batch_id: number for number in range(BATCHES)}
    wanted = {one.end_to_end_id for number in range(BATCHES) for one in batch(number).instructions}
    tried: dict[str, int] = {}
    while not wanted <= reports.answered:
        for name, number in batches.items():
            attempt = reports.attempts.get(name, 0) + 1
            if name not in reports.handed_over and tried.get(name) != attempt:
                tried[name] = attempt
                desk.attempt(batch(number, attempt=attempt))
        await asyncio.wait([running], timeout=0.002)
        if running.done():
            running.result()
    running.cancel()


if __name__ == "__main__":
    asyncio.run(run(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
