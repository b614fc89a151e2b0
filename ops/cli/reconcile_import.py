"""`walletstream reconcile import`: statements of banks and partners, onto the stream."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final, cast, get_args

import click

from agents.statements.amounts import told
from agents.statements.mapping import StatementMapping, read_mapping
from agents.statements.reading import DEFAULT_MAX_BYTES, Format, Reading
from agents.statements.records import StatementRecords
from ops.cli.running import print_json, print_line, read_settings, run
from ops.reading import open_reader
from ops.reconcile.importing import Imported, import_files, read_offline
from schemas.external_statements import Side

#: Exit code where at least one file was refused.
REFUSED: Final = 3
_ACCOUNT: Final = re.compile(r"[a-z0-9_-]{1,64}")
_MIB: Final = 1 << 20


def _account(_: click.Context, __: click.Parameter, value: str) -> str:
    if not _ACCOUNT.fullmatch(value):
        raise click.BadParameter("1 to 64 of a-z, 0-9, - and _ are wanted, as rails and bank accounts are named")
    return value


@click.command("import")
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path), metavar="FILE...")
@click.option("--account", required=True, callback=_account, help="Our name of the account that the files are of.")
@click.option(
    "--format", "format_", type=click.Choice(get_args(Format)), default="auto", show_default=True, help="Of the files."
)
@click.option(
    "--mapping", type=click.Path(path_type=Path), help="JSON file that says what the columns of CSV or JSON are."
)
@click.option(
    "--side",
    type=click.Choice(get_args(Side)),
    default="bank",
    show_default=True,
    help="Whose word it is: the bank's, or a partner's settlement report.",
)
@click.option("--account-id", help="The account as the files name it; statements of others in them are passed over.")
@click.option("--asset", help="Currency that the account has; statements in another are refused.")
@click.option("--encoding", help="Of text, such as latin-1; left out, that of the mapping, else utf-8.")
@click.option(
    "--allow-gap", is_flag=True, help="Import although a statement before it is missing; that is written down."
)
@click.option(
    "--max-mib",
    type=click.IntRange(1, 1024),
    default=DEFAULT_MAX_BYTES // _MIB,
    show_default=True,
    help="Larger files are refused unread.",
)
@click.option("--dry-run", is_flag=True, help="Say what would become of each file; keep and write nothing.")
@click.option("--offline", is_flag=True, help="With --dry-run: ask no broker what was imported before.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON for scripts.")
def import_command(
    files: tuple[Path, ...],
    account: str,
    format_: str,
    mapping: Path | None,
    side: str,
    account_id: str | None,
    asset: str | None,
    encoding: str | None,
    allow_gap: bool,
    max_mib: int,
    dry_run: bool,
    offline: bool,
    as_json: bool,
) -> None:
    """Import statements of an account: camt.052/053/054, MT940/942, BAI2, CSV and JSON by mapping.

    Each FILE is proven - opening balance + lines = closing balance, totals, pages, numbers, currency - and written in
    one transaction, or refused whole with the reason; its bytes are kept under DATA_DIR/statements by their SHA-256.
    What was imported before is not imported again: the same command may be run again at any time.

    Exit code 0: everything is imported, now or before; 3: at least one file was refused.
    """
    if offline and not dry_run:
        raise click.UsageError("--offline needs --dry-run: without a broker nothing can be written")
    reading = Reading(
        account=account,
        side=cast("Side", side),
        format=cast("Format", format_),
        encoding=encoding,
        mapping=None if mapping is None else _read_mapping(mapping),
        account_id=account_id,
        asset=asset,
        allow_gaps=allow_gap,
        max_bytes=max_mib * _MIB,
    )
    told = _Told(reading, dry_run, as_json)
    if offline:
        run(_offline(files, reading, told))
    else:
        run(_import(files, reading, told, dry_run=dry_run))
    if as_json:
        print_json(told.found)
    if told.refused:
        raise SystemExit(REFUSED)


class _Told:
    """What has been said of the files so far. Their lines are many and are not kept."""

    def __init__(self, reading: Reading, dry_run: bool, as_json: bool):
        self._reading = reading
        self._dry_run = dry_run
        self._as_json = as_json
        self.found: list[dict[str, Any]] = []
        self.refused = False

    def tell(self, one: Imported) -> None:
        """Tell at once what has become of a file: what comes after it may fail, and this is done."""
        self.refused = self.refused or one.decision.outcome == "refused"
        if self._as_json:
            self.found.append(_as_json(one, self._dry_run))
        else:
            _tell(one, self._reading, self._dry_run)


async def _offline(files: tuple[Path, ...], reading: Reading, told: _Told) -> None:
    for one in read_offline(files, reading):
        told.tell(one)


async def _import(files: tuple[Path, ...], reading: Reading, told: _Told, *, dry_run: bool) -> None:
    settings = read_settings()
    async with open_reader(settings, settings.namespace) as reader:
        async for one in import_files(reader, files, reading, settings.data_dir, dry_run=dry_run):
            told.tell(one)


def _read_mapping(path: Path) -> StatementMapping:
    try:
        return read_mapping(path.read_bytes())
    except OSError as error:
        raise click.ClickException(f"{path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise click.ClickException(f"{path}: {error}") from error


def _tell(one: Imported, reading: Reading, dry_run: bool) -> None:
    decision, source = one.decision, one.read.source
    refusal = decision.refusal
    if refusal is not None:
        where = "" if refusal.line_number is None else f", line {refusal.line_number}"
        print_line(f"refused   {one.path}{where}: {refusal.reason}: {refusal.detail}")
        return
    if decision.outcome == "seen":
        print_line(f"seen      {one.path}: all of it was imported before; nothing was written")
    else:
        done = "to import" if dry_run else "imported "
        count = len(decision.statements)
        print_line(f"{done} {one.path}: {source.format}, {count} statement{'' if count == 1 else 's'}")
        for statement in decision.statements:
            print_line(f"          {_line(statement, reading)}")
    for copy in decision.copies:
        name = copy.statement.reference or copy.statement.statement_index
        print_line(f"          statement {name} is a copy of the one from {copy.original.source.file}: passed over")


def _line(records: StatementRecords, reading: Reading) -> str:
    statement = records.statement
    name = statement.sequence_number or statement.reference or statement.statement_index

    def amount(minor: int) -> str:
        return told(minor, statement.asset, reading.assets)

    moved = f"in {amount(statement.credit_minor)}, out {amount(statement.debit_minor)}"
    said = [f"{name}: {statement.line_count} line{'' if statement.line_count == 1 else 's'}, {moved}"]
    if statement.opening_minor is not None and statement.closing_minor is not None:
        said.append(f"from {amount(statement.opening_minor)} to {amount(statement.closing_minor)}")
    said.append(
        {"balances": "balances agree", "totals": "totals agree", "none": "NOT proven: no balances"}[statement.proof]
    )
    if statement.basis != "booked":
        said.append(f"{statement.basis}, not booked")
    if statement.not_booked_count:
        said.append(f"{statement.not_booked_count} entries left out that are not booked")
    if statement.gap_allowed is not None:
        said.append(f"gap allowed: {statement.gap_allowed}")
    return "; ".join(said)


def _as_json(one: Imported, dry_run: bool) -> dict[str, Any]:
    decision, source, refusal = one.decision, one.read.source, one.decision.refusal
    found: dict[str, Any] = {
        "file": str(one.path),
        "sha256": source.sha256,
        "size_bytes": source.size_bytes,
        "format": source.format,
        "outcome": decision.outcome,
        "dry_run": dry_run,
        "kept": None if one.kept is None else str(one.kept),
    }
    if refusal is not None:
        return found | {
            "reason": refusal.reason,
            "detail": refusal.detail,
            "line_number": refusal.line_number,
            "statement_index": refusal.statement_index,
        }
    names = (
        *("statement_id", "account_id", "reference", "sequence_number", "asset", "basis", "proof", "line_count"),
        *("credit_minor", "debit_minor", "opening_minor", "closing_minor", "not_booked_count", "gap_allowed"),
    )
    statements = [{name: getattr(records.statement, name) for name in names} for records in decision.statements]
    copies = [
        {"statement_index": copy.statement.statement_index, "copy_of": copy.original.statement_id}
        for copy in decision.copies
    ]
    return found | {"statements": statements, "copies": copies}
