"""Ledger, settlement and reconciliation on a real broker under kill -9; the simulated rails' journals are the witness.

`python -m tests.reconciliation.campaign --kills 50 --seed 1` runs it with a broker of its own and says what it found.
Payouts flow over two rails; what the rails paid is reported by a partner and banks, with breaks planted; two people
resolve what does not match. Workers are killed meanwhile, and commands that import. The same seed draws the same kills,
payouts and breaks; when exactly something hits is up to the machine.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import random
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, NamedTuple

from ops.broker import EmbeddedBroker
from ops.cli.progress import progress_bar
from ops.processes import stop_all
from ops.reading import open_reader
from ops.reconcile.live_exceptions import read_exceptions
from schemas.clock import rfc3339
from schemas.reconciliation_exceptions import OPEN_STATES
from schemas.topics import MATCHING_RULES, RECONCILIATION_DECISIONS
from tests.reconciliation.imports import Imports
from tests.reconciliation.judging import (
    Report,
    judge_exceptions,
    judge_lines,
    judge_postings,
    judge_proofs,
    read_books,
    wanted_lines,
)
from tests.reconciliation.people import People
from tests.reconciliation.said import BOOKS, StatementFile, Statements
from tests.settlement.campaign import AFTERTHOUGHTS_S, payouts
from tests.settlement.cluster import Cluster as SettlementCluster
from tests.settlement.strikes import Strikes
from tests.settlement.witness import check

#: Lines that a book is told of are matched after so long.
REMATCH_S: Final = 1


class Cluster(SettlementCluster):
    """The same with two workers of reconciliation."""

    names: tuple[str, ...] = ("ledger-1", "settlement-1", "settlement-2", "reconciliation-1", "reconciliation-2")

    def __init__(self, bootstrap_servers: str, namespace: str, folder: Path):
        interval = str(REMATCH_S)
        super().__init__(bootstrap_servers, namespace, folder, WALLETSTREAM_RECONCILIATION_REMATCH_INTERVAL_S=interval)


class Plan(NamedTuple):
    """What a campaign does. Times in seconds."""

    kills: int = 50
    seed: int = 1
    #: Between two rounds of statements.
    report_every_s: float = 4.0
    #: Of one: files over which an import is killed.
    import_kill_share: float = 0.5
    rest_s: float = 240.0


class Campaign:
    """One campaign over a cluster."""

    def __init__(self, cluster: Cluster, plan: Plan):
        self.cluster, self.plan = cluster, plan
        self.today = rfc3339(int(time.time() * 1000))[:10]
        folder = cluster.folder / "statements"
        folder.mkdir()
        self.statements = Statements(folder, random.Random(plan.seed + 2), self.today)
        self.imports = Imports(cluster, random.Random(plan.seed + 3), plan.import_kill_share)
        self.people = People(random.Random(plan.seed + 4))
        #: Files that are not imported yet; this may end at any moment and go on.
        self._waiting: list[StatementFile] = []

    async def run(self) -> Report:
        """All of it; what only a command can tell is judged afterwards, by `judge_proofs`."""
        cluster, plan, began = self.cluster, self.plan, time.monotonic()
        await cluster.start(**{MATCHING_RULES: BOOKS})
        strikes = Strikes(list(cluster.workers.values()), random.Random(plan.seed), cluster.until_more_is_taken)
        async with _meanwhile(self._decide()):
            async with payouts(cluster, plan.seed), _meanwhile(self._report()):
                with progress_bar("kills") as on_progress:
                    await strikes.run(plan.kills, on_progress)
            await cluster.until_at_rest(plan.rest_s)
            await asyncio.sleep(AFTERTHOUGHTS_S)
            await self._bring_new()
            for file in self.statements.files:
                assert await self.imports.bring_once(file) == "seen"
            await self._until_reconciled()
        report = await self._judge()
        report.kills, report.took_s = strikes.by_role, time.monotonic() - began
        report.settlement.kills, report.settlement.took_s = strikes.kills, report.took_s
        return report

    async def _report(self) -> None:
        """Partners and banks report what is new, again and again."""
        while True:
            await asyncio.sleep(self.plan.report_every_s)
            await self._bring_new()

    async def _bring_new(self) -> None:
        self._waiting += self.statements.write_new(self.cluster.journals())
        while self._waiting:
            await self.imports.bring(self._waiting[0])
            del self._waiting[0]

    async def _decide(self) -> None:
        """People decide on what they see."""
        cluster = self.cluster
        async with open_reader(cluster.bootstrap_servers, cluster.namespace) as reader:
            while True:
                await asyncio.sleep(0.5)
                told = await read_exceptions(reader)
                waiting = [each for each in told.values() if each.state in OPEN_STATES]
                await cluster.send(RECONCILIATION_DECISIONS, *self.people.decisions_on(waiting))

    async def _until_reconciled(self) -> None:
        deadline = time.monotonic() + self.plan.rest_s
        while reasons := await self._under_way():
            for worker in self.cluster.workers.values():
                assert worker.running, worker.failure()
            assert time.monotonic() < deadline, f"not reconciled in time: {'; '.join(reasons[:10])}"
            await asyncio.sleep(0.5)

    async def _under_way(self) -> list[str]:
        books = await read_books(self.cluster)
        wanted = (await wanted_lines(self.cluster, self.statements.files)).total()
        count = sum(1 for _ in books.lines())
        reasons = [] if count >= wanted else [f"{count} of {wanted} lines are in the books"]
        due_ms = books.due_ms()
        if due_ms and due_ms < time.time() * 1000 + 5_000 * REMATCH_S:
            reasons.append("a book is due")
        told = [each for state in books.states for _, each in state.open.scan()]
        return reasons + [f"exception {each.exception_id} ({each.reason}) is {each.state}" for each in told]

    async def _judge(self) -> Report:
        cluster, statements = self.cluster, self.statements
        report = Report(await check(cluster))
        report.wrong += report.settlement.wrong
        report.files, report.imports = len(statements.files), self.imports.outcomes
        report.imports_killed = self.imports.killed
        books = await read_books(cluster)
        report.refusals = books.refusals
        judge_lines(report, books, await wanted_lines(cluster, statements.files), statements)
        async with open_reader(cluster.bootstrap_servers, cluster.namespace) as reader:
            told = list((await read_exceptions(reader)).values())
        judge_exceptions(report, told, statements)
        await judge_postings(report, cluster, told, statements)
        return report


@asynccontextmanager
async def _meanwhile(work: object) -> AsyncIterator[None]:
    """Work that goes on while the block lasts; what it raises ends the block."""
    assert asyncio.iscoroutine(work)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(work)
        yield
        task.cancel()


def run(cluster: Cluster, plan: Plan) -> Report:
    """Run a campaign, and judge it."""
    campaign = Campaign(cluster, plan)
    report = asyncio.run(campaign.run())
    judge_proofs(report, cluster, campaign.statements, campaign.today)
    return report


def main() -> int:
    """Run a campaign with a broker of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    # Topics that were just made have no leader yet, and of two who import at once one is fenced: both is told anyway.
    for name in ("aiokafka", "asyncio"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    with tempfile.TemporaryDirectory() as folder:
        broker = EmbeddedBroker(Path(folder) / "broker", port=0)
        with broker:
            cluster = Cluster(broker.bootstrap_servers, "campaign.", Path(folder))
            try:
                report = run(cluster, Plan(kills=given.kills, seed=given.seed))
            finally:
                stop_all(list(cluster.workers.values()))
    print(report)
    for wrong in report.wrong[:20]:
        print(f"WRONG: {wrong}")
    if report.wrong:
        print(f"again: python -m tests.reconciliation.campaign --kills {given.kills} --seed {given.seed}")
    return 1 if report.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
