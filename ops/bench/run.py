"""The whole benchmark: every measurement one after the other, on one broker that is made for it."""

from __future__ import annotations

import tempfile
from collections.abc import Awaitable, Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final

from ops.bench.apart import apart
from ops.bench.core import measure
from ops.bench.fraud_engine import EngineCost
from ops.bench.fraud_stream import fraud_stream
from ops.bench.holds_apart import holds_apart
from ops.bench.latency import hot_wallet, latency_at
from ops.bench.machine import machine_facts, versions
from ops.bench.mixed import mixed
from ops.bench.reconcile import ReconcileCost
from ops.bench.recovery import recoveries
from ops.bench.report import Report
from ops.bench.stage import Place, Stage, Tell
from ops.bench.throughput import Throughput, ceiling, ceiling_of_our_output, ours, plain_faust, quix
from ops.broker import EmbeddedBroker
from ops.errors import OperationError
from ops.load import Shape
from schemas.matching_rules import Bounds

#: What can be measured, in order.
PARTS: Final = (
    "ours",
    "ceiling",
    "output-ceiling",
    "quix",
    "faust",
    "mixed",
    "latency",
    "hot",
    "recovery",
    "holds",
    "fraud",
    "reconcile",
)
_PIPELINES: Final = PARTS[:5]
#: What is measured in each throughput run.
_THROUGHPUTS: Final = PARTS[:6]
_RATES: Final = (500.0, 5_000.0)
_TRANSFERS: Final = {"transfer": 1.0}


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much of everything."""

    #: Requests of one throughput run, besides opening and funding the wallets.
    requests: int = 300_000
    wallets: int = 10_000
    runs: int = 3
    latency_wallets: int = 1_000
    latency_s: float = 30.0
    #: How long the highest rate runs first: a young Java machine compiles on the processors that are measured.
    warm_up_s: float = 20.0
    hot_requests: int = 100_000
    hot_rate: float = 1_000.0
    many_wallets: int = 1_000_000
    #: Open holds; those that one tick ends; how many times fewer holds it is compared with.
    many_holds: int = 1_000_000
    expiring: int = 10_000
    times_fewer_holds: int = 10
    #: Facts that are shown to fraud rules.
    facts: int = 100_000
    #: Lines that are matched in memory, rows of each of two files, sums that a pass forms.
    lines: int = 400_000
    rows: int = 1_000_000
    subset_steps: int = Bounds().subset_steps
    #: Ledger events that wait for the fraud role; then how many come in a second, and for how long.
    fraud_events: int = 150_000
    fraud_rate: float = 1_000.0
    fraud_s: float = 30.0

    def quick(self) -> Sizes:
        """Enough to see that everything works; nothing to judge by."""
        return replace(
            self,
            requests=20_000,
            wallets=1_000,
            runs=1,
            latency_s=5.0,
            warm_up_s=0.0,
            hot_requests=5_000,
            many_wallets=10_000,
            many_holds=10_000,
            expiring=300,
            facts=10_000,
            lines=20_000,
            rows=10_000,
            subset_steps=100_000,
            fraud_events=10_000,
            fraud_s=5.0,
        )


def quix_python(folder: Path = Path("var/bench-venv")) -> Path | None:
    """The Python of the environment that has Quix Streams; `make bench` makes it. None where it is missing."""
    python = (folder / "bin" / "python").absolute()
    return python if python.exists() else None


def count_steps(sizes: Sizes, only: Collection[str]) -> int:
    """How many measurements that are, for a progress bar."""
    throughputs = sum(1 for part in _THROUGHPUTS if part in only)
    others = ("hot" in only) + ("recovery" in only) + 2 * ("holds" in only)
    others += 2 * ("fraud" in only) + ("reconcile" in only)
    return throughputs * sizes.runs + len(_RATES) * ("latency" in only) + others


@contextmanager
def open_stage(tell: Tell, folder: Path = Path("var")) -> Iterator[Stage]:
    """A broker of its own in a folder of its own, which is removed afterwards.

    Raises:
        BrokerError: the broker does not start.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="bench-", dir=folder, ignore_cleanup_errors=True) as temporary:
        here = Path(temporary).absolute()
        with EmbeddedBroker(here / "broker") as broker:
            yield Stage(broker, here, tell)


