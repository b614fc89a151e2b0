"""Many seeds: `python -m tests.simulation.campaign --seeds 10000`.

A failing seed is replayed by the command that is printed with it.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator
from functools import partial

from tests.simulation.domain import Domain
from tests.simulation.faults import ERRORS, RESTORE, STEPS, Kind, Point
from tests.simulation.fraud_domain import FraudDomain
from tests.simulation.ledger_domain import LedgerDomain
from tests.simulation.reconciliation_domain import ReconciliationDomain
from tests.simulation.settlement_domain import SettlementDomain
from tests.simulation.toy_domain import ToyDomain
from tests.simulation.world import Result, simulate

#: Of 10,000 seeds each commit step has to be crashed so often; fewer seeds, in proportion.
CRASHES_OF_10_000 = 500
#: And each class of errors raised so often at each step that can raise it; that is asked of whole campaigns only.
ERRORS_OF_10_000 = 36
_MACHINES = ("toy", "ledger", "fraud", "settlement", "reconciliation")


def domain_named(name: str) -> Domain:
    """The machine to simulate."""
    domains: dict[str, type[Domain]] = {
        "toy": ToyDomain,
        "fraud": FraudDomain,
        "settlement": SettlementDomain,
        "reconciliation": ReconciliationDomain,
        "ledger": LedgerDomain,
    }
    return domains[name]()


def run_seed(name: str, seed: int) -> Result:
    """One seed, its trace left out unless it failed."""
    result = simulate(domain_named(name), seed)
    if not result.violations:
        result.trace.clear()
    return result


def results_of(name: str, seeds: range, jobs: int) -> Iterator[Result]:
    """Run seeds in `jobs` processes, in order."""
    work = partial(run_seed, name)
    if jobs == 1:
        yield from map(work, seeds)
        return
    with multiprocessing.get_context("spawn").Pool(jobs) as pool:
        yield from pool.imap(work, seeds, chunksize=20)


class Tally:
    """What a campaign has seen so far."""

    def __init__(self, seeds: int):
        self.seeds = seeds
        self.done = self.requests = 0
        self.virtual_s = 0.0
        self.struck: Counter[tuple[Point, Kind]] = Counter()
        self.raised: Counter[tuple[Point, str]] = Counter()
        self.failed: list[Result] = []
        self._began = time.perf_counter()

    def add(self, result: Result) -> None:
        """Count one run."""
        self.done += 1
        self.requests += result.requests
        self.virtual_s += result.virtual_s
        self.struck.update(result.struck)
        self.raised.update(result.raised)
        if result.violations:
            self.failed.append(result)

    def progress(self) -> str:
        """One line."""
        took_s = time.perf_counter() - self._began
        rate = self.done / took_s
        left_s = (self.seeds - self.done) / rate
        width = 30 * self.done // self.seeds
        return (
            f"[{'#' * width}{'.' * (30 - width)}] {self.done}/{self.seeds} seeds, {len(self.failed)} failed, "
            f"{rate:.0f}/s, {left_s:.0f} s left"
        )

    def missed(self) -> list[str]:
        """Commit steps that were not struck often enough, and errors that were not raised there often enough."""
        crashes = CRASHES_OF_10_000 * self.done // 10_000
        errors = ERRORS_OF_10_000 * (self.done // 10_000)
        return [
            *[step for step in STEPS if self.struck[step, Kind.CRASH] < crashes],
            *[f"{step} {error}" for step, error in ERRORS if self.raised[step, error] < errors],
        ]

    def summary(self) -> str:
        """Tables of what struck where."""
        took_s = time.perf_counter() - self._began
        lines = [
            f"{self.done} seeds in {took_s:.0f} s ({self.done / took_s:.0f}/s), {self.requests} requests, "
            f"{self.virtual_s / 3600:.1f} simulated hours, {self.struck.total()} faults, {len(self.failed)} failed",
            "",
            f"{'faults by step':18} {'kill -9':>8} {'stopped':>8} {'others':>8}",
        ]
        for point in (*STEPS, *RESTORE, Point.DELIVER):
            counts = {kind: n for (where, kind), n in self.struck.items() if where is point}
            crash, stop = counts.pop(Kind.CRASH, 0), counts.pop(Kind.STOP, 0)
            lines.append(f"{point:18} {crash:8} {stop:8} {sum(counts.values()):8}")
        lines += ["", *self._error_table(), "", "faults by kind"]
        kinds: Counter[Kind] = Counter()
        for (_, kind), count in self.struck.items():
            kinds[kind] += count
        lines += [f"{count:8}  {kind}" for kind, count in sorted(kinds.items(), key=lambda pair: (-pair[1], pair[0]))]
        return "\n".join(lines)

    def _error_table(self) -> list[str]:
        """Errors raised, by class and step; a dash where a step cannot raise the class."""
        lines = [f"{'errors by step':28}" + "".join(f"{step.split()[1]:>12}" for step in STEPS)]
        for error in sorted({error for _, error in ERRORS}):
            counts = [self.raised[step, error] if (step, error) in ERRORS else "-" for step in STEPS]
            lines.append(f"{error:28}" + "".join(f"{count:>12}" for count in counts))
        return lines


def replay_command(machine: str, seed: int) -> str:
    """How to see one seed again."""
    return f"python -m tests.simulation.campaign --machine {machine} --seed {seed} --trace"


def _replay(name: str, seed: int, trace: bool) -> int:
    result = simulate(domain_named(name), seed)
    if trace:
        print("\n".join(result.trace))
    for violation in result.violations:
        print(f"VIOLATION: {violation}")
    print(f"seed {seed}: {'FAILED' if result.violations else 'holds'}, trace {result.digest[:16]}")
    return 1 if result.violations else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation.campaign", description=__doc__)
    parser.add_argument("--machine", choices=_MACHINES, default="ledger", help="what is simulated")
    parser.add_argument("--seeds", type=int, default=10_000, help="how many seeds to run (10,000)")
    parser.add_argument("--first", type=int, default=0, help="the first of them")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes to use (all cores)")
    parser.add_argument("--seed", type=int, help="replay this seed only")
    parser.add_argument("--trace", action="store_true", help="with --seed: print all that happened")
    return parser.parse_args()


def main() -> int:
    """Run the campaign; 0 where every seed holds and every step was struck often enough."""
    arguments = _arguments()
    name: str = arguments.machine
    if arguments.seed is not None:
        return _replay(name, arguments.seed, arguments.trace)
    seeds = range(arguments.first, arguments.first + arguments.seeds)
    tally = Tally(len(seeds))
    live = sys.stderr.isatty()
    for result in results_of(name, seeds, arguments.jobs):
        tally.add(result)
        if result.violations:
            print(f"\nseed {result.seed}: {result.violations[0]}\n  {replay_command(name, result.seed)}")
        if live or tally.done % max(1, tally.seeds // 10) == 0:
            print("\r" + tally.progress(), end="" if live else "\n", file=sys.stderr)
    print("\n" + tally.summary())
    missed = tally.missed()
    if missed:
        print(f"\nnot struck often enough: {', '.join(missed)}")
    return 1 if tally.failed or missed else 0


if __name__ == "__main__":
    sys.exit(main())
