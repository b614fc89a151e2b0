"""CSV and JSON by mapping: every row is a line, amounts from their text, never by way of a float."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from functools import lru_cache
from io import StringIO
from typing import Any, Final, NoReturn

from agents.statements.dates import day_of
from agents.statements.mapping import Constant, StatementMapping
from agents.statements.parsed import Balance, Entry, ParsedFile, Statement, check_count
from agents.statements.refusal import Refusal, at, quoted
from agents.statements.row_amounts import RowAmounts
from agents.statements.texts import HALF, HALF_A_CHARACTER
from schemas.assets import AssetRegistry

#: Number of the line (of the row, in JSON), and column -> text.
Row = tuple[int, Mapping[str, str]]
_MOST_COLUMNS: Final = 1_000


def read_csv(text: str, mapping: StatementMapping, assets: AssetRegistry) -> ParsedFile:
    """The statements of a CSV file whose first line, after those to skip, names the columns.

    Raises:
        Refusal: with the line where it was seen.
    """
    return _statements("CSV", _csv_rows(text, mapping), mapping, assets)


def read_json(text: str, mapping: StatementMapping, assets: AssetRegistry) -> ParsedFile:
    """The statements of a JSON file: a list of objects, or an object with such a list at `rows`.

    Raises:
        Refusal: with the number of the row, or the line where it is no JSON.
    """
    return _statements("JSON", _json_rows(text, mapping), mapping, assets)


def _csv_rows(text: str, mapping: StatementMapping) -> Iterator[Row]:
    lines = StringIO(text, newline="")
    for _ in range(mapping.skip_lines):
        lines.readline()
    reader = csv.reader(lines, delimiter=mapping.delimiter, strict=True)
    header: list[str] | None = None
    first = 1 + mapping.skip_lines
    while True:
        try:
            row = next(reader, None)
        except csv.Error as error:
            raise Refusal("malformed", f"CSV: {error}", first) from None
        if row is None:
            return
        number, first = first, 1 + mapping.skip_lines + reader.line_num
        if not row:
            continue
        if header is None:
            header = [name.strip() for name in row]
            _check_header(header, mapping, number)
        elif len(row) != len(header):
            raise Refusal("malformed", f"{len(row)} fields in a row, but the header has {len(header)}", number)
        else:
            yield number, dict(zip(header, row, strict=True))


def _check_header(header: list[str], mapping: StatementMapping, number: int) -> None:
    if len(header) > _MOST_COLUMNS:
        raise Refusal("malformed", f"{len(header)} columns", number)
    for column in mapping.columns():
        if header.count(column) != 1:
            how = "has no column" if column not in header else "has more than one column"
            raise Refusal(
                "mapping", f"the header {how} {quoted(column)}; there are {quoted(', '.join(header))}", number
            )


def _json_rows(text: str, mapping: StatementMapping) -> Iterator[Row]:
    try:
        found: Any = json.loads(
            text, parse_int=str, parse_float=str, parse_constant=_no_number, object_pairs_hook=_without_doubles
        )
    except json.JSONDecodeError as error:
        raise Refusal("malformed", f"JSON: {error.msg}", error.lineno) from None
    except RecursionError:
        raise Refusal("malformed", "JSON: it is nested too deeply") from None
    for name in mapping.rows.split(".") if mapping.rows is not None else ():
        found = found.get(name) if isinstance(found, dict) else None
    if not isinstance(found, list):
        raise Refusal("mapping", f"there is no list of rows at {mapping.rows or 'the top'}")
    columns, unseen = mapping.columns(), set(mapping.deciding())
    for number, row in enumerate(found, start=1):
        if not isinstance(row, dict):
            raise Refusal("malformed", "a row is no object", number)
        texts = {column: _json_text(row, column, number) for column in columns}
        unseen -= {column for column in unseen if texts[column]}
        yield number, texts
    if unseen and found:
        raise Refusal("mapping", f"no row has {quoted(', '.join(sorted(unseen)))}")


def _no_number(text: str) -> NoReturn:
    raise Refusal("amount", f"{text} is no amount")


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Refusal("malformed", "JSON: a name stands twice in one object")
    return found


def _json_text(row: dict[str, Any], column: str, number: int) -> str:
    """Text at the path of a column; nothing where it is null or absent."""
    value: Any = row
    if column in row:
        value = row[column]
    else:
        for name in column.split("."):
            value = value.get(name) if isinstance(value, dict) else None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict | list):
        raise Refusal("mapping", f"column {quoted(column)} is no single value", number)
    text = "" if value is None else str(value)
    if HALF.search(text):
        raise Refusal("encoding", f"column {quoted(column)}: {HALF_A_CHARACTER}", number)
    return text


def _statements(name: str, rows: Iterator[Row], mapping: StatementMapping, assets: AssetRegistry) -> ParsedFile:
    groups: dict[tuple[str, str], _Group] = {}
    for count, (number, row) in enumerate(rows, start=1):
        with at(number):
            check_count(count)
            account_id = _either(row, mapping.account_id)
            reference = "" if mapping.statement is None else row[mapping.statement].strip()
            group = groups.get((account_id, reference))
            if group is None:
                group = groups[account_id, reference] = _Group(number, account_id, reference, mapping, assets)
            group.take(number, row)
    if not groups:
        raise Refusal("empty", "there is no row in it")
    file = ParsedFile(name)
    for index, group in enumerate(groups.values()):
        if group.is_to_come:
            continue
        with at(group.statement.line_number, index):
            group.finish()
        group.statement.index = index
        file.statements.append(group.statement)
    if not file.statements:
        raise Refusal("empty", "none of its rows is booked yet")
    return file


def _either(row: Mapping[str, str], said: str | Constant | None) -> str:
    if said is None:
        return ""
    return said.const if isinstance(said, Constant) else row[said].strip()


@lru_cache(maxsize=4_096)
def _day(text: str, date_format: str) -> date:
    try:
        found = datetime.strptime(text, date_format)  # noqa: DTZ007
    except ValueError:
        raise Refusal("date", f"{quoted(text)} is not written as {date_format}") from None
    return day_of(found.year, found.month, found.day, text)


class _Group:
    """The rows of one statement."""

    def __init__(self, number: int, account_id: str, reference: str, mapping: StatementMapping, assets: AssetRegistry):
        self._mapping = mapping
        self._amounts = RowAmounts(mapping, assets)
        self._assets = assets
        #: As its first row says it, booked or not.
        self._asset = ""
        self._first: Row | None = None
        self._last: Row | None = None
        self.statement = Statement(
            index=0,
            line_number=number,
            account_id=account_id.replace(" ", "") or None,
            reference=reference or None,
        )

    def take(self, number: int, row: Mapping[str, str]) -> None:
        """Take a row.

        Raises:
            Refusal: an amount, date or mark is none.
        """
        mapping = self._mapping
        asset = _either(row, mapping.asset)
        self._asset = self._asset or asset
        if mapping.booked is not None and row[mapping.booked.column].strip() not in mapping.booked.values:
            self.statement.not_booked_count += 1
            return
        self._first = self._first or (number, row)
        self._last = number, row
        amount_minor, fee_minor = self._amounts.of(row, asset)
        value_date = self._day(row, mapping.date)
        self.statement.entries.append(
            Entry(
                line_number=number,
                amount_minor=amount_minor,
                asset=asset,
                value_date=value_date,
                booking_date=self._day(row, mapping.booking_date),
                references=self._references(row),
                fee_minor=fee_minor,
                reversal=mapping.reversal is not None
                and row[mapping.reversal.column].strip() in mapping.reversal.values,
                code=self._text(row, mapping.code),
                counterparty=self._text(row, mapping.counterparty),
                remittance=self._text(row, mapping.remittance),
                balance_minor=None if mapping.balance is None else self._amounts.signed(row[mapping.balance], asset),
            )
        )

    def _references(self, row: Mapping[str, str]) -> dict[str, str]:
        found = {name: self._text(row, column) for name, column in self._mapping.references.items()}
        return {str(name): text for name, text in found.items() if text is not None}

    def _text(self, row: Mapping[str, str], column: str | None) -> str | None:
        return None if column is None else (row[column].strip() or None)

    def _day(self, row: Mapping[str, str], column: str | None) -> date | None:
        text = "" if column is None else row[column].strip()
        if not text:
            return None
        return _day(text, self._mapping.date_format)

    @property
    def is_to_come(self) -> bool:
        """Nothing of it is booked yet: as one without lines it would have the id that it is imported by once it is."""
        return self._first is None and self.statement.reference is not None

    def finish(self) -> None:
        """Read the balances.

        Raises:
            Refusal: one is no amount, or the balance after a row is not that of the row.
        """
        statement, mapping = self.statement, self._mapping
        if self._first is None or self._last is None:
            known = self._assets.get(self._asset)
            statement.asset = None if known is None else known.code
            return
        first, last = statement.entries[0], statement.entries[-1]
        for one in statement.entries:
            if one.asset != first.asset:
                raise Refusal("currency", f"{one.asset} within a statement in {first.asset}", one.line_number)
        if mapping.balance is not None:
            self._check_running(statement)
            first, last = statement.entries[0], statement.entries[-1]
            opening, closing = (first.balance_minor or 0) - first.amount_minor, last.balance_minor or 0
            statement.opening = Balance(opening, first.asset, None, first.line_number)
            statement.closing = Balance(closing, last.asset, None, last.line_number)
            return
        statement.opening = self._balance(self._first, mapping.opening, first.asset)
        statement.closing = self._balance(self._last, mapping.closing, last.asset)

    def _balance(self, row: Row, said: str | Constant | None, asset: str) -> Balance | None:
        if said is None:
            return None
        with at(row[0]):
            return Balance(self._amounts.signed(_either(row[1], said), asset), asset, None, row[0])

    def _check_running(self, statement: Statement) -> None:
        """Each balance is the one before it and the row's amount: from top to bottom, or from bottom to top. Rows that
        cancel out fit both ways: then the days say which.
        """
        entries = statement.entries
        downwards, upwards = _break(entries), _break(entries[::-1])
        if upwards is None and (downwards is not None or _is_newest_first(entries)):
            entries.reverse()
        elif downwards is not None:
            raise Refusal(
                "unbalanced",
                "the balance after this row is not the one before it and the amount",
                downwards.line_number,
            )


def _is_newest_first(entries: list[Entry]) -> bool:
    first, last = (one.booking_date or one.value_date for one in (entries[0], entries[-1]))
    return first is not None and last is not None and first > last


def _break(entries: list[Entry]) -> Entry | None:
    """The first whose balance is not that of the one before and its own amount."""
    before: int | None = None
    for one in entries:
        if before is not None and before + one.amount_minor != one.balance_minor:
            return one
        before = one.balance_minor
    return None
