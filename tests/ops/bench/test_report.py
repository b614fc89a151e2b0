"""What a benchmark's figures say."""

from __future__ import annotations

import io
import json
import math

import pytest
from rich.console import Console

from ops.bench.bars import Bar
from ops.bench.fraud_engine import EngineCost
from ops.bench.fraud_latency import FraudLatency
from ops.bench.fraud_stream import FraudStream, FraudThroughput
from ops.bench.holds import Holds
from ops.bench.latency import Hot, Latency
from ops.bench.reconcile import ReconcileCost
from ops.bench.recovery import Recovery
from ops.bench.report import Report
from ops.bench.tables import tables_of
from ops.bench.throughput import Throughput
from ops.latencies import Percentiles

MILLION = 1_000_000


def run(requests_per_s: float) -> Throughput:
    return Throughput(requests_per_s, 300_000, 10.0, 1.1, 200.0)


def latency(rate: float, p99: float) -> Latency:
    return Latency(rate, Percentiles(100, 10.0, 20.0, p99, 80.0))


def report(**figures: float) -> Report:
    at: dict[str, float] = {
        "ours": 40_000,
        "faust": 1_600,
        "quix": 20_000,
        "ceiling": 307_000,
        "mixed": 24_000,
        "tick": 2.0,
        "rows": 4.2,
        "p99": 40,
        "p99_fast": 60,
        "restore": 60_000,
        "rss": 700,
        "rss_longer": 700,
        "facts": 35_000,
        "facts_of_many": 10_000,
        "window_us": 20,
        "lines": 20_000,
        "files_mb": 300,
        "one_sum_ms": 50,
        "all_sums_s": 60,
        "fraud_events": 8_000,
        "alert_p99": 300,
        "obeyed": 2.0,
    }
    at.update(figures)
    made = Report({"cores": 2}, {"python": "3.11"}, {})
    for name in ("ours", "ceiling", "quix", "faust", "mixed"):
        made.throughput[name] = [run(at[name] * 0.9), run(at[name]), run(at[name] * 1.1)]
    made.latency = [latency(500.0, at["p99"]), latency(5_000.0, at["p99_fast"])]
    made.hot = Hot(9_000.0, latency(1_000.0, 90.0), 1_200, 30)
    made.recovery = (
        Recovery(MILLION, int(at["restore"] * 10), 10.0, at["rss"], 800.0),
        Recovery(MILLION, int(at["restore"] * 10), 10.0, at["rss_longer"], 800.0),
    )
    made.holds = [holds(100_000, 0.1, 4.0), holds(MILLION, at["tick"], at["rows"])]
    made.fraud_engine = EngineCost(
        100_000, {10: at["facts"], 25: at["facts_of_many"]}, {10: 90, 25: 110}, {10: 10.0, 10_000: at["window_us"]}
    )
    made.reconcile = ReconcileCost(
        *(400_000, at["lines"], MILLION, 47_000.0, at["files_mb"]),
        *(24, at["one_sum_ms"], 20_000_000, at["all_sums_s"]),
    )
    made.fraud_stream = FraudStream(
        FraudThroughput(int(at["fraud_events"] * 10), 25, 10.0, 9.0, 300.0, 4_000),
        FraudLatency(
            1_000.0, 27, latency(1_000.0, 50.0).took, latency(1_000.0, at["alert_p99"]).took, 0.4, [0.1, at["obeyed"]]
        ),
    )
    return made


