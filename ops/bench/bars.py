"""What the project promises of its speed and memory, and what a benchmark has found of it. Pure."""

from __future__ import annotations

import math
import statistics
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from ops.bench.report import Report

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


def bars_of(report: Report) -> list[Bar]:
    """Every promise that can be judged by what was measured."""
    ours, bars = report.requests_per_s("ours"), []
    for pipeline, name, bound in (
        ("faust", "times plain Faust", LEAST_TIMES_FAUST),
        ("quix", "times Quix Streams, exactly-once", LEAST_TIMES_QUIX),
        ("ceiling", "of the raw ceiling", LEAST_OF_CEILING),
    ):
        if pipeline in report.throughput and "ours" in report.throughput:
            bars.append(Bar(name, ours / report.requests_per_s(pipeline), bound, True))
    if "mixed" in report.throughput and "ours" in report.throughput:
        ratio = report.requests_per_s("mixed") / ours
        bars.append(Bar("of the simple load, by the mixed one", ratio, LEAST_OF_SIMPLE, True))
    for latency in report.latency:
        if latency.rate in MOST_P99_MS:
            name = f"p99 ms at {latency.rate:,.0f}/s"
            bars.append(Bar(name, latency.took.p99, MOST_P99_MS[latency.rate], False))
    if report.recovery:
        slowest = min(recovery.events_per_s for recovery in report.recovery)
        bars.append(Bar("events/s restored from the log", slowest, LEAST_EVENTS_PER_S, True))
    if len(report.recovery) == 2:
        first, second = report.recovery
        if first.wallets >= MANY_WALLETS:
            most = max(first.rss_mb, second.rss_mb)
            bars.append(Bar(f"MB resident with {first.wallets:,} wallets", most, MOST_RSS_MB, False))
        bars.append(Bar("times the memory for a log twice as long", second.rss_mb / first.rss_mb, MOST_GROWTH, False))
    return bars + _holds_bars(report) + _fraud_bars(report) + _reconcile_bars(report)


def _holds_bars(report: Report) -> list[Bar]:
    bars = []
    for found in report.holds:
        if found.holds >= MANY_HOLDS:
            name = f"s to end {found.expired:,} of {found.holds:,} holds"
            bars.append(Bar(name, statistics.median(found.tick_s), MOST_TICK_S, False))
    if len(report.holds) == 2:
        few, many = report.holds
        times = many.holds // few.holds
        bars.append(
            Bar(f"times the rows with {times} times the holds", many.rows_read / few.rows_read, MOST_ROWS, False)
        )
    return bars


def _fraud_bars(report: Report) -> list[Bar]:
    found = report.fraud_engine
    if found is None:
        return []
    bars = [
        Bar(f"facts/s shown to {rules} fraud rules", found.facts_per_s[rules], least, True)
        for rules, least in LEAST_FACTS_PER_S.items()
    ]
    bars.append(Bar("times the cost with a full window", found.times_many, MOST_TIMES_WINDOW, False))
    return bars + _fraud_stream_bars(report)


def _fraud_stream_bars(report: Report) -> list[Bar]:
    if report.fraud_stream is None:
        return []
    throughput, latency = report.fraud_stream.throughput, report.fraud_stream.latency
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


def _reconcile_bars(report: Report) -> list[Bar]:
    found = report.reconcile
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
