"""`walletstream reconcile prove`: the proofs of a day, made from the log alone, and published."""

from __future__ import annotations

from pathlib import Path

import click
import msgspec

from ops.cli.progress import progress_bar
from ops.cli.reconcile_gl import CANNOT_RUN, DIFFERS, HOLDS
from ops.cli.running import print_json, print_line, read_settings, run
from ops.errors import OperationError
from ops.reading import OnProgress, open_reader
from ops.reconcile import prove as proving
from ops.reconcile.days import read_day
from ops.reconcile.out_files import folder, write_json
from ops.reconcile.pairs import read_pair
from ops.reconcile.publishing import Published
from schemas.topics import LEDGER_EVENTS, RECONCILIATION_PROOFS


@click.command("prove", short_help="Prove that the money is there: safeguarding, and positions against statements.")
@click.option("--day", required=True, metavar="DAY", help="The UTC day, as 2026-11-23.")
@click.option(
    "--pair",
    "pairs",
    multiple=True,
    metavar="ACCOUNTS=ACCOUNT",
    help="Which account of the ledger is which account of statements, as rail:cards=cards-report; of several, joined "
    "by `+`, the sum. Without it the books of matching rules say so, and what has the same name belongs together.",
)
@click.option("--publish", is_flag=True, help="Write proofs that say something new to reconciliation-proofs.")
@click.option("--out", type=click.Path(path_type=Path), metavar="DIR", help="Write proofs-DAY.json here.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON for scripts.")
@click.pass_context
def prove(
    context: click.Context, day: str, pairs: tuple[str, ...], publish: bool, out: Path | None, as_json: bool
) -> None:
    """Prove the safeguarding identity of each asset at the end of a UTC day, and positions against statements.

    Confirmed cash with rails and banks, less what is owed to customers, is the surplus; below zero, the shortfall. It
    comes from `ledger-events`, and the same log gives the same proof to everybody: each names the last event and the
    last seal's hash of every partition. With statements of that day on `external-statements`, each account's closing
    balance is compared with the ledger's position.

    --publish writes them once the day is over in every partition. A proof that is there and says the same is not
    written again; one that says something else, as after a late statement, gets the next revision.

    Exit code 0: no shortfall and nothing unexplained. 1: there is one. 2: it could not be told.
    """
    try:
        found, published = _prove(day, pairs, publish)
        if out is not None:
            write_json(folder(out) / f"proofs-{day}.json", found.as_json())
    except click.ClickException as error:
        error.exit_code = CANNOT_RUN
        raise
    except OperationError as error:
        failed = click.ClickException(str(error))
        failed.exit_code = CANNOT_RUN
        raise failed from error
    if as_json:
        told = {"written": [msgspec.to_builtins(one) for one in published.written]} if published is not None else {}
        print_json({**found.as_json(), **told})
    else:
        for line in proving.lines(found):
            print_line(line)
        if published is not None:
            print_line(f"{RECONCILIATION_PROOFS}: {len(published.written)} written, {published.unchanged} unchanged")
    context.exit(HOLDS if found.holds else DIFFERS)


def _prove(day: str, pairs: tuple[str, ...], publish: bool) -> tuple[proving.Proven, Published | None]:
    settings = read_settings()
    read_day(day)
    named = [read_pair(pair) for pair in pairs]

    async def work(on_progress: OnProgress) -> tuple[proving.Proven, Published | None]:
        async with open_reader(settings, settings.namespace) as reader:
            found = await proving.prove(reader, day, named, on_progress=on_progress)
            return found, await proving.publish(reader, found) if publish else None

    with progress_bar(f"reading {LEDGER_EVENTS}") as on_progress:
        return run(work(on_progress))
