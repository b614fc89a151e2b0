"""`walletstream fraud amlsim`: how much of AMLSim's laundering the published rules find."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from ops.amlsim import Dataset, generate
from ops.amlsim_files import SAMPLE_VARIABLE, read_dataset, sample_folder
from ops.cli.running import print_json
from ops.errors import OperationError
from ops.fraud.amlsim import MAPPING, RULES, SECOND_HALF, Finding, Share, measure, write_table


@click.command("amlsim")
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
@click.option("--generated", type=click.IntRange(min=1_000), metavar="N", help="N generated payments instead.")
@click.option("--seed", type=int, default=1, show_default=True, help="Of what is generated.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Keep the table with its labels, the rules and the mapping, for `fraud backtest`.",
)
@click.option("--processes", type=click.IntRange(1, 64), default=1, show_default=True, help="Processes to use.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON for scripts.")
def fraud_amlsim(
    paths: tuple[Path, ...], generated: int | None, seed: int, out: Path | None, processes: int, as_json: bool
) -> None:
    """Measure the published rules on AMLSim: IBM's simulator of bank accounts with laundering among them.

    PATHS is the folder of its sample, or its two files nodes.csv and transactions.csv; without it the folder that
    WALLETSTREAM_AMLSIM_DIR names, or the one beside the checkout. Rules see payer, payee, amount and day. A payment is
    labelled where both its accounts belong to laundering patterns and it is made on the day on which the payer's
    pattern pays.

    precision is the labelled share of the payments at which a rule fired, recall the share of the labelled payments at
    which it did, told for the days before day 75 and from it on as well; accounts are those that have paid, or were
    paid, at a fire. Rules in shadow are there to be compared with.
    """
    try:
        data = _data(paths, generated, seed)
        found = _measure(data, out, processes)
    except OperationError as error:
        raise click.ClickException(str(error)) from None
    except OSError as error:
        raise click.ClickException(f"{error.filename or out} cannot be written: {error.strerror}") from None
    if as_json:
        print_json({"payments": len(data.payments), "rules": [each.as_json() for each in found]})
        return
    labelled = found[0].all_days.labelled
    click.echo(f"{len(data.payments):,} payments of {len(data.accounts):,} accounts, {labelled:,} labelled")
    console = Console()
    (console if console.is_terminal else Console(width=140)).print(_table(found))


def _data(paths: tuple[Path, ...], generated: int | None, seed: int) -> Dataset:
    if generated is not None:
        if paths:
            raise click.UsageError("give PATHS or --generated")
        return generate(generated, seed)
    folder = None if paths else sample_folder()
    if not paths and folder is None:
        raise OperationError(
            f"AMLSim's sample is not there: name its folder, set {SAMPLE_VARIABLE} to it, or try --generated 20000"
        )
    return read_dataset(paths if folder is None else [folder])


def _measure(data: Dataset, out: Path | None, processes: int) -> list[Finding]:
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        for shipped in (RULES, MAPPING):
            shutil.copyfile(shipped, out / shipped.name)
        write_table(out / "amlsim.csv", data)
        return measure(out / "amlsim.csv", data, processes)
    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder, "amlsim.csv")
        write_table(table, data)
        return measure(table, data, processes)


def _table(found: list[Finding]) -> Table:
    table = Table("rule", box=None, header_style="bold")
    earlier, later = f"days 1-{SECOND_HALF - 1}", f"from day {SECOND_HALF}"
    for name in ("alerts", "payments", "precision", "recall", earlier, later, "accounts", "precision", "recall"):
        table.add_column(name, justify="right")
    for each in found:
        table.add_row(
            each.rule_id,
            f"{each.alerts:,}",
            f"{each.all_days.fired:,}",
            *_percent(each.all_days),
            " / ".join(_percent(each.first_half)),
            " / ".join(_percent(each.second_half)),
            f"{each.accounts.fired:,}",
            *_percent(each.accounts),
        )
    return table


def _percent(share: Share) -> tuple[str, str]:
    """Precision and recall."""
    return _shown(share.precision), _shown(share.recall)


def _shown(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"
