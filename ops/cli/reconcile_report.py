"""`walletstream reconcile report`: match rate, what does not match and why, how old, how much."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import click

from ops.amounts import Amounts
from ops.cli.running import print_json, print_line, read_settings, run
from ops.errors import OperationError
from ops.reading import open_reader
from ops.reconcile.days import Period, read_period, today
from ops.reconcile.report_files import FORMATS, as_json, write_report
from ops.reconcile.report_html import page
from ops.reconcile.report_model import Report
from ops.reconcile.report_offline import Originals, offline_report
from ops.reconcile.report_text import lines
from ops.reconcile.report_topics import read_report
from schemas.assets import AssetRegistry
from schemas.reconciliation_proofs import Proof

CANNOT_RUN = 2
_FILE = click.Path(path_type=Path)


class Found(NamedTuple):
    """A report, and what belongs to it."""

    report: Report
    amounts: Amounts
    proofs: Sequence[Proof] = ()


@click.command("report", short_help="Match rate, what does not match, and cash at risk, as HTML, CSV or JSON.")
@click.option("--day", metavar="DAY", help="Only this UTC day, as 2026-11-23, and what stood open at its end.")
@click.option("--from", "first", metavar="DAY", help="With --to: the first day of a longer period.")
@click.option("--to", "last", metavar="DAY", help="With --from: its last day, included.")
@click.option("--out", type=_FILE, metavar="DIR", help="Write report.html, report.json and tables here.")
@click.option(
    "--format",
    "formats",
    type=click.Choice(FORMATS),
    multiple=True,
    help="With --out: only these; without it: html or json on standard output. May be given several times.",
)
@click.option(
    "--files", type=_FILE, metavar="DIR", help="Report on what `reconcile files` has left here; needs no broker."
)
@click.option("--left", type=_FILE, metavar="L", help="With --files: the left table that was matched.")
@click.option("--right", type=_FILE, metavar="R", help="With --files: the right one.")
@click.option("--rules", type=_FILE, metavar="RULES.json", help="With --files: the rules by which they were.")
@click.option("--delimiter", default=",", show_default=True, metavar="CHAR", help="What parts the cells of L and R.")
@click.option("--json", "as_json_", is_flag=True, help="Print JSON for scripts; the same as --format json.")
def report(
    day: str | None,
    first: str | None,
    last: str | None,
    out: Path | None,
    formats: tuple[str, ...],
    files: Path | None,
    left: Path | None,
    right: Path | None,
    rules: Path | None,
    delimiter: str,
    as_json_: bool,
) -> None:
    """Report on reconciliation: match rate, breaks by reason, age and asset, cash at risk, and all open lines.

    From reconciliation-results, reconciliation-exceptions and reconciliation-proofs, as of the end of the last day, or
    as of now. With --files from the folder that `reconcile files` has written; name its tables too, and amounts and
    references of what did not match are shown.

    --out writes report.html (one page that needs nothing else), report.json and a table for each list: the lines in
    the file and not with us, those with us and not in the file, sums by reason and age. Without --out a summary is
    printed.

    Exit code 0 whatever the report says; 2 where it could not be made.
    """
    wanted = set(formats) | ({"json"} if as_json_ else set())
    if out is None and wanted not in (set(), {"html"}, {"json"}):
        raise click.UsageError("tables, or several formats, need a folder: --out DIR")
    tables = (left, right, rules)
    if any(one is not None for one in tables) and (files is None or None in tables):
        raise click.UsageError("--left, --right and --rules belong together, and to --files")
    try:
        period = None if (day, first, last) == (None, None, None) else read_period(day, first, last)
        originals = None if left is None or right is None or rules is None else Originals(left, right, rules, delimiter)
        found = _from_topics(period) if files is None else _from_files(files, period, originals)
        _tell(found, out, wanted)
    except (OperationError, click.ClickException) as error:
        told = error if isinstance(error, click.ClickException) else click.ClickException(str(error))
        told.exit_code = CANNOT_RUN
        raise told from error


def _from_files(folder: Path, period: Period | None, originals: Originals | None) -> Found:
    as_of = today() if period is None else period.last
    return Found(offline_report(folder, as_of, originals), Amounts(AssetRegistry()))


def _from_topics(period: Period | None) -> Found:
    settings = read_settings()

    async def work() -> Found:
        async with open_reader(settings, settings.namespace) as reader:
            return Found(*await read_report(reader, period, today()))

    return run(work())


def _tell(found: Found, out: Path | None, wanted: set[str]) -> None:
    if out is not None:
        for path in write_report(out, found.report, found.amounts, found.proofs, wanted or FORMATS):
            click.echo(path)
    elif wanted == {"json"}:
        print_json(as_json(found.report, found.proofs))
    elif wanted == {"html"}:
        click.echo(page(found.report, found.amounts, found.proofs), nl=False)
    else:
        for line in lines(found.report, found.amounts, found.proofs):
            print_line(line)
