"""What a benchmark has found, as tables for people. Pure."""

from __future__ import annotations

import statistics

from rich.table import Table

from ops.bench.report import Report
from ops.bench.throughput import median, spread


def tables_of(report: Report) -> list[Table]:
    """All that was measured, and the bars."""
    parts = _throughput(report), _latency(report), _recovery(report), _holds(report)
    tables = [*parts, _fraud(report), _fraud_stream(report), _reconcile(report), _bars(report)]
    return [table for table in tables if table]


def _throughput(report: Report) -> Table | None:
    if not report.throughput:
        return None
    table = Table("pipeline", "requests/s", "cores", "peak MB", "spread", "runs", title="Throughput (median run)")
    for name, runs in report.throughput.items():
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


def _latency(report: Report) -> Table | None:
    rows = [(f"{found.rate:,.0f}/s", found) for found in report.latency]
    title = "Latency, ms, from produce to committed outcome"
    if report.hot is not None:
        rows.append((f"{report.hot.at_rate.rate:,.0f} transfers/s, half to one wallet", report.hot.at_rate))
        title += (
            f"\n{report.hot.transfers_per_s:,.0f} transfers/s at most with a hot wallet; lag of its partition "
            f"{report.hot.hot_lag:,}, of others {report.hot.other_lag:,}"
        )
    if not rows:
        return None
    table = Table("load", "p50", "p95", "p99", "max", title=title)
    for name, found in rows:
        took = found.took
        table.add_row(name, f"{took.p50:.1f}", f"{took.p95:.1f}", f"{took.p99:.1f}", f"{took.max:.1f}")
    return table


def _recovery(report: Report) -> Table | None:
    if not report.recovery:
        return None
    table = Table("wallets", "events", "s", "events/s", "MB", "peak MB", title="Restore from the log")
    for found in report.recovery:
        table.add_row(
            f"{found.wallets:,}",
            f"{found.events:,}",
            f"{found.seconds:.1f}",
            f"{found.events_per_s:,.0f}",
            f"{found.rss_mb:,.0f}",
            f"{found.peak_rss_mb:,.0f}",
        )
    return table


def _holds(report: Report) -> Table | None:
    if not report.holds:
        return None
    table = Table("open holds", "tick s", "rows", "due us", "MB", "disk MB", title="Holds, and ticks that end some")
    for found in report.holds:
        table.add_row(
            f"{found.holds:,}",
            f"{statistics.median(found.tick_s):.2f}",
            f"{found.rows_read:.2f}",
            f"{found.due_us:,.0f}",
            f"{found.rss_mb:,.0f}",
            f"{found.disk_mb:,.0f}",
        )
    return table


def _fraud(report: Report) -> Table | None:
    found = report.fraud_engine
    if found is None:
        return None
    table = Table("facts", "facts/s", "us a fact", "alerts", title="Fraud rules without Kafka, one process")
    for rules, per_s in found.facts_per_s.items():
        table.add_row(f"{rules} rules", f"{per_s:,.0f}", f"{1e6 / per_s:.1f}", f"{found.alerts[rules]:,}")
    for facts, us in found.us_by_window.items():
        table.add_row(f"{facts:,} in the window", f"{1e6 / us:,.0f}", f"{us:.1f}", "")
    return table


def _reconcile(report: Report) -> Table | None:
    found = report.reconcile
    if found is None:
        return None
    table = Table("what", "measured", title="Reconciliation without Kafka, one process")
    table.add_row(f"{found.lines:,} lines matched exactly", f"{found.lines_per_s:,.0f} lines/s")
    table.add_row(f"two files of {found.rows:,} rows", f"{found.file_lines_per_s:,.0f} lines/s")
    table.add_row("at most resident", f"{found.peak_rss_mb:,.0f} MB")
    table.add_row(f"sums of {found.candidates} candidates", f"{found.one_sum_ms:.1f} ms")
    table.add_row(f"a pass of {found.subset_steps:,} sums", f"{found.all_sums_s:.1f} s")
    return table


def _fraud_stream(report: Report) -> Table | None:
    if report.fraud_stream is None:
        return None
    throughput, latency = report.fraud_stream.throughput, report.fraud_stream.latency
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


def _bars(report: Report) -> Table | None:
    bars = report.bars()
    if not bars:
        return None
    table = Table(
        "promise", "measured", "bound", "", title="Bars" if report.is_judged else "Bars (sizes too small to judge by)"
    )
    for bar in bars:
        sign = "≥" if bar.at_least else "≤"
        verdict = "[green]holds" if bar.holds else "[red]falls short"
        table.add_row(bar.name, f"{bar.value:,.2f}", f"{sign} {bar.bound:,.2f}", verdict)
    return table
