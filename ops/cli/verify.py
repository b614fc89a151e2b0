"""`walletstream verify`: the independent audit of the ledger."""

from __future__ import annotations

import click

from ops.cli.numbers import Finite
from ops.cli.progress import progress_bar
from ops.cli.running import print_json, read_settings, run
from ops.verify import run as verifying
from ops.verify.report import Report

#: Exit codes: the ledger holds, something was found, or the audit could not be made.
HOLDS, FAILED, CANNOT_RUN = 0, 1, 2


@click.command()
@click.option(
    "--wait",
    "wait_s",
    type=Finite(min=0),
    metavar="S",
    help="First wait so many seconds at most until the ledger has decided all that was sent.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON for scripts.")
@click.option(
    "--stores/--no-stores",
    default=True,
    show_default=True,
    help="Compare with workers' local states under WALLETSTREAM_DATA_DIR, if there are any.",
)
@click.pass_context
def verify(context: click.Context, wait_s: float | None, as_json: bool, stores: bool) -> None:
    """Prove the ledger from its event log, independently of the code that wrote it.

    Reads all that is committed: events, outcomes, inputs as far as they are kept, published balances and workers' local
    states. Every finding has a code, a place and a sentence; at most 100 of each code are printed. It may run
    while the ledger works; what is under way is then counted, not judged.

    Exit code 0: nothing found. 1: findings. 2: the audit could not be made, or the ledger did not get idle in time.
    """
    try:
        report = _audit(wait_s, stores)
    except click.ClickException as error:
        error.exit_code = CANNOT_RUN
        raise
    except KeyboardInterrupt:
        stopped = click.ClickException("interrupted: nothing is proven")
        stopped.exit_code = CANNOT_RUN
        raise stopped from None
    if as_json:
        print_json(report.as_json())
    else:
        for line in report.lines():
            click.echo(line)
    context.exit(HOLDS if report.is_ok else FAILED)


def _audit(wait_s: float | None, stores: bool) -> Report:
    settings = read_settings()
    with progress_bar("verifying") as on_progress:
        return run(
            verifying.verify(
                settings,
                settings.namespace,
                settings.partitions,
                retained_ms=settings.idempotency_retention_s * 1000,
                transactions_retained_ms=settings.transaction_retention_s * 1000,
                data_dir=settings.data_dir if stores else None,
                wait_s=wait_s,
                on_progress=on_progress,
            )
        )
