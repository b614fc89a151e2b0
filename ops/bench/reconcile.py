"""What reconciliation costs without Kafka: lines a second, memory for two large files, sums in bounded time.

    python -m ops.bench.reconcile [--lines N] [--rows N] [--json]

Prints lines a second that are matched exactly, in processor time of one process; lines a second and peak memory of
`walletstream reconcile files` for two files of so many rows each; and how long sums are looked for at most: for one
line with as many candidates as the rules allow, and for a pass that uses up all its steps.
"""

from __future__ import annotations

import json
import random
import resource
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Final

import click

from agents.reconciliation.matching.lines import Line
from agents.reconciliation.matching.match import match
from ops.cli.running import print_json
from ops.reconcile.files_rules import read_file_rules
from ops.reconcile.files_run import Inputs, match_files
from ops.reconcile.files_write import written
from schemas.matching_rules import Bounds, Pass, Rules
from streams.memory import collect_rarely

_FIRST_DAY: Final = 739_922
_DAYS: Final = 30
#: Runs of which the fastest counts: what else runs on the machine only takes from it.
_RUNS: Final = 3
#: Of so many rows one is missing on the other side.
_ONE_MISSING_IN: Final = 200
_MAPPING: Final = {
    "id": "id",
    "amount": "amount",
    "amount_unit": "major",
    "asset": "currency",
    "date": "booked",
    "date_format": "%Y-%m-%d",
    "references": {"ref": "reference"},
}
_PASSES: Final = [
    {"name": "reference", "keys": ["ref"], "date_window_days": [0, 3]},
    {"name": "amount", "keys": [], "date_window_days": [0, 3]},
]


@dataclass(frozen=True, slots=True)
class ReconcileCost:
    """What was measured."""

    #: Lines of both sides that were matched in memory, and how many a second of processor time.
    lines: int
    lines_per_s: float
    #: Rows of each of two files; lines of both a second, as the clock has it; most memory that the process had.
    rows: int
    file_lines_per_s: float
    peak_rss_mb: float
    #: Candidates, and how long sums of them are looked for in vain, in milliseconds.
    candidates: int
    one_sum_ms: float
    #: Sums that a pass forms at most, and how long it takes.
    subset_steps: int
    all_sums_s: float

    def as_json(self) -> dict[str, Any]:
        """For scripts."""
        return {
            "lines": self.lines,
            "lines_per_s": round(self.lines_per_s),
            "rows": self.rows,
            "file_lines_per_s": round(self.file_lines_per_s),
            "peak_rss_mb": round(self.peak_rss_mb, 1),
            "candidates": self.candidates,
            "one_sum_ms": round(self.one_sum_ms, 2),
            "subset_steps": self.subset_steps,
            "all_sums_s": round(self.all_sums_s, 2),
        }

    def told(self) -> str:
        """For people."""
        return "\n".join(
            [
                f"{self.lines:,} lines matched exactly in memory: {self.lines_per_s:,.0f} lines/s",
                f"two files of {self.rows:,} rows: {self.file_lines_per_s:,.0f} lines/s, at most "
                f"{self.peak_rss_mb:,.0f} MB resident",
                f"sums of {self.candidates} candidates: {self.one_sum_ms:.1f} ms",
                f"a pass of {self.subset_steps:,} sums, its bound: {self.all_sums_s:.1f} s",
            ]
        )


def _payments(count: int, side: int) -> Iterator[tuple[int, int, int]]:
    """Number, amount and day of each; in an order of its own on each side, and some missing."""
    numbers = list(range(count))
    random.Random(side).shuffle(numbers)
    for number in numbers:
        chance = random.Random(number)
        amount, day, missing = chance.randrange(100, 10_000_000), chance.randrange(_DAYS), chance.randrange(2)
        if number % _ONE_MISSING_IN or missing != side:
            yield number, amount, _FIRST_DAY + day + side


