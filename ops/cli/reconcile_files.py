"""`walletstream reconcile files`: two tables in files, matched by the matcher of the stream."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Final, NamedTuple

import click
from rich import box
from rich.console import Console
from rich.table import Column, Table

from ops.cli.progress import progress_bar
from ops.cli.running import print_json
from ops.errors import OperationError
from ops.reconcile.files_rules import read_file_rules
from ops.reconcile.files_run import Inputs, match_files
from ops.reconcile.files_summary import Summary
from ops.reconcile.files_write import check_not_read, written
from schemas.reconciliation_reasons import MEANINGS, SIDES
from streams.memory import collect_rarely

#: Exit code where rules or tables cannot be used.
CANNOT_RUN: Final = 2
_FILE: Final = click.Path(path_type=Path)
_DAY: Final = click.DateTime(["%Y-%m-%d"])


class Options(NamedTuple):
    """What was asked for."""

    left: Path
    right: Path
    rules: Path
    out: Path
    delimiter: str
    as_of: datetime | None
    holidays: tuple[datetime, ...]
    as_json: bool


@click.command(short_help="Match two CSV or JSON files by rules.")
@click.option("--left", required=True, type=_FILE, metavar="L", help="What we have written: CSV or JSON, in UTF-8.")
@click.option("--right", required=True, type=_FILE, metavar="R", help="What the other side says: CSV or JSON.")
@click.option(
    "--rules", required=True, type=_FILE, metavar="RULES.json", help="What the columns are, and how lines are matched."
)
@click.option("--out", required=True, type=_FILE, metavar="DIR", help="Folder for the results; made if need be.")
@click.option(
    "--delimiter", default=",", show_default=True, metavar="CHAR", help="What parts the cells of CSV; `tab` for a tab."
)
@click.option(
    "--as-of",
    type=_DAY,
    metavar="DAY",
    help="The day on which it is asked what is late, for rules with expected_lag_business_days. Without it whatever is "
    "not there is missing.",
)
@click.option(
    "--holiday",
    "holidays",
    type=_DAY,
    multiple=True,
    metavar="DAY",
    help="No business day; may be given several times.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON for scripts.")
def files(
    left: Path,
    right: Path,
    rules: Path,
    out: Path,
    delimiter: str,
    as_of: datetime | None,
    holidays: tuple[datetime, ...],
    as_json: bool,
) -> None:
    """Match the rows of two tables, and say of each row that has no match the one reason why.

    DIR gets matches.csv (match_id, pass, side, row, amount_minor, asset, confidence), exceptions.csv (side, row,
    reason, candidates: rows of the other side joined by `;`) and summary.json. Rows count from 1 after the header.
    The result does not depend on the order of rows. A tie is ambiguous, never a guess.

    RULES.json: {"left": {"id": COLUMN, "amount": COLUMN, "amount_unit": "major" or "minor", "asset": COLUMN or
    {"const": "EUR"}, "date": COLUMN, "date_format": "%Y-%m-%d", "references": {NAME: COLUMN}, "sign": -1 or COLUMN},
    "right": {..}, "passes": [{"name": "by reference", "keys": [NAME], "amount_tolerance_minor": 0,
    "amount_tolerance_bp": 0, "date_window_days": [0, 3], "cardinality": "1:1", "1:n" or "n:1"}]}.

    Exit code 0 where the files were matched, whatever came of it; 2 where rules or tables cannot be used, with a
    message that names file, row and column. Then nothing is written.
    """
    try:
        collect_rarely()
        options = Options(left, right, rules, out, delimiter, as_of, holidays, as_json)
        summary = _match(options)
    except OperationError as error:
        problem = click.ClickException(str(error))
        problem.exit_code = CANNOT_RUN
        raise problem from None
    if as_json:
        print_json(summary.as_json())
    else:
        _show(summary, out)


def _match(options: Options) -> Summary:
    check_not_read(options.out, (options.left, options.right, options.rules))
    rules = read_file_rules(options.rules)
    inputs = Inputs(
        left=options.left,
        right=options.right,
        rules=rules,
        delimiter=_delimiter(options.delimiter),
        as_of_day=None if options.as_of is None else options.as_of.toordinal(),
        holidays=frozenset(day.toordinal() for day in options.holidays),
    )
    with progress_bar("matching") as on_progress, written(options.out) as (results, scratch):
        summary = match_files(inputs, results, scratch, on_progress)
        results.write_summary(summary.as_json())
    return summary


def _delimiter(given: str) -> str:
    found = "\t" if given in ("tab", "\\t") else given
    if len(found) != 1 or found in '"\r\n':
        raise OperationError(f"--delimiter: {given!r} is not one character that parts cells; `tab` is a tab")
    return found


def _show(summary: Summary, out: Path) -> None:
    console = Console()
    if not console.is_terminal:
        # A file or a pipe has no width: nothing need be broken.
        console = Console(width=160)
    for side in SIDES:
        console.print(
            f"{side}: {summary.lines[side]:,} lines, {summary.share_matched(side, 10_000) / 100:.2f}% matched",
            highlight=False,
        )
    passes = Table("pass", Column("matches", justify="right"), box=box.SIMPLE_HEAD)
    for name, count in summary.passes.items():
        passes.add_row(name, f"{count:,}")
    if summary.passes:
        console.print(passes)
    if summary.reasons:
        counted = (Column(side, justify="right") for side in SIDES)
        reasons = Table("reason", *counted, "what it says", box=box.SIMPLE_HEAD)
        for reason, counts in summary.reasons.items():
            reasons.add_row(reason, f"{counts['left']:,}", f"{counts['right']:,}", MEANINGS[reason])
        console.print(reasons)
    if summary.not_tried:
        console.print(
            f"{summary.not_tried:,} lines have more candidates than are looked through: narrow date_window_days, "
            "or give the pass a key",
            highlight=False,
        )
    console.print(f"written to {out}", highlight=False, soft_wrap=True)