async def run_bench(
    stage: Stage, sizes: Sizes, only: Collection[str], on_step: Callable[[], None], *, judged: bool = True
) -> Report:
    """Measure the parts named in `only`; `judged` says whether the sizes are large enough to judge by.

    Raises:
        OperationError: this pipeline does not work.
    """
    python = quix_python() if "quix" in only else None
    report = Report(machine_facts(), versions(python), asdict(sizes), judged)
    if "quix" in only and python is None:
        report.missing["quix"] = "its environment is missing: run `make bench`"
    for run in range(sizes.runs if any(part in only for part in _THROUGHPUTS) else 0):
        await _throughput(stage, sizes, only, python, run, report, on_step)
    if "latency" in only:
        shape = Shape(wallets=sizes.latency_wallets, duplicates=0.02, name="latency")
        if sizes.warm_up_s:
            await latency_at(stage, max(_RATES), sizes.warm_up_s, shape)
        for rate in _RATES:
            report.latency.append(await latency_at(stage, rate, sizes.latency_s, shape))
            on_step()
    if "hot" in only:
        shape = Shape(wallets=sizes.latency_wallets, mix=_TRANSFERS, hot=0.5, duplicates=0.02, name="hot")
        report.hot = await hot_wallet(stage, shape, sizes.hot_requests, sizes.hot_rate, sizes.latency_s)
        on_step()
    if "recovery" in only:
        report.recovery = await recoveries(stage, sizes.many_wallets)
        on_step()
    if "holds" in only:
        for holds in (sizes.many_holds // sizes.times_fewer_holds, sizes.many_holds):
            report.holds.append(await holds_apart(stage, holds, sizes.expiring))
            on_step()
    if "fraud" in only:
        stage.tell("fraud rules", 0.0)
        report.fraud_engine = await apart("ops.bench.fraud_engine", ["--facts", sizes.facts], EngineCost)
        on_step()
        try:
            report.fraud_stream = await fraud_stream(stage, sizes.fraud_events, sizes.fraud_rate, sizes.fraud_s)
        except OperationError as error:
            # A worker that does not keep up says nothing of the rest.
            report.missing["fraud on Kafka"] = str(error)
        on_step()
    if "reconcile" in only:
        stage.tell("reconciliation", 0.0)
        asked = ["--lines", sizes.lines, "--rows", sizes.rows, "--subset-steps", sizes.subset_steps]
        report.reconcile = await apart("ops.bench.reconcile", asked, ReconcileCost)
        on_step()
    return report


async def _throughput(
    stage: Stage,
    sizes: Sizes,
    only: Collection[str],
    python: Path | None,
    run: int,
    report: Report,
    on_step: Callable[[], None],
) -> None:
    """All pipelines on the same requests, in a namespace of this run."""
    shape = Shape(wallets=sizes.wallets, duplicates=0.02, name="bench", seed=run + 1)
    bytes_by_topic = measure(5_000, 500, shape).bytes_by_topic if "output-ceiling" in only else {}

    async def output_ceiling(stage: Stage, place: Place) -> Throughput:
        return await ceiling_of_our_output(stage, place, bytes_by_topic)

    pipelines: dict[str, Callable[[Stage, Place], Awaitable[Throughput]]] = {
        "ours": ours,
        "ceiling": ceiling,
        "output-ceiling": output_ceiling,
        "faust": plain_faust,
    }
    if python is not None:
        pipelines["quix"] = quix(python)
    async with stage.place() as place:
        place = await stage.preload(place, shape, sizes.requests)
        for name in [name for name in _PIPELINES if name in only and name in pipelines]:
            try:
                report.throughput.setdefault(name, []).append(await pipelines[name](stage, place))
            except OperationError as error:
                if name == "ours":
                    raise
                report.throughput.pop(name, None)
                report.missing[name] = str(error)
            on_step()
    if "mixed" in only:
        report.throughput.setdefault("mixed", []).append(await mixed(stage, shape, sizes.requests))
        on_step()
