"""The general ledger of a period: read, exported, compared with a core-banking file, and printed."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from agents.reconciliation.proofs.books import DayTotals
from agents.reconciliation.proofs.chart import UNCLASSIFIED, class_of
from agents.reconciliation.proofs.trial_balance import TrialBalance, trial_balance
from ops.amounts import Amounts
from ops.errors import OperationError
from ops.fraud.table import Table
from ops.reading import OnProgress, TopicReader
from ops.reconcile.days import Period
from ops.reconcile.gl_core import CoreMapping, Difference, differences, read_core, read_mapping
from ops.reconcile.gl_files import as_json, journal_files, write_trial_balance
from ops.reconcile.gl_log import Books, read_books
from ops.reconcile.out_files import write_csv
from ops.reference_records import read_contents
from schemas.assets import AssetRegistry
from schemas.topics import ASSETS

_DIFFERENCE_COLUMNS = ("kind", "account", "asset", "figure", "ours_minor", "core_minor", "sentence")


class Core(NamedTuple):
    """A core-banking file and how it is read."""

    file: Path
    mapping: CoreMapping


class GeneralLedger(NamedTuple):
    """All that is known of a period."""

    books: Books
    balance: TrialBalance
    #: With the core-banking file; None where there is none.
    differences: tuple[Difference, ...] | None
    #: Rows of the journal, None where it is not written.
    journal_rows: int | None
    amounts: Amounts

    @property
    def holds(self) -> bool:
        """Debits equal credits in every asset and journal, and the core-banking file agrees."""
        return self.balance.is_balanced and not self.books.problems and not self.differences

    def as_json(self) -> dict[str, Any]:
        """For scripts."""
        found = as_json(self.balance, self.books)
        if self.differences is not None:
            found["core"] = [{**one._asdict(), "sentence": one.sentence} for one in self.differences]
        return found


def core_of(file: Path, mapping: Path) -> Core:
    """A core-banking file and its mapping.

    Raises:
        OperationError: the mapping cannot be read or used.
    """
    try:
        return Core(file, read_mapping(mapping.read_bytes()))
    except OSError as error:
        raise OperationError(f"{mapping} cannot be read: {error.strerror}") from error


async def general_ledger(
    reader: TopicReader,
    period: Period,
    *,
    assets: Collection[str] = (),
    out: Path | None = None,
    core: Core | None = None,
    on_progress: OnProgress | None = None,
) -> GeneralLedger:
    """Read the books of a period, write them to `out` if it is given, compare them with `core` if it is.

    Raises:
        OperationError: the log or the file cannot be read, or `out` cannot be written.
    """
    registry = (await read_contents(reader, ASSETS)).reference.assets
    # Read first: a file that is none is told before the log is read.
    theirs = None if core is None else _read_core(core, registry)
    with nullcontext() if out is None else journal_files(out, period.name, assets) as journal:
        on_posting = None if journal is None else journal.take
        books = await read_books(reader, period, on_posting=on_posting, on_progress=on_progress)
        # Within: no journal is left of books that cannot be compared.
        balance = trial_balance([_of_assets(part, assets) for part in books.parts])
        found = None
        if core is not None and theirs is not None:
            wanted = {key: total for key, total in theirs.items() if not assets or key[1] in assets}
            found = tuple(differences(wanted, balance.accounts, core.mapping))
    if out is not None:
        write_trial_balance(out, period.name, balance, books)
        if found is not None:
            rows = ((*one, one.sentence) for one in found)
            write_csv(out / f"core-differences-{period.name}.csv", _DIFFERENCE_COLUMNS, rows)
    return GeneralLedger(books, balance, found, None if journal is None else journal.rows, Amounts(registry))


def _of_assets(part: DayTotals, assets: Collection[str]) -> DayTotals:
    if not assets:
        return part
    return msgspec.structs.replace(part, totals=tuple(one for one in part.totals if one.asset in assets))


def _read_core(core: Core, registry: AssetRegistry) -> Mapping[tuple[str, str], Any]:
    table = Table(core.file, core.mapping.delimiter)

    def refuse(line: int, what: str) -> None:
        raise OperationError(f"{core.file}, line {line}: {what}; nothing was compared")

    try:
        missing = [name for name in core.mapping.columns if name not in table.columns]
        if missing:
            raise OperationError(
                f"{core.file} has no column {', '.join(map(repr, missing))}; it has {', '.join(table.columns)}"
            )
        rows = (dict(zip(table.columns, cells, strict=True)) for _, cells in table.rows(refuse))
        return read_core(rows, core.mapping, registry)
    finally:
        table.close()


def lines(ledger: GeneralLedger) -> Iterator[str]:
    """The trial balance for people, in whole units, with what does not hold and how far the log was read."""
    books, balance, amounts = ledger.books, ledger.balance, ledger.amounts
    name = books.period.first if books.period.first == books.period.last else " to ".join(books.period)
    yield f"trial balance of {name} (UTC); balances are credits - debits"
    for total in balance.assets:
        yield ""
        yield f"{total.asset:<40} {'opening':>20} {'debit':>20} {'credit':>20} {'closing':>20}"
        for of in (one for one in balance.classes if one.asset == total.asset):
            yield _row(f"{of.account_class.code} {of.account_class.name}", of[2:], amounts, total.asset)
            for one in balance.accounts:
                if one.asset == total.asset and class_of(one.account) == of.account_class and _is_named(one.account):
                    figures = (one.opening_minor, one.debit_minor, one.credit_minor, one.closing_minor)
                    yield _row(f"     {one.account}", figures, amounts, total.asset)
        yield _row("sum", total[1:], amounts, total.asset)
        yield f"debits {'equal' if total.is_balanced else 'DO NOT EQUAL'} credits in {total.asset}"
    if not balance.assets:
        yield "nothing was posted until then, or not in these assets"
    yield ""
    yield from _footing(ledger)


def _is_named(account: str) -> bool:
    """True where a class has several accounts, or nobody knows which it has."""
    return ":" in account or class_of(account) == UNCLASSIFIED


def _row(name: str, figures: tuple[int, ...], amounts: Amounts, asset: str) -> str:
    return f"{name:<40} " + " ".join(f"{amounts.number(minor, asset):>20}" for minor in figures)


def _footing(ledger: GeneralLedger) -> Iterator[str]:
    books = ledger.books
    for cut in books.cuts:
        yield cut.line
    if not books.is_over:
        yield "these days are not over in every partition: figures may yet change"
    for problem in books.problems:
        yield f"WRONG: {problem}"
    for one in ledger.differences or ():
        yield f"DIFFERENCE: {one.sentence}"
    if ledger.differences is not None:
        yield f"differences with the core-banking file: {len(ledger.differences)}"
    rows = "" if ledger.journal_rows is None else f", {ledger.journal_rows} rows of the journal written"
    yield f"{books.events} events read in {books.seconds:.1f} s{rows}"
