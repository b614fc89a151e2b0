"""`walletstream demo`: the whole pipeline on this machine, with a worker killed in the middle."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

import click
from rich.console import Console

from ops.amlsim_files import SAMPLE_BESIDE, SAMPLE_VARIABLE
from ops.broker import BrokerError
from ops.cli.running import prepare_clients, print_json
from ops.demo.alone import alone
from ops.demo.data import find_data
from ops.demo.day.page import summary
from ops.demo.day.run import live as live_a_day
from ops.demo.day.told import DayTold
from ops.demo.result import report, story_line
from ops.demo.run import Demo, Options
from ops.demo.story.run import tell
from ops.demo.story.told import Told
from ops.demo.view import LineView, LiveView, View
from ops.errors import OperationError

T = TypeVar("T", Told, DayTold)
_NARROWEST = 90


@click.command("demo")
@click.option("--fast", is_flag=True, help="A tenth of the transfers, generated: for a first look and for tests.")
@click.option("--workers", type=click.IntRange(1, 8), default=2, show_default=True, help="Ledger workers.")
@click.option("--kill/--no-kill", default=True, show_default=True, help="Kill a worker with -9 in the middle.")
@click.option(
    "--data",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help=f"Folder with AMLSim's nodes and transactions; default: {SAMPLE_VARIABLE}, else {SAMPLE_BESIDE} beside the "
    "checkout if it is there, else a generated set of its shape.",
)
@click.option(
    "--plot",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("var/demo.png"),
    show_default=True,
    help="Where the picture of throughput and latency goes.",
)
@click.option(
    "--story", "only_story", is_flag=True, help="Only the story of all operations; no load, and nobody killed."
)
@click.option(
    "--day", "only_day", is_flag=True, help="Only the day of settlement and reconciliation; no load, and nobody killed."
)
@click.option("--keep", is_flag=True, help="Keep the broker's data, the workers' state and the logs, and say where.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON for scripts; progress goes to standard error.")
def demo(
    fast: bool,
    workers: int,
    kill: bool,
    data: Path | None,
    plot: Path,
    only_story: bool,
    only_day: bool,
    keep: bool,
    as_json: bool,
) -> None:
    """Run the whole pipeline on this machine, in about a minute.

    A Kafka broker and ledger workers are started. First a story is told: every operation with its answer, its journal
    and the balances after it, and in the end a trial balance. Then AMLSim's wallets are opened and funded, and its
    transfers are sent with repeats, malformed records and overdrafts among them. A worker is killed with -9 in the
    middle and started again. At the end `verify` checks the ledger, and every balance is compared to the cent. Beside
    that a day of settlement and reconciliation is played: payouts over two rails, one of them down for a while, a
    partner's report and bank statements, exceptions that two people resolve, and the proof that the money is there.
    Exit code 0 only if all of it holds. Nothing is left running; nothing is left on the disk but the picture.
    Until the end it writes to the system's temporary folder, some hundred MiB; TMPDIR names another one.
    """
    console = Console(stderr=as_json)

    def write(line: str) -> None:
        console.print(line, markup=False, highlight=False, soft_wrap=True)

    prepare_clients()
    if only_story or only_day:
        if only_story and only_day:
            raise click.UsageError("--story and --day are each alone")
        (_tell if only_story else _live)(keep, as_json, write)
        return
    live = console.is_terminal and console.width >= _NARROWEST
    try:
        source = find_data(data, fast=fast)
        console.print(f"data: {source.origin}", highlight=False, soft_wrap=True)
        options = Options(source=source, fast=fast, workers=workers, kill=kill, keep=keep, plot=plot, write=write)
        view: View = LiveView(console) if live else LineView(lambda line: click.echo(line, err=as_json))
        try:
            result = Demo(options, view, lambda line: click.echo(line, err=True)).run()
        finally:
            view.close()
    except (BrokerError, OperationError) as error:
        raise click.ClickException(str(error)) from error
    if as_json:
        print_json(result.as_json())
    else:
        for line in report(result):
            click.echo(line)
        if result.kept is not None:
            click.echo(
                f"kept        {result.kept} (`walletstream broker --data-dir {result.kept}/broker` starts it again)"
            )
    if not result.holds:
        raise click.exceptions.Exit(1)


def _tell(keep: bool, as_json: bool, write: Callable[[str], None]) -> None:
    """Only the story."""
    told = _alone(lambda folder, servers: tell(folder, servers, write), keep)
    _end(told, f"story       {story_line(told)}; {told.seconds:.1f} s", as_json)


def _live(keep: bool, as_json: bool, write: Callable[[str], None]) -> None:
    """Only the day."""
    told = _alone(lambda folder, servers: live_a_day(folder, servers, write), keep)
    _end(told, f"day         {summary(told)}; {told.seconds:.1f} s", as_json)


def _alone(play: Callable[[Path, str], Coroutine[Any, Any, T]], keep: bool) -> T:
    try:
        return alone(play, keep=keep, announce=lambda line: click.echo(line, err=True))
    except (BrokerError, OperationError) as error:
        raise click.ClickException(str(error)) from error


def _end(told: Told | DayTold, line: str, as_json: bool) -> None:
    if as_json:
        print_json(told.as_json())
    else:
        click.echo(line)
        if told.kept is not None:
            click.echo(f"kept        {told.kept}")
    if not told.holds:
        raise click.exceptions.Exit(1)
