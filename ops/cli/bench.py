"""`walletstream bench`: throughput, latency, restore, holds, fraud rules and reconciliation, beside other pipelines."""

from __future__ import annotations

from dataclasses import replace

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from ops.bench.report import Report
from ops.bench.run import PARTS, Sizes, count_steps, open_stage, run_bench
from ops.bench.tables import tables_of
from ops.broker import BrokerError
from ops.cli.running import print_json, run


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON for scripts.")
@click.option("--quick", is_flag=True, help="Small sizes, to see that it works; the bars are not judged.")
@click.option("--requests", type=click.IntRange(min=1_000), help="Requests of one throughput run. [default: 300000]")
@click.option("--runs", type=click.IntRange(min=1), help="Throughput runs; the median counts. [default: 3]")
@click.option("--only", type=click.Choice(PARTS), multiple=True, help="Measure only this; may be given several times.")
def bench(as_json: bool, quick: bool, requests: int | None, runs: int | None, only: tuple[str, ...]) -> None:
    """Measure this pipeline and others on the same requests, on an embedded broker of its own.

    The mixed load has all operations; the part holds opens a million and measures ticks that end 10,000 of them;
    the part fraud shows facts to 25 rules without Kafka, then ledger events to a worker of the role, and measures how
    soon alerts are there and a rule that is published is obeyed; the part reconcile matches lines, in one process and
    without Kafka.
    Takes half an hour on an otherwise idle machine; whatever else runs falsifies it. Quix Streams needs an
    environment of its own, which `make bench` makes. Exit code 1 where a bar is missed.
    """
    sizes = Sizes().quick() if quick else Sizes()
    sizes = replace(sizes, requests=requests or sizes.requests, runs=runs or sizes.runs)
    parts = only or PARTS
    console = Console(stderr=True)
    with Progress(
        TextColumn("{task.description}", justify="left"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
    ) as progress:
        whole = progress.add_task("bench", total=count_steps(sizes, parts))
        step = progress.add_task("", total=100)
        try:
            with open_stage(
                lambda name, share: progress.update(step, description=name, completed=share * 100)
            ) as stage:
                report = run(run_bench(stage, sizes, parts, lambda: progress.advance(whole), judged=not quick))
        except BrokerError as error:
            raise click.ClickException(str(error)) from error
    _show(report, as_json)
    if not report.ok:
        raise click.exceptions.Exit(1)


def _show(report: Report, as_json: bool) -> None:
    if as_json:
        print_json(report.as_json())
        return
    console = Console()
    facts, versions = report.machine, report.versions
    console.print(f"{facts['cpu']}, {facts['cores']} cores, {facts['memory_gb']} GB, {facts['system']}")
    console.print(", ".join(f"{name} {version}" for name, version in versions.items()))
    for table in tables_of(report):
        console.print(table)
    for name, why in report.missing.items():
        console.print(f"[red]not measured: {name}[/]: {why}")
