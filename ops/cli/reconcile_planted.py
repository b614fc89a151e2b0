"""`walletstream reconcile planted`: breaks that are planted by a seed, and whether each is found."""

from __future__ import annotations

import click
from rich.console import Console
from rich.table import Table

from ops.cli.running import print_json
from ops.reconcile.planted.score import Score, score
from schemas.reconciliation_reasons import REASONS


@click.command(short_help="Plant breaks into clean books, and say whether each is found.")
@click.option(
    "--lines",
    type=click.IntRange(min=1_000),
    default=100_000,
    show_default=True,
    help="Lines of both sides together; more where the breaks alone have more.",
)
@click.option(
    "--breaks",
    type=click.IntRange(1, 100_000),
    default=100,
    show_default=True,
    help="Breaks of each of the fifteen kinds.",
)
@click.option("--seed", type=int, default=1, show_default=True, help="The same seed plants the same.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON for scripts.")
def planted(lines: int, breaks: int, seed: int, as_json: bool) -> None:
    """Make two sides that agree, break them in each of the fifteen ways, and match them.

    Of each reason it says how many lines must have it, how many were given it, and how many of these rightly. Exit
    code 1 where a break is not found with its reason (recall below 1), or where of a reason more than one in a
    hundred is wrong (precision below 0.99).
    """
    found = score(lines, breaks, seed)
    if as_json:
        print_json(found.as_json())
    else:
        _show(found)
    if not found.ok:
        raise click.exceptions.Exit(1)


def _show(found: Score) -> None:
    table = Table("reason", "planted", "told", "rightly", "recall", "precision")
    for reason in REASONS:
        counts = (found.planted, found.told, found.right)
        table.add_row(
            reason,
            *(f"{each.get(reason, 0):,}" for each in counts),
            f"{found.recall(reason):.4f}",
            f"{found.precision(reason):.4f}",
        )
    console = Console()
    console.print(table)
    for each in found.wrong:
        console.print(each, highlight=False)
    console.print(
        f"{found.lines:,} lines, seed {found.seed}: recall {found.recall():.4f}, precision {found.precision():.4f}, "
        f"matched in {found.seconds:.1f} s",
        highlight=False,
    )
