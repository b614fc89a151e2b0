"""What a benchmark has found, as JSON. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ops.bench.bars import Bar, bars_of
from ops.bench.fraud_engine import EngineCost
from ops.bench.fraud_stream import FraudStream
from ops.bench.holds import Holds
from ops.bench.latency import Hot, Latency
from ops.bench.reconcile import ReconcileCost
from ops.bench.recovery import Recovery
from ops.bench.throughput import Throughput, median, spread


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
        return bars_of(self)

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
