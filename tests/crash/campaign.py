"""`python -m tests.crash.campaign`: workers are killed by -9 at random moments while requests flow, on a real Kafka.

At the end nothing may be lost, doubled or invented: by the outcomes, by the event log, by the balances, by `verify`.
Exit code 0 only if all of them say so. The same seed sends the same stream and kills at the same points of it; beside
it stories of all operations go on as they are answered.
"""

from __future__ import annotations

import json
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import click

from tests.broker import embedded
from tests.crash.cluster import Cluster, Worker
from tests.crash.proof import prove
from tests.crash.script_parts import REFERENCE
from tests.crash.scripts import SCRIPTS
from tests.crash.stories import Stories
from tests.crash.stream import Stream
from tests.crash.traffic import Traffic
from tests.crash.witness import Verdict

Announce = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a campaign does."""

    kills: int = 100
    requests: int = 1_000_000
    partitions: int = 8
    workers: int = 2
    wallets: int = 5_000
    seed: int = 1
    #: Records a second while nothing is held up.
    rate: float = 4_000.0
    backlog: int = 20_000
    #: Stories over so many wallets besides the stream: all operations; 0 for credits, debits and transfers alone.
    story_wallets: int = 400


@dataclass
class Report:
    """What came of it. Times in seconds."""

    plan: Plan
    kills: Counter[str] = field(default_factory=Counter)
    #: From a kill until every partition had committed an answer decided after it.
    recovered_s: list[float] = field(default_factory=list)
    #: Unanswered records at the moment of each kill.
    in_flight: list[int] = field(default_factory=list)
    traffic_s: float = 0.0
    seconds: float = 0.0
    verdict: Verdict = field(default_factory=Verdict)
    events: int = 0
    verify: dict[str, Any] = field(default_factory=dict)
    stories: Counter[str] = field(default_factory=Counter)

    def as_json(self) -> dict[str, Any]:
        """Everything a script may read."""
        records = self.verdict.records
        return {
            "ok": self.verdict.holds,
            "plan": asdict(self.plan),
            "kills": {"total": sum(self.kills.values()), **self.kills},
            "seconds": round(self.seconds, 1),
            "traffic_seconds": round(self.traffic_s, 1),
            "requests_per_s": round(records / self.traffic_s) if self.traffic_s else None,
            "recovered_p50_s": round(median(self.recovered_s), 2) if self.recovered_s else None,
            "recovered_max_s": round(max(self.recovered_s), 2) if self.recovered_s else None,
            "in_flight_p50": round(median(self.in_flight)) if self.in_flight else None,
            "ledger_events": self.events,
            **asdict(self.verdict),
            "stories": dict(self.stories),
            "verify": self.verify,
        }

    def lines(self) -> str:
        """The summary for people."""
        v, said = self.verdict, self.as_json()
        kinds = ", ".join(f"{count} {kind}" for kind, count in self.kills.items())
        codes = ", ".join(f"{code} {count:,}" for code, count in sorted(v.by_code.items()))
        stories = ", ".join(f"{count:,} {name}" for name, count in sorted(self.stories.items()))
        return "\n".join(
            [
                f"{said['kills']['total']} kills -9 ({kinds}), {v.records:,} requests in {self.traffic_s:.0f} s: "
                f"{said['requests_per_s']:,}/s, {self.plan.partitions} partitions, {self.plan.workers} workers",
                f"recovered after a kill: p50 {said['recovered_p50_s']} s, max {said['recovered_max_s']} s; "
                f"unanswered at a kill: p50 {said['in_flight_p50']:,}",
                f"answers {v.answers:,} ({codes}), updates {v.updates:,}, ledger events {self.events:,}",
                *([f"stories {stories}"] if stories else []),
                f"{v.lost} lost, {v.doubled} doubled, {v.wrong} wrong; verify holds",
                *v.cases,
                f"{self.seconds:.0f} s in all: {'OK' if v.holds else 'FAILED'}",
            ]
        )


class Executioner:
    """Kills workers of a cluster while traffic flows, and starts them again."""

    def __init__(self, plan: Plan, workers: list[Worker], traffic: Traffic, report: Report, announce: Announce):
        self._plan = plan
        self._workers = workers
        self._traffic = traffic
        self._report = report
        self._announce = announce
        self._chance = random.Random(plan.seed)
        #: Apart, so that it does not change which kills a seed makes.
        self._moment = random.Random(plan.seed)
        self._killed = 0

    def run(self) -> None:
        """All kills of the plan, evenly over the stream, each at a random moment when work has resumed."""
        plan, traffic = self._plan, self._traffic
        span = plan.requests / (plan.kills + 1)
        # The stream never runs far ahead of the kills, so that each one hits work under way.
        traffic.gate = int(span)
        while self._killed < plan.kills:
            traffic.wait_answered(int((self._killed + self._chance.uniform(0.1, 0.9)) * span), timeout_s=300)
            time.sleep(self._chance.uniform(0.0, 0.3))
            killed_ms = self._episode()
            traffic.gate = int((self._killed + 1) * span)
            self._report.recovered_s.append(traffic.wait_alive(killed_ms, timeout_s=120))
            done, of = traffic.answered, plan.requests
            self._announce(
                f"kill {self._killed}/{plan.kills}: recovered in {self._report.recovered_s[-1]:.1f} s; "
                f"{done:,} of {of:,} answered, {traffic.in_flight:,} under way"
            )

    def _episode(self) -> float:
        """One kill, or several in a row; returns when the last one was, in Unix milliseconds."""
        dice, left = self._chance.random(), self._plan.kills - self._killed
        victims = [self._chance.choice(self._workers)]
        if dice < 0.1 and left >= len(self._workers):
            victims = self._workers
        for victim in victims:
            self._kill(victim, "at work" if len(victims) == 1 else "all at once")
        killed_ms = time.time() * 1000
        # At once, or after the others have taken over.
        time.sleep(self._chance.choice((0.0, 0.0, self._chance.uniform(0.5, 6.0))))
        for victim in victims:
            victim.start()
        if dice > 0.8 and left >= 2:
            killed_ms = self._kill_restoring(victims[0]) or killed_ms
        return killed_ms

    def _kill_restoring(self, victim: Worker) -> float | None:
        """Kill it once more before it is ready."""
        time.sleep(self._chance.uniform(0.8, 4.0))
        was_ready = victim.ready
        self._kill(victim, "again, just ready" if was_ready else "during restore")
        killed_ms = time.time() * 1000
        victim.start()
        return killed_ms

    def _send_work(self) -> None:
        """Fast workers have answered all up to the gate by now: a kill is to find them at work, where any is left."""
        traffic, plan = self._traffic, self._plan
        traffic.gate = min(plan.requests, traffic.produced + int(plan.rate * 0.1))
        deadline = time.monotonic() + 2.0
        while traffic.in_flight == 0 and traffic.produced < plan.requests and time.monotonic() < deadline:
            time.sleep(0.001)
        time.sleep(self._moment.uniform(0.0, 0.015))

    def _kill(self, victim: Worker, how: str) -> None:
        assert victim.running, f"{victim.name} ended by itself with {victim.process.returncode}\n{victim.tail()}"
        self._send_work()
        self._report.in_flight.append(self._traffic.in_flight)
        victim.kill()
        self._report.kills[how] += 1
        self._killed += 1


def run(plan: Plan, cluster: Cluster, announce: Announce = lambda _line: None) -> Report:
    """The campaign on a cluster that has topics and no workers yet.

    Raises:
        AssertionError: a worker ended by itself, work did not resume, or `verify` does not hold.
    """
    report, started = Report(plan), time.monotonic()
    stream = Stream(plan.seed, plan.wallets, plan.partitions)
    stories = None
    if plan.story_wallets:
        cluster.put_reference(REFERENCE)
        stories = Stories(plan.seed, plan.story_wallets, plan.partitions, SCRIPTS)
    workers = [cluster.start(f"worker-{number}") for number in range(plan.workers)]
    for worker in workers:
        worker.wait_ready()
    traffic_started = time.monotonic()
    options: dict[str, Any] = {"rate": plan.rate, "backlog": plan.backlog, "limit": plan.requests}
    with Traffic(cluster.settings, stream, stories=stories, **options) as traffic:
        Executioner(plan, workers, traffic, report, announce).run()
        traffic.gate = None
        traffic.wait_answered(plan.requests, timeout_s=600)
        traffic.finish()
        for worker in workers:
            worker.wait_ready()
        report.traffic_s = time.monotonic() - traffic_started
    codes = cluster.stop()
    announce(f"workers stopped with {codes}; reading everything once more")
    proof = prove(cluster, traffic)
    report.verdict, report.events, report.verify = proof.verdict, proof.truth.events, proof.verify
    report.stories = Counter() if stories is None else stories.by_script
    for name, code in codes.items():
        if code != 0:
            report.verdict.count("wrong", f"{name} ended with {code} after SIGTERM")
    report.seconds = time.monotonic() - started
    return report


@click.command(context_settings={"show_default": True})
@click.option("--kills", default=Plan.kills)
@click.option("--requests", default=Plan.requests)
@click.option("--partitions", default=Plan.partitions)
@click.option("--workers", default=Plan.workers)
@click.option("--wallets", default=Plan.wallets)
@click.option("--simple", is_flag=True, help="Credits, debits and transfers alone, no other operation.")
@click.option("--seed", default=Plan.seed)
@click.option("--rate", default=Plan.rate, help="Requests a second while nothing is held up.")
@click.option("--session-timeout-s", default=3.0, help="Of the consumer group; a kill is noticed after it.")
@click.option("--folder", type=click.Path(path_type=Path), help="Keep data and logs of the workers here.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
def main(
    kills: int,
    requests: int,
    partitions: int,
    workers: int,
    wallets: int,
    simple: bool,
    seed: int,
    rate: float,
    session_timeout_s: float,
    folder: Path | None,
    as_json: bool,
) -> None:
    """Kill workers by -9 at random moments under load and prove that nothing was lost or doubled."""
    plan = Plan(
        kills=kills,
        requests=requests,
        partitions=partitions,
        workers=workers,
        wallets=min(wallets, max(1, requests // 10)),
        seed=seed,
        rate=rate,
        story_wallets=0 if simple else min(Plan.story_wallets, max(40, requests // 250)),
    )
    environment = {"WALLETSTREAM_SESSION_TIMEOUT_S": f"{session_timeout_s:g}"}
    with tempfile.TemporaryDirectory(prefix="walletstream-crash-") as temporary, embedded() as broker:
        where = folder or Path(temporary)
        with Cluster(where, broker.bootstrap_servers, "crash.", partitions, environment) as cluster:
            cluster.apply_topics()
            report = run(plan, cluster, lambda line: click.echo(line, err=True))
    click.echo(json.dumps(report.as_json(), indent=2) if as_json else report.lines())
    sys.exit(0 if report.verdict.holds else 1)


if __name__ == "__main__":
    main()