def exact_lines_per_s(lines: int) -> tuple[int, float]:
    """Lines of both sides, and how many are matched in a second of processor time, of the fastest run."""
    rules = Rules(passes=tuple(Pass.model_validate_json(json.dumps(each)) for each in _PASSES))
    left, right = (
        [
            Line(f"{side}-{number}", amount, "EUR", day, {"ref": f"R{number:09d}"})
            for number, amount, day in _payments(lines // 2, side)
        ]
        for side in (0, 1)
    )
    times = []
    for _ in range(_RUNS):
        began = time.process_time()
        match(rules, left, right)
        times.append(time.process_time() - began)
    count = len(left) + len(right)
    return count, count / min(times)


def _write(path: Path, rows: int, side: int) -> None:
    days = {day: date.fromordinal(day).isoformat() for day in range(_FIRST_DAY, _FIRST_DAY + _DAYS + 2)}
    with path.open("w") as file:
        file.write("id,amount,currency,booked,reference\n")
        for number, amount, day in _payments(rows, side):
            file.write(f"{side}-{number},{amount // 100}.{amount % 100:02d},EUR,{days[day]},R{number:09d}\n")


def files_cost(rows: int) -> tuple[float, float]:
    """Lines of two files a second, with reading and writing; and the most memory of this process in MB.

    Raises:
        OperationError: the files cannot be written.
    """
    with tempfile.TemporaryDirectory(prefix="bench-reconcile-") as temporary:
        folder = Path(temporary)
        for side, name in enumerate(("left.csv", "right.csv")):
            _write(folder / name, rows, side)
        (folder / "rules.json").write_text(json.dumps({"left": _MAPPING, "right": _MAPPING, "passes": _PASSES}))
        began = time.perf_counter()
        inputs = Inputs(folder / "left.csv", folder / "right.csv", read_file_rules(folder / "rules.json"))
        with written(folder / "out") as (results, scratch):
            summary = match_files(inputs, results, scratch, lambda _done, _total: None)
            results.write_summary(summary.as_json())
        passed = time.perf_counter() - began
    return sum(summary.lines.values()) / passed, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def sums_s(bounds: Bounds, wholes: int) -> float:
    """Seconds of a pass in which sums are looked for in vain, for so many lines with as many candidates as may be."""
    parts = [
        Line(f"p{number}", 2 * (10**9 + number**3), "EUR", _FIRST_DAY, {"order": f"O{number}"})
        for number in range(bounds.subset_candidates)
    ]
    # All parts are even, and the whole is not: every choice is looked through.
    total = sum(part.amount_minor for part in parts)
    whole = [Line(f"w{number}", total - 2 * number - 1, "EUR", _FIRST_DAY) for number in range(wholes)]
    rules = Rules(passes=(Pass(name="sums", date_window_days=(0, 0), cardinality="1:n"),), bounds=bounds)
    began = time.process_time()
    found = match(rules, whole, parts)
    passed = time.process_time() - began
    assert not found.matches
    return passed


def measure_reconcile(lines: int, rows: int, bounds: Bounds | None = None) -> ReconcileCost:
    """All of it; memory first, for a process gives little back."""
    bounds = bounds or Bounds()
    file_lines_per_s, peak_rss_mb = files_cost(rows)
    lines, lines_per_s = exact_lines_per_s(lines)
    # Each search takes two halves.
    each = 2 * 2 ** (bounds.subset_candidates // 2)
    return ReconcileCost(
        lines=lines,
        lines_per_s=lines_per_s,
        rows=rows,
        file_lines_per_s=file_lines_per_s,
        peak_rss_mb=peak_rss_mb,
        candidates=bounds.subset_candidates,
        one_sum_ms=min(sums_s(bounds, 1) for _ in range(_RUNS)) * 1e3,
        subset_steps=bounds.subset_steps,
        all_sums_s=sums_s(bounds, bounds.subset_steps // each + 1),
    )


@click.command()
@click.option("--lines", type=click.IntRange(min=1_000), default=400_000, show_default=True, help="Matched in memory.")
@click.option("--rows", type=click.IntRange(min=1_000), default=1_000_000, show_default=True, help="Of each file.")
@click.option("--subset-steps", type=click.IntRange(min=1_000), help="Sums of a pass; as rules have it if left out.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON for scripts.")
def main(lines: int, rows: int, subset_steps: int | None, as_json: bool) -> None:
    """Measure what reconciliation costs without Kafka."""
    cost = measure_reconcile(lines, rows, Bounds() if subset_steps is None else Bounds(subset_steps=subset_steps))
    if as_json:
        print_json(cost.as_json())
    else:
        click.echo(cost.told())


if __name__ == "__main__":
    # As the command does.
    collect_rarely()
    main()
