"""The general ledger as files: the journal, an entry a row, and the trial balance, each as CSV and as JSON."""

from __future__ import annotations

import csv
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any, Final, NamedTuple

import orjson

from agents.reconciliation.proofs.books import AccountTotal
from agents.reconciliation.proofs.chart import BY_CODE, class_of
from agents.reconciliation.proofs.postings import Posting
from agents.reconciliation.proofs.trial_balance import AssetTotal, ClassTotal, TrialBalance
from ops.reconcile.gl_log import Books
from ops.reconcile.out_files import cell, folder, write_csv, write_json, written

JOURNAL_COLUMNS: Final = (
    "date",
    "journal_id",
    "transaction_id",
    "account",
    "debit_minor",
    "credit_minor",
    "asset",
    "class",
    "type",
    "operation",
    "recorded_at",
)
BALANCE_COLUMNS: Final = (
    "asset",
    "class",
    "class_name",
    "kind",
    "account",
    "opening_minor",
    "debit_minor",
    "credit_minor",
    "closing_minor",
    "side",
)


class Row(NamedTuple):
    """One entry of the journal; its fields are the columns, `class` is `code`."""

    date: str
    journal_id: str
    transaction_id: str | None
    account: str
    debit_minor: int
    credit_minor: int
    asset: str
    code: str
    type: str
    operation: str | None
    recorded_at: str


def rows_of(partition: int, posting: Posting, assets: Collection[str] = ()) -> Iterator[Row]:
    """The entries of an event; of the named assets alone, if any are."""
    for entry in posting.entries:
        if not assets or entry.asset in assets:
            yield Row(
                posting.day,
                f"{partition}:{posting.sequence}",
                posting.transaction_id,
                entry.account,
                entry.debit_minor,
                entry.credit_minor,
                entry.asset,
                class_of(entry.account).code,
                posting.type,
                posting.operation,
                posting.recorded_at,
            )


class JournalFiles:
    """Takes postings in order and writes them to both files."""

    def __init__(self, table: IO[str], lines: IO[str], assets: Collection[str]):
        self._writer = csv.writer(table)
        self._writer.writerow(JOURNAL_COLUMNS)
        self._lines, self._assets = lines, assets
        self.rows = 0

    def take(self, partition: int, posting: Posting) -> None:
        """The next event with entries."""
        for row in rows_of(partition, posting, self._assets):
            self._writer.writerow([cell(value) for value in row])
            self._lines.write(orjson.dumps(dict(zip(JOURNAL_COLUMNS, row, strict=True))).decode() + "\n")
            self.rows += 1


@contextmanager
def journal_files(out: Path, name: str, assets: Collection[str]) -> Iterator[JournalFiles]:
    """`journal-<name>.csv` and `journal-<name>.jsonl` in a folder, there once the block has ended without an error.

    Raises:
        OperationError: they cannot be written.
    """
    folder(out)
    with ExitStack() as stack:
        table = stack.enter_context(written(out / f"journal-{name}.csv"))
        lines = stack.enter_context(written(out / f"journal-{name}.jsonl"))
        yield JournalFiles(table, lines, assets)


def write_trial_balance(out: Path, name: str, balance: TrialBalance, books: Books) -> None:
    """`trial-balance-<name>.csv`, an account a row, and `trial-balance-<name>.json` with classes, sums and cuts.

    Raises:
        OperationError: they cannot be written.
    """
    folder(out)
    rows = (
        (one.asset, *class_of(one.account)[:3], one.account, *_amounts(one), side(one.closing_minor))
        for one in balance.accounts
    )
    write_csv(out / f"trial-balance-{name}.csv", BALANCE_COLUMNS, rows)
    write_json(out / f"trial-balance-{name}.json", as_json(balance, books))


def as_json(balance: TrialBalance, books: Books) -> dict[str, Any]:
    """The trial balance as JSON values."""
    return {
        "from": books.period.first,
        "to": books.period.last,
        "is_balanced": balance.is_balanced and not books.problems,
        "is_over": books.is_over,
        "problems": list(books.problems),
        "assets": [{"asset": one.asset, **_named(one), "is_balanced": one.is_balanced} for one in balance.assets],
        "classes": [{"asset": one.asset, **_class(one.account_class.code), **_named(one)} for one in balance.classes],
        "accounts": [
            {
                "asset": one.asset,
                "class": class_of(one.account).code,
                "account": one.account,
                **_named(one),
                "side": side(one.closing_minor),
            }
            for one in balance.accounts
        ],
        "cuts": [cut._asdict() for cut in books.cuts],
        "entries": sum(part.entries for part in books.parts),
        "events_read": books.events,
    }


def side(balance_minor: int) -> str:
    """Which side a balance stands on: `debit` below zero, `credit` above."""
    return "" if balance_minor == 0 else "credit" if balance_minor > 0 else "debit"


def _class(code: str) -> dict[str, str]:
    of = BY_CODE[code]
    return {"class": of.code, "class_name": of.name, "kind": of.kind}


def _amounts(one: AccountTotal | ClassTotal | AssetTotal) -> tuple[int, int, int, int]:
    return one.opening_minor, one.debit_minor, one.credit_minor, one.closing_minor


def _named(one: AccountTotal | ClassTotal | AssetTotal) -> dict[str, int]:
    return dict(zip(("opening_minor", "debit_minor", "credit_minor", "closing_minor"), _amounts(one), strict=True))
