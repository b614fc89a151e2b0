"""Requests a second of this pipeline and of others, each on the same requests in the same topic."""

from __future__ import annotations

import math
import statistics
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ops.bench.stage import Place, Stage, Usage, require_running
from ops.bench.watch import Growth, count_committed, growth, open_watch
from ops.errors import OperationError
from schemas.topics import LEDGER_EVENTS, TRANSACTION_OUTCOMES, WALLET_BALANCES

#: A slow pipeline is measured for so long.
SLOW_LIMIT_S: Final = 30.0
_LIMIT_S: Final = 300.0
_PEERS: Final = Path(__file__).with_name("peers")


@dataclass(frozen=True, slots=True)
class Throughput:
    """One pipeline's run."""

    requests_per_s: float
    #: Requests answered within the time measured, and how long that was.
    answered: int
    seconds: float
    #: Processor seconds a second, broker not counted.
    cores: float
    peak_rss_mb: float

    def as_json(self) -> dict[str, Any]:
        """For scripts."""
        return {
            "requests_per_s": None if math.isnan(self.requests_per_s) else round(self.requests_per_s),
            "answered": self.answered,
            "seconds": round(self.seconds, 2),
            "cores": round(self.cores, 2),
            "peak_rss_mb": round(self.peak_rss_mb),
        }


def median(runs: Sequence[Throughput]) -> Throughput:
    """The run in the middle by requests a second; the lower of two."""
    return sorted(runs, key=lambda run: run.requests_per_s)[(len(runs) - 1) // 2]


def spread(values: Sequence[float]) -> float:
    """Largest less smallest, as a share of the median."""
    return (max(values) - min(values)) / statistics.median(values) if values else 0.0


class _Told:
    """Shows progress, and counts processor time from the first record that came to the last."""

    def __init__(self, stage: Stage, name: str, usage: Usage):
        self._stage, self._name, self._usage = stage, name, usage
        self._share = 0.0
        self.cores = 0.0

    def __call__(self, share: float) -> None:
        if share and not self._share:
            self._usage.reset()
        elif share != self._share:
            self.cores = self._usage.cores()
        self._share = share
        self._stage.tell(self._name, share)


async def ours(stage: Stage, place: Place, name: str = "ours") -> Throughput:
    """One ledger worker on what waits in its topic, from its first outcome to the last.

    Raises:
        OperationError: it ended, or did not answer every request exactly once.
    """
    outcomes = place.output(TRANSACTION_OUTCOMES)
    before = await count_committed(stage.brokers, outcomes, _is_answer)
    async with open_watch(stage.brokers, outcomes) as watch:
        with stage.worker(place) as worker:
            usage = Usage(worker.pid)
            told = _Told(stage, name, usage)
            samples = await watch.until_idle(
                place.requests,
                idle_s=1.5,
                limit_s=_LIMIT_S,
                alive=lambda: require_running(worker),
                on_progress=told,
            )
            peak_rss_mb = usage.peak_rss_mb()
    grown = growth(samples)
    answered = await count_committed(stage.brokers, outcomes, _is_answer) - before
    if answered != place.requests:
        raise OperationError(f"{place.requests} requests led to {answered} answers; run `walletstream verify`")
    return Throughput(_rate(answered, grown), answered, grown.seconds, told.cores, peak_rss_mb)


def _is_answer(outcome: bytes) -> bool:
    return b'"kind":"answer"' in outcome


def _rate(answered: float, grown: Growth) -> float:
    """Answers a second; NaN where all of them came between two looks."""
    return answered * grown.share / grown.seconds if grown.seconds else math.nan


async def peer(
    stage: Stage,
    name: str,
    place: Place,
    command: Sequence[str],
    output: str,
    *,
    idle_s: float = 1.0,
    limit_s: float = _LIMIT_S,
) -> Throughput:
    """Another pipeline that writes one record to `output` for each request.

    Raises:
        OperationError: it ended, or wrote nothing.
    """
    async with open_watch(stage.brokers, output) as watch:
        with stage.process(name, command) as process:
            usage = Usage(process.pid)
            told = _Told(stage, name, usage)
            samples = await watch.until_idle(
                place.requests,
                idle_s=idle_s,
                limit_s=limit_s,
                alive=lambda: stage.require_alive(name, process),
                on_progress=told,
            )
            peak_rss_mb = usage.peak_rss_mb()
            answered = await count_committed(stage.brokers, output)
    grown = growth(samples)
    # What it wrote after the last sample is not counted.
    share_seen = min(1.0, (samples[-1].offsets - samples[0].offsets) / max(answered, 1))
    return Throughput(_rate(answered * share_seen, grown), answered, grown.seconds, told.cores, peak_rss_mb)


async def ceiling(stage: Stage, place: Place) -> Throughput:
    """aiokafka in and out again: each request's own bytes, in transactions, nothing decoded."""
    return await _ceiling(stage, place, "copy", {"outcomes": "copy"})


async def ceiling_of_our_output(stage: Stage, place: Place, bytes_by_topic: dict[str, float]) -> Throughput:
    """The same, writing as many bytes to as many topics as the ledger does."""
    sizes = {
        "events": round(bytes_by_topic[LEDGER_EVENTS]),
        "balances": round(bytes_by_topic[WALLET_BALANCES]),
        "outcomes": round(bytes_by_topic[TRANSACTION_OUTCOMES]),
    }
    return await _ceiling(stage, place, "output", {name: str(size) for name, size in sizes.items()})


async def _ceiling(stage: Stage, place: Place, kind: str, outputs: dict[str, str]) -> Throughput:
    name = f"ceiling-{kind}"
    prefix = f"{place.namespace}{name}-"
    await stage.create(*[prefix + output for output in outputs])
    described = [f"{output}={size}" for output, size in outputs.items()]
    module = ["-P", "-m", "ops.bench.peers.ceiling", stage.brokers, place.input, prefix]
    return await peer(stage, name, place, [sys.executable, *module, *described], f"{prefix}outcomes")


async def plain_faust(stage: Stage, place: Place) -> Throughput:
    """Plain Faust, as its documentation teaches it; measured for a while, for it does not come to the end soon."""
    prefix = f"{place.namespace}faust-"
    await stage.create(f"{prefix}events", f"{prefix}outcomes")
    command = [sys.executable, "-P", str(_PEERS / "faust_app.py"), place.input, prefix, stage.brokers]
    return await peer(stage, "faust", place, command, f"{prefix}outcomes", idle_s=5.0, limit_s=SLOW_LIMIT_S)


def quix(python: Path) -> Callable[[Stage, Place], Any]:
    """Quix Streams with exactly-once, in the environment of this Python."""

    async def run(stage: Stage, place: Place) -> Throughput:
        prefix = f"{place.namespace}quix-"
        await stage.create(f"{prefix}events", f"{prefix}outcomes")
        state = stage.state_dir(place) / "quix"
        state.mkdir(parents=True, exist_ok=True)
        command = [str(python), "-P", str(_PEERS / "quix_app.py"), place.input, prefix, stage.brokers, str(state)]
        return await peer(stage, "quix", place, command, f"{prefix}outcomes", idle_s=3.0)

    return run
