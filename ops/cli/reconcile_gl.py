"""`walletstream reconcile gl`: the trial balance and the journal of a day, matched with a core-banking file."""

from __future__ import annotations

from pathlib import Path

import click

from ops.cli.progress import progress_bar
from ops.cli.running import print_json, print_line, read_settings, run
from ops.errors import OperationError
from ops.reading import OnProgress, open_reader
from ops.reconcile import gl as general
from ops.reconcile.days import Period, read_period
from schemas.topics import LEDGER_EVENTS

#: Exit codes: the books hold, they do not or differ from the file, or it could not be told.
HOLDS, DIFFERS, CANNOT_RUN = 0, 1, 2

_FILE = click.Path(path_type=Path)


@click.command("gl", short_help="Trial balance and journal of a day, matched with a core-banking file.")
@click.option("--day", metavar="DAY", help="The UTC day, as 2026-11-23.")
@click.option("--from", "first", metavar="DAY", help="With --to: the first day of a longer period.")
@click.option("--to", "last", metavar="DAY", help="With --from: its last day, included.")
@click.option("--asset", "assets", multiple=True, metavar="ASSET", help="Only this asset; may be given several times.")
@click.option(
    "--out", type=_FILE, metavar="DIR", help="Write the journal and the trial balance here, as CSV and as JSON."
)
@click.option("--core", "core_file", type=_FILE, metavar="FILE.csv", help="A core-banking file to compare with.")
@click.option("--mapping", type=_FILE, metavar="M.json", help="With --core: which of its columns is what.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON for scripts.")
@click.pass_context
def gl(
    context: click.Context,
    day: str | None,
    first: str | None,
    last: str | None,
    assets: tuple[str, ...],
    out: Path | None,
    core_file: Path | None,
    mapping: Path | None,
    as_json: bool,
) -> None:
    """Show the general ledger of a day: opening, debits, credits and closing of each account class.

    All of `ledger-events` up to the end of the day is read, committed records only; memory does not grow with it. A
    day is the UTC day of `recorded_at`. Each partition's cut is printed, and whether anything can still be recorded on
    that day.

    --out writes journal-DAY.csv and .jsonl, an entry a row with its journal id `partition:sequence`, and
    trial-balance-DAY.csv and .json. --core compares with a file of accounts with debit and credit, or balance;
    --mapping names its columns and accounts: {"account": "Account", "asset": "Currency", "balance": "Closing",
    "accounts": {"100200": ["system/rail:cards"], "200100": ["2100", "2110"]}}.

    Exit code 0: debits equal credits, and the file agrees. 1: they do not. 2: it could not be told.
    """
    try:
        ledger = _read(read_period_told(day, first, last), assets, out, core_file, mapping)
    except click.ClickException as error:
        error.exit_code = CANNOT_RUN
        raise
    if as_json:
        print_json(ledger.as_json())
    else:
        for line in general.lines(ledger):
            print_line(line)
    context.exit(HOLDS if ledger.holds else DIFFERS)


def read_period_told(day: str | None, first: str | None, last: str | None) -> Period:
    """`read_period`, with its error as the command line tells it.

    Raises:
        click.UsageError: the days are none.
    """
    try:
        return read_period(day, first, last)
    except OperationError as error:
        raise click.UsageError(str(error)) from error


def _read(
    period: Period, assets: tuple[str, ...], out: Path | None, core_file: Path | None, mapping: Path | None
) -> general.GeneralLedger:
    if (core_file is None) != (mapping is None):
        raise click.UsageError("--core and --mapping belong together")
    settings = read_settings()

    async def work(on_progress: OnProgress) -> general.GeneralLedger:
        core = None if core_file is None or mapping is None else general.core_of(core_file, mapping)
        async with open_reader(settings, settings.namespace) as reader:
            return await general.general_ledger(
                reader, period, assets=assets, out=out, core=core, on_progress=on_progress
            )

    with progress_bar(f"reading {LEDGER_EVENTS}") as on_progress:
        return run(work(on_progress))
