"""What a benchmark has found, as JSON and as a table, and which bars it clears. Pure."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from rich.table import Table

from ops.bench.fraud_engine import EngineCost
from ops.bench.fraud_stream import FraudStream
from ops.bench.holds import Holds
from ops.bench.latency import Hot, Latency
from ops.bench.reconcile import ReconcileCost
from ops.bench.recovery import Recovery
from ops.bench.throughput import Throughput, median, spread

#: What the project promises.
LEAST_TIMES_FAUST: Final = 25.0
LEAST_TIMES_QUIX: Final = 2.0
LEAST_OF_CEILING: Final = 0.13
MOST_P99_MS: Final = {500.0: 40.0, 5_000.0: 60.0}
LEAST_EVENTS_PER_S: Final = 60_000.0
MANY_WALLETS: Final = 1_000_000
MOST_RSS_MB: Final = 700.0
LEAST_OF_SIMPLE: Final = 0.6
MANY_HOLDS: Final = 1_000_000
MOST_TICK_S: Final = 2.0
#: Rows read for a hold that ends may differ by so much between few open holds and many.
MOST_ROWS: Final = 1.05
#: Memory after a restore may differ by so much between a log and one twice as long.
MOST_GROWTH: Final = 1.10
#: Number of fraud rules -> facts a second that one process shows to them.
LEAST_FACTS_PER_S: Final = {10: 35_000.0, 25: 10_000.0}
#: Ledger events that a worker of the fraud role takes in a second with 25 rules.
LEAST_FRAUD_EVENTS_PER_S: Final = 8_000.0
MOST_ALERT_P99_MS: Final = 300.0
MOST_OBEYED_S: Final = 2.0
#: A fact may cost so many times more with ten thousand others in its windows than with ten.
MOST_TIMES_WINDOW: Final = 2.0
#: Lines a second that are matched exactly in one process.
LEAST_LINES_PER_S: Final = 20_000.0
#: Memory for two files of this many rows each, and how long sums may be looked for: of one line, of a pass.
MANY_ROWS: Final = 1_000_000
MOST_FILES_MB: Final = 300.0
MOST_ONE_SUM_MS: Final = 50.0
MOST_ALL_SUMS_S: Final = 60.0


class Bar(NamedTuple):
    """One promise: a value and its bound."""

    name: str
    value: float
    bound: float
    at_least: bool

    @property
    def holds(self) -> bool:
        """Whether the value is on the right side of the bound; one that is not known is not."""
        return self.value >= self.bound if self.at_least else self.value <= self.bound

    def as_json(self) -> dict[str, Any]:
        """For scripts."""
        return {
            "name": self.name,
            "value": None if math.isnan(self.value) else round(self.value, 3),
            "bound": self.bound,
            "is": "at least" if self.at_least else "at most",
            "holds": self.holds,
        }


@dataclass
class Report:
    """Everything measured; what was left out is empty."""

    machine: dict[str, Any]
    versions: dict[str, str]
    sizes: dict[str, Any]
    #: Whether the sizes are large enough to judge by.
    is_judged: bool = True
    #: Pipeline -> its runs.
    throughput: dict[str, list[Throughput]] = field(default_factory=dict)
    latency: list[Latency] = field(default_factory=list)
    hot: Hot | None = None
    recovery: Sequence[Recovery] = ()
    #: With few open holds, then with many.
    holds: list[Holds] = field(default_factory=list)
    fraud_engine: EngineCost | None = None
    reconcile: ReconcileCost | None = None
    fraud_stream: FraudStream | None = None
    #: What could not be measured, and why.
    missing: dict[str, str] = field(default_factory=dict)

    def requests_per_s(self, pipeline: str) -> float:
        """Of the run in the middle; NaN where there is none."""
        runs = self.throughput.get(pipeline)
        return median(runs).requests_per_s if runs else math.nan

    def bars(self) -> list[Bar]:
        """Every promise that can be judged by what was measured."""
        ours, bars = self.requests_per_s("ours"), []
        for pipeline, name, bound in (
            ("faust", "times plain Faust", LEAST_TIMES_FAUST),
            ("quix", "times Quix Streams, exactly-once", LEAST_TIMES_QUIX),
            ("ceiling", "of the raw ceiling", LEAST_OF_CEILING),
        ):
            if pipeline in self.throughput and "ours" in self.throughput:
                bars.append(Bar(name, ours / self.requests_per_s(pipeline), bound, True))
        if "mixed" in self.throughput and "ours" in self.throughput:
            ratio = self.requests_per_s("mixed") / ours
            bars.append(Bar("of the simple load, by the mixed one", ratio, LEAST_OF_SIMPLE, True))
        for latency in self.latency:
            if latency.rate in MOST_P99_MS:
                name = f"p99 ms at {latency.rate:,.0f}/s"
                bars.append(Bar(name, latency.took.p99, MOST_P99_MS[latency.rate], False))
        if self.recovery:
            slowest = min(recovery.events_per_s for recovery in self.recovery)
            bars.append(Bar("events/s restored from the log", slowest, LEAST_EVENTS_PER_S, True))
        if len(self.recovery) == 2:
            first, second = self.recovery
            if first.wallets >= MANY_WALLETS:
                most = max(first.rss_mb, second.rss_mb)
                bars.append(Bar(f"MB resident with {first.wallets:,} wallets", most, MOST_RSS_MB, False))
            bars.append(
                Bar("times the memory for a log twice as long", second.rss_mb / first.rss_mb, MOST_GROWTH, False)
            )
        return bars + self._holds_bars() + self._fraud_bars() + self._reconcile_bars()

    def _holds_bars(self) -> list[Bar]:
        bars = []
        for found in self.holds:
            if found.holds >= MANY_HOLDS:
                name = f"s to end {found.expired:,} of {found.holds:,} holds"
                bars.append(Bar(name, statistics.median(found.tick_s), MOST_TICK_S, False))
        if len(self.holds) == 2:
            few, many = self.holds
            times = many.holds // few.holds
            bars.append(
                Bar(f"times the rows with {times} times the holds", many.rows_read / few.rows_read, MOST_ROWS, False)
            )
        return bars

    def _fraud_bars(self) -> list[Bar]:
        found = self.fraud_engine
        if found is None:
            return []
        bars = [
            Bar(f"facts/s shown to {rules} fraud rules", found.facts_per_s[rules], least, True)
            for rules, least in LEAST_FACTS_PER_S.items()
        ]
        bars.append(Bar("times the cost with a full window", found.times_many, MOST_TIMES_WINDOW, False))
        return bars + self._fraud_stream_bars()

    def _fraud_stream_bars(self) -> list[Bar]:
        if self.fraud_stream is None:
            return []
        throughput, latency = self.fraud_stream.throughput, self.fraud_stream.latency
        slowest = max(latency.by_wallet.p99, latency.by_device.p99)
        return [
            Bar(
                f"ledger events/s of a fraud worker, {throughput.rules} rules",
                throughput.events_per_s,
                LEAST_FRAUD_EVENTS_PER_S,
                True,
            ),
            Bar(f"p99 ms from commit to alert at {latency.rate:,.0f}/s", slowest, MOST_ALERT_P99_MS, False),
            Bar("s until a published rule is obeyed", max(latency.obeyed_s), MOST_OBEYED_S, False),
        ]

    def _reconcile_bars(self) -> list[Bar]:
        found = self.reconcile
        if found is None:
            return []
        bars = [
            Bar("lines/s matched exactly", found.lines_per_s, LEAST_LINES_PER_S, True),
            Bar(f"ms for sums of {found.candidates} candidates", found.one_sum_ms, MOST_ONE_SUM_MS, False),
            Bar(f"s for a pass of {found.subset_steps:,} sums", found.all_sums_s, MOST_ALL_SUMS_S, False),
        ]
        if found.rows >= MANY_ROWS:
            bars.append(Bar(f"MB for two files of {found.rows:,} rows", found.peak_rss_mb, MOST_FILES_MB, False))
        return bars

    @property
    def ok(self) -> bool:
        """Whether everything was measured and holds; sizes too small to judge by are always ok."""
        return not self.is_judged or (not self.missing and all(bar.holds for bar in self.bars()))

    def as_json(self) -> dict[str, Any]:
        """For scripts."""
        bars = self.bars()
        return {
            "machine": self.machine,
            "versions": self.versions,
            "sizes": self.sizes,
            "throughput": {
                name: {
                    "median": median(runs).as_json(),
                    "runs": [run.as_json() for run in runs],
                    "spread": round(spread([run.requests_per_s for run in runs]), 3),
                }
                for name, runs in self.throughput.items()
            },
            "latency": [latency.as_json() for latency in self.latency],
            "hot_wallet": None if self.hot is None else self.hot.as_json(),
            "recovery": [recovery.as_json() for recovery in self.recovery],
            "holds": [found.as_json() for found in self.holds],
            "fraud_engine": None if self.fraud_engine is None else self.fraud_engine.as_json(),
            "reconcile": None if self.reconcile is None else self.reconcile.as_json(),
            "fraud_stream": None if self.fraud_stream is None else self.fraud_stream.as_json(),
            "missing": self.missing,
            "bars": [bar.as_json() for bar in bars],
            "judged": self.is_judged,
            "ok": self.ok,
        }

    def tables(self) -> list[Table]:
        """What people read."""
        parts = self._throughput(), self._latency(), self._recovery(), self._holds()
        tables = [*parts, self._fraud(), self._fraud_stream(), self._reconcile(), self._bars()]
        return [table for table in tables if table]

    def _throughput(self) -> Table | None:
        if not self.throughput:
            return None
        table = Table("pipeline", "requests/s", "cores", "peak MB", "spread", "runs", title="Throughput (median run)")
        for name, runs in self.throughput.items():
            middle = median(runs)
            table.add_row(
                name,
                f"{middle.requests_per_s:,.0f}",
                f"{middle.cores:.2f}",
                f"{middle.peak_rss_mb:,.0f}",
                f"{spread([run.requests_per_s for run in runs]):.0%}",
                str(len(runs)),
            )
        return table

    def _latency(self) -> Table | None:
        rows = [(f"{found.rate:,.0f}/s", found) for found in self.latency]
        title = "Latency, ms, from produce to committed outcome"
        if self.hot is not None:
            rows.append((f"{self.hot.at_rate.rate:,.0f} transfers/s, half to one wallet", self.hot.at_rate))
            title += (
                f"\n{self.hot.transfers_per_s:,.0f} transfers/s at most with a hot wallet; lag of its partition "
                f"{self.hot.hot_lag:,}, of others {self.hot.other_lag:,}"
            )
        if not rows:
            return None
        table = Table("load", "p50", "p95", "p99", "max", title=title)
        for name, found in rows:
            took = found.took
            table.add_row(name, f"{took.p50:.1f}", f"{took.p95:.1f}", f"{took.p99:.1f}", f"{took.max:.1f}")
        return table

    def _recovery(self) -> Table | None:
        if not self.recovery:
            return None
        table = Table("wallets", "events", "s", "events/s", "MB", "peak MB", title="Restore from the log")
        for found in self.recovery:
            table.add_row(
                f"{found.wallets:,}",
                f"{found.events:,}",
                f"{found.seconds:.1f}",
                f"{found.events_per_s:,.0f}",
                f"{found.rss_mb:,.0f}",
                f"{found.peak_rss_mb:,.0f}",
            )
        return table

    def _holds(self) -> Table | None:
        if not self.holds:
            return None
        table = Table("open holds", "tick s", "rows", "due us", "MB", "disk MB", title="Holds, and ticks that end some")
        for found in self.holds:
            table.add_row(
                f"{found.holds:,}",
                f"{statistics.median(found.tick_s):.2f}",
                f"{found.rows_read:.2f}",
                f"{found.due_us:,.0f}",
                f"{found.rss_mb:,.0f}",
                f"{found.disk_mb:,.0f}",
            )
        return table

    def _fraud(self) -> Table | None:
        found = self.fraud_engine
        if found is None:
            return None
        table = Table("facts", "facts/s", "us a fact", "alerts", title="Fraud rules without Kafka, one process")
        for rules, per_s in found.facts_per_s.items():
            table.add_row(f"{rules} rules", f"{per_s:,.0f}", f"{1e6 / per_s:.1f}", f"{found.alerts[rules]:,}")
        for facts, us in found.us_by_window.items():
            table.add_row(f"{facts:,} in the window", f"{1e6 / us:,.0f}", f"{us:.1f}", "")
        return table

    def _reconcile(self) -> Table | None:
        found = self.reconcile
        if found is None:
            return None
        table = Table("what", "measured", title="Reconciliation without Kafka, one process")
        table.add_row(f"{found.lines:,} lines matched exactly", f"{found.lines_per_s:,.0f} lines/s")
        table.add_row(f"two files of {found.rows:,} rows", f"{found.file_lines_per_s:,.0f} lines/s")
        table.add_row("at most resident", f"{found.peak_rss_mb:,.0f} MB")
        table.add_row(f"sums of {found.candidates} candidates", f"{found.one_sum_ms:.1f} ms")
        table.add_row(f"a pass of {found.subset_steps:,} sums", f"{found.all_sums_s:.1f} s")
        return table

    def _fraud_stream(self) -> Table | None:
        if self.fraud_stream is None:
            return None
        throughput, latency = self.fraud_stream.throughput, self.fraud_stream.latency
        title = (
            f"Fraud role on Kafka: {throughput.events_per_s:,.0f} ledger events/s, {throughput.rules} rules, "
            f"{throughput.cpu_s / throughput.seconds:.2f} cores, {throughput.peak_rss_mb:,.0f} MB\n"
            f"ms from commit to alert at {latency.rate:,.0f} events/s, {latency.cores:.2f} cores"
        )
        table = Table("key of the rule", "alerts", "p50", "p95", "p99", "max", title=title)
        for name, took in (("where the event arrives", latency.by_wallet), ("anywhere", latency.by_device)):
            table.add_row(
                name, f"{took.count:,}", f"{took.p50:.1f}", f"{took.p95:.1f}", f"{took.p99:.1f}", f"{took.max:.1f}"
            )
        obeyed = ", ".join(f"{each:.2f}" for each in latency.obeyed_s)
        table.add_section()
        table.add_row("s until a rule is obeyed", obeyed)
        return table

    def _bars(self) -> Table | None:
        bars = self.bars()
        if not bars:
            return None
        table = Table(
            "promise", "measured", "bound", "", title="Bars" if self.is_judged else "Bars (sizes too small to judge by)"
        )
        for bar in bars:
            sign = "≥" if bar.at_least else "≤"
            verdict = "[green]holds" if bar.holds else "[red]falls short"
            table.add_row(bar.name, f"{bar.value:,.2f}", f"{sign} {bar.bound:,.2f}", verdict)
        return table
