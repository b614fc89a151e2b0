"""`walletstream load`: generated requests at a steady rate, and how long their outcomes take."""

from __future__ import annotations

import math
import secrets
import time
from typing import Any

import click
from rich.console import Console
from rich.live import Live
from rich.table import Table

from ops.cli.numbers import Finite
from ops.cli.running import print_json, read_settings, run
from ops.load import OPERATIONS, RequestMaker, Shape
from ops.measure import Measured, measure_load
from ops.tracker import Tracker


class Mix(click.ParamType):
    """`credit,debit=2`: operations with weights, 1 where none is given."""

    name = "mix"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> dict[str, float]:
        """The weights by operation."""
        mix = {}
        for part in str(value).split(","):
            operation, _, weight = part.partition("=")
            try:
                mix[operation.strip()] = float(weight) if weight else 1.0
            except ValueError:
                self.fail(f"{weight!r} is no number", param, ctx)
            if operation.strip() not in OPERATIONS:
                self.fail(f"{operation.strip()!r} is none of {', '.join(OPERATIONS)}", param, ctx)
            if not 0 <= mix[operation.strip()] < math.inf:
                self.fail(f"the weight of {operation.strip()} must be 0 or more", param, ctx)
        if not any(mix.values()):
            self.fail("one weight at least must be above 0", param, ctx)
        return mix


@click.command("load")
@click.option(
    "--rate",
    type=Finite(min=0, min_open=True),
    default=500.0,
    show_default=True,
    help="Requests a second.",
)
@click.option("--seconds", type=Finite(min=0, min_open=True), default=30.0, show_default=True, help="How long to send.")
@click.option(
    "--wallets", type=click.IntRange(min=2), default=1_000, show_default=True, help="How many wallets to send for."
)
@click.option(
    "--mix",
    type=Mix(),
    default="credit=3,debit=2",
    show_default=True,
    help="Operations and weights: credit, debit, transfer.",
)
@click.option(
    "--duplicates",
    type=Finite(0, 1),
    default=0.0,
    show_default=True,
    help="Share that repeats an earlier one.",
)
@click.option(
    "--hot-wallet",
    type=Finite(0, 1),
    default=0.0,
    show_default=True,
    help="Share of transfers that pay one merchant.",
)
@click.option("--seed", type=int, default=1, show_default=True, help="Of the generated requests.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON for scripts.")
def load(
    rate: float,
    seconds: float,
    wallets: int,
    mix: dict[str, float],
    duplicates: float,
    hot_wallet: float,
    seed: int,
    as_json: bool,
) -> None:
    """Send requests at a steady rate, whatever the answers do, and time each until its outcome is committed.

    Wallets load-0, load-1, ... are opened and funded first. Latency counts from when a request was to be sent.
    """
    settings = read_settings()
    shape = Shape(wallets=wallets, mix=mix, duplicates=duplicates, hot=hot_wallet, run=secrets.token_hex(4), seed=seed)
    console = Console(stderr=True)
    view = _View()
    with Live(console=console, refresh_per_second=4, get_renderable=view.render, transient=True):
        measured = run(
            measure_load(
                settings,
                settings.namespace,
                lambda partitions: RequestMaker(shape, partitions),
                rate=rate,
                seconds=seconds,
                on_start=view.begin,
            )
        )
    value = {"rate": rate, "seconds": seconds, "wallets": wallets, "mix": mix, **measured.as_json()}
    if as_json:
        print_json(value)
    else:
        _print(measured)
    if measured.tracker.doubled:
        raise click.ClickException(
            f"{measured.tracker.doubled} requests were answered twice; run `walletstream verify`"
        )


class _View:
    """What is seen while the load runs."""

    def __init__(self) -> None:
        self._tracker: Tracker | None = None
        self._last = (0.0, 0, 0)
        self._row: tuple[str, ...] = ()

    def begin(self, tracker: Tracker) -> None:
        self._tracker = tracker
        self._last = (time.perf_counter(), 0, 0)

    def render(self) -> Table | str:
        tracker = self._tracker
        if tracker is None:
            return "opening wallets ..."
        now = time.perf_counter()
        then, sent, answered = self._last
        if not self._row or now - then >= 1.0:
            recent = tracker.latencies.since_last()
            self._row = (
                f"{(tracker.sent - sent) / max(now - then, 0.001):,.0f}",
                f"{(tracker.answered - answered) / max(now - then, 0.001):,.0f}",
                f"{tracker.waiting:,}",
                f"{recent.p50:.1f}",
                f"{recent.p99:.1f}",
                f"{recent.max:.1f}",
                "  ".join(f"{code} {count:,}" for code, count in tracker.codes.most_common()),
            )
            self._last = (now, tracker.sent, tracker.answered)
        table = Table("sent/s", "answered/s", "waiting", "p50 ms", "p99 ms", "max ms", "codes")
        table.add_row(*self._row)
        return table


def _print(measured: Measured) -> None:
    tracker = measured.tracker
    took = tracker.latencies.summary()
    click.echo(
        f"{tracker.sent} requests in {measured.seconds:.1f} s ({tracker.sent / measured.seconds:,.0f}/s), "
        f"{tracker.answered} answered, {tracker.replayed} of them replayed, {tracker.doubled} answered twice"
    )
    click.echo(f"latency ms: p50 {took.p50:.1f}, p95 {took.p95:.1f}, p99 {took.p99:.1f}, max {took.max:.1f}")
    for code, count in tracker.codes.most_common():
        click.echo(f"{count:>10}  {code}")
    for code, count in tracker.updates.most_common():
        click.echo(f"{count:>10}  {code} (updates)")