def holds(count: int, tick_s: float, rows_read: float) -> Holds:
    ticks = (tick_s / 2, tick_s, tick_s * 2)
    return Holds(count, count // 10, 10_000, ticks, ticks, rows_read, 6.0, 50.0, 51.0, 52.0, 53.0, 10_000, 260.0, 451.0)


def test_every_promise_is_judged_and_the_bound_itself_holds() -> None:
    bars = report().bars()
    assert [bar.name for bar in bars] == [
        "times plain Faust",
        "times Quix Streams, exactly-once",
        "of the raw ceiling",
        "of the simple load, by the mixed one",
        "p99 ms at 500/s",
        "p99 ms at 5,000/s",
        "events/s restored from the log",
        "MB resident with 1,000,000 wallets",
        "times the memory for a log twice as long",
        "s to end 10,000 of 1,000,000 holds",
        "times the rows with 10 times the holds",
        "facts/s shown to 10 fraud rules",
        "facts/s shown to 25 fraud rules",
        "times the cost with a full window",
        "ledger events/s of a fraud worker, 25 rules",
        "p99 ms from commit to alert at 1,000/s",
        "s until a published rule is obeyed",
        "lines/s matched exactly",
        "ms for sums of 24 candidates",
        "s for a pass of 20,000,000 sums",
        "MB for two files of 1,000,000 rows",
    ]
    assert all(bar.holds for bar in bars)
    assert report().ok


@pytest.mark.parametrize(
    ("figure", "value", "name"),
    [
        ("faust", 1_601, "times plain Faust"),
        ("quix", 20_001, "times Quix Streams, exactly-once"),
        ("ceiling", 308_000, "of the raw ceiling"),
        ("mixed", 23_999, "of the simple load, by the mixed one"),
        ("tick", 2.01, "s to end 10,000 of 1,000,000 holds"),
        ("rows", 4.21, "times the rows with 10 times the holds"),
        ("p99", 40.1, "p99 ms at 500/s"),
        ("p99_fast", 60.1, "p99 ms at 5,000/s"),
        ("restore", 59_999, "events/s restored from the log"),
        ("rss_longer", 700.1, "MB resident with 1,000,000 wallets"),
        ("facts", 34_999, "facts/s shown to 10 fraud rules"),
        ("facts_of_many", 9_999, "facts/s shown to 25 fraud rules"),
        ("window_us", 20.1, "times the cost with a full window"),
        ("lines", 19_999, "lines/s matched exactly"),
        ("files_mb", 301, "MB for two files of 1,000,000 rows"),
        ("one_sum_ms", 51, "ms for sums of 24 candidates"),
        ("all_sums_s", 61, "s for a pass of 20,000,000 sums"),
        ("fraud_events", 7_999, "ledger events/s of a fraud worker, 25 rules"),
        ("alert_p99", 300.1, "p99 ms from commit to alert at 1,000/s"),
        ("obeyed", 2.01, "s until a published rule is obeyed"),
        ("rss", 600, "times the memory for a log twice as long"),
    ],
)
def test_a_promise_that_is_missed_is_named(figure: str, value: float, name: str) -> None:
    missed = report(**{figure: value})
    assert [bar.name for bar in missed.bars() if not bar.holds] == [name]
    assert not missed.ok


def test_what_was_not_measured_is_not_judged_but_what_failed_is() -> None:
    part = report()
    del part.throughput["faust"], part.throughput["mixed"]
    part.recovery, part.latency, part.hot, part.holds, part.fraud_engine = (), [], None, [], None
    part.reconcile = None
    part.fraud_stream = None
    assert [bar.name for bar in part.bars()] == ["times Quix Streams, exactly-once", "of the raw ceiling"]
    assert part.ok
    part.missing["faust"] = "it ended with exit code 1"
    assert not part.ok


def test_few_wallets_say_nothing_of_a_million() -> None:
    few = report()
    few.recovery = (Recovery(10_000, 1, 1e-9, 900.0, 1.0), Recovery(10_000, 1, 1e-9, 900.0, 1.0))
    assert not any("resident" in bar.name for bar in few.bars())


def test_small_sizes_are_not_judged() -> None:
    quick = report(p99=1_000)
    quick.is_judged = False
    assert quick.ok
    assert quick.as_json()["judged"] is False


def test_an_unknown_value_does_not_hold() -> None:
    assert not Bar("x", math.nan, 1.0, True).holds
    assert not Bar("x", math.nan, 1.0, False).holds
    assert Bar("x", math.nan, 1.0, False).as_json()["value"] is None


def test_json_has_every_figure_and_tables_show_them() -> None:
    value = json.loads(json.dumps(report().as_json()))
    assert value["throughput"]["ours"]["median"]["requests_per_s"] == 40_000
    assert value["throughput"]["ours"]["spread"] == pytest.approx(0.2)
    assert [run["requests_per_s"] for run in value["throughput"]["ours"]["runs"]] == [36_000, 40_000, 44_000]
    assert value["latency"][1] == {
        "rate": 5_000.0,
        "count": 100,
        "p50_ms": 10.0,
        "p95_ms": 20.0,
        "p99_ms": 60,
        "max_ms": 80.0,
    }
    assert value["hot_wallet"]["hot_partition_lag"] == 1_200
    assert value["recovery"][0]["events_per_s"] == 60_000
    assert value["holds"][1]["tick_s"] == [1.0, 2.0, 4.0]
    assert value["reconcile"]["file_lines_per_s"] == 47_000
    assert value["fraud_stream"]["throughput"]["events_per_s"] == 8_000
    assert value["fraud_stream"]["throughput"]["events_per_cpu_s"] == 8_889
    assert value["fraud_stream"]["latency"]["by_device"]["p99_ms"] == 300
    assert value["bars"][0] == {
        "name": "times plain Faust",
        "value": 25.0,
        "bound": 25.0,
        "is": "at least",
        "holds": True,
    }
    console = Console(record=True, width=140, file=io.StringIO())
    for table in tables_of(report()):
        console.print(table)
    text = console.export_text()
    for shown in (
        "40,000",
        "1,000 transfers/s, half to one wallet",
        "1,200",
        "60,000",
        "451",
        "holds",
        "47,000 lines/s",
        "8,000 ledger events/s, 25 rules",
        "0.10, 2.00",
    ):
        assert shown in text
    assert tables_of(Report({}, {}, {})) == []
