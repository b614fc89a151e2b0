"""Rows of a table as lines of a side: amounts exactly, days by a format, references as they stand there."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Final

from agents.reconciliation.matching.lines import CHARGEBACK_OF, OWN_ID, REVERSAL_OF, Line, LineKind, Statement
from ops.errors import OperationError
from ops.fraud.cells import major_units, minor_units
from ops.reconcile.files_rules import Constant, FileRules, SideMapping, SignColumn
from ops.reconcile.files_table import BadRow, Row, Table
from schemas.assets import ISO_4217
from schemas.reconciliation_reasons import Side

#: Most bad rows that are told, and that are looked for at all.
_MOST_TOLD: Final = 20
_MOST_BAD: Final = 10_000
_LONGEST: Final = 1_000
_MOST_DAYS_KEPT: Final = 50_000
#: Digits, perhaps with a point or an exponent; what follows says the rest.
_LIKE_NUMBER: Final = re.compile(r"[0-9.]+([eE][+-]?[0-9]+)?")
_ASSET: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,15}")
_POSITIVE: Final = frozenset(["+", "1", "+1", "c", "cr", "crdt", "credit", "in", "rd"])
_NEGATIVE: Final = frozenset(["-", "-1", "d", "dr", "dbit", "debit", "out", "rc"])
#: Marks of MT940 that say that a line takes back another one.
_REVERSALS: Final = frozenset(["rc", "rd"])


class SideReader:
    """Reads one table.

    Args:
        side: which it is.
        table: its rows, with the columns that the mapping names.
        rules: the file of rules.

    Raises:
        OperationError: the rules give all rows an asset that is none.
    """

    def __init__(self, side: Side, table: Table, rules: FileRules):
        mapping = rules.side(side)
        self._side, self._table, self._mapping, self._decimals = side, table, mapping, rules.decimals
        names = list(mapping.columns())
        self._at = at = {name: names.index(name) for name in names}
        self._id_at, self._amount_at, self._date_at = at["id"], at["amount"], at["date"]
        self._references = [
            (OWN_ID, self._id_at),
            *((name, at[f"references.{name}"]) for name in mapping.references),
        ]
        self._asset = mapping.asset.const if isinstance(mapping.asset, Constant) else None
        if self._asset is not None:
            try:
                _check_asset(self._asset)
            except ValueError as error:
                raise OperationError(f"the rules, {side}.{error}") from None
        self._assets: set[str] = set()
        self._decimals_seen: dict[str, int] = {}
        self._sign = _sign_reader(mapping)
        self._may_take_back = bool({REVERSAL_OF, CHARGEBACK_OF} & set(mapping.references)) or mapping.kind is not None
        self._days: dict[str, int] = {}
        self._kinds: dict[str, LineKind] = {}
        if mapping.kind is not None:
            self._kinds.update((value, "reversal") for value in mapping.kind.reversal)
            self._kinds.update((value, "chargeback") for value in mapping.kind.chargeback)
        #: Statements by id, as their first rows say.
        self.statements: dict[str, Statement] = {}
        self._bad: list[BadRow] = []
        self._bad_rows = 0

    def lines(self) -> Iterator[Line]:
        """All lines, in order of rows; their ids are the rows' numbers.

        Raises:
            OperationError: the file is no such table, or has bad rows: all are told, as far as there is room.
        """
        rows = self._table.rows(self._on_bad)
        for row in rows:
            try:
                line = self._line(row)
            except ValueError as error:
                self._on_bad(BadRow(row.number, row.line, str(error)))
                continue
            if not self._bad_rows:
                yield line
        if self._bad_rows:
            self._refuse()

    def _on_bad(self, bad: BadRow) -> None:
        self._bad_rows += 1
        if len(self._bad) < _MOST_TOLD:
            self._bad.append(bad)
        if self._bad_rows >= _MOST_BAD:
            self._refuse()

    def _refuse(self) -> None:
        some = [f"  row {bad.number} (line {bad.line}): {bad.why}" for bad in self._bad]
        more = self._bad_rows - len(some)
        if more:
            some.append(f"  and {more:,} more" + (" so far" if self._bad_rows >= _MOST_BAD else ""))
        rows = "1 row that cannot" if self._bad_rows == 1 else f"{self._bad_rows:,} rows that cannot"
        raise OperationError(
            "\n".join([f"{self._table.path} has {rows} be read; nothing was matched. Mend the file:", *some])
        )

    def _line(self, row: Row) -> Line:
        """
        Raises:
            ValueError: a cell cannot be read; the message says which.
        """
        cells, at, mapping = row.cells, self._at, self._mapping
        asset = self._asset if self._asset is not None else self._read_asset(cells[at["asset"]])
        sign, is_reversal = self._sign(cells, at)
        references: dict[str, str] = {}
        for name, index in self._references:
            value = cells[index].strip()
            if value:
                references[name] = value
                if len(value) > _LONGEST:
                    what = mapping.id if name == OWN_ID else mapping.references[name]
                    raise ValueError(f"{what}: {len(value):,} characters, at most {_LONGEST:,} are taken")
        fee = 0
        if mapping.fee is not None and cells[at["fee"]].strip():
            fee = self._amount(mapping.fee, cells[at["fee"]], asset)
        return Line(
            str(row.number),
            sign * self._amount(mapping.amount, cells[self._amount_at], asset),
            asset,
            self._day(cells[self._date_at]),
            references,
            fee,
            self._kind(cells, references, is_reversal) if self._may_take_back or is_reversal else "payment",
            "" if mapping.statement is None else self._statement(cells, asset),
        )

    def _amount(self, column: str, cell: str, asset: str) -> int:
        # The usual form first, which needs no look at what is wrong with it.
        if self._mapping.amount_unit == "major" and asset in self._decimals_seen:
            whole, _, rest = cell.partition(".")
            digits = whole + rest
            if len(rest) == self._decimals_seen[asset] and digits.isdecimal() and digits.isascii() and len(digits) < 19:
                return int(digits)
        text = cell.strip()
        sign = 1
        if text[:1] in ("-", "+"):
            sign, text = -1 if text[0] == "-" else 1, text[1:]
        try:
            if not text:
                raise ValueError("the cell has no amount")
            if not _LIKE_NUMBER.fullmatch(text):
                raise ValueError(
                    f"{cell.strip()[:40]!r} is no number: write digits, a point before decimals, and nothing between "
                    "thousands"
                )
            if self._mapping.amount_unit == "minor":
                return sign * minor_units(text, 'say "amount_unit": "major"')
            decimals = self._decimals_seen[asset] = self._decimals_of(asset)
            return sign * major_units(text, decimals)
        except ValueError as error:
            raise ValueError(f"{column}: {error}") from None

    def _decimals_of(self, asset: str) -> int:
        if asset in self._decimals:
            return self._decimals[asset]
        known = ISO_4217.get(asset)
        if known is None and asset.upper() in ISO_4217:
            raise ValueError(f"asset {asset!r} is not in ISO 4217: write {asset.upper()!r}")
        if known is None:
            raise ValueError(
                f"asset {asset!r} is not in ISO 4217; say its decimals in the rules, as in "
                f'"decimals": {{"{asset}": 2}}, or write minor units'
            )
        return known.exponent

    def _read_asset(self, cell: str) -> str:
        if cell in self._assets:
            return cell
        asset = cell.strip()
        if asset not in self._assets:
            _check_asset(asset)
            self._assets.add(asset)
        return asset

    def _day(self, cell: str) -> int:
        day = self._days.get(cell)
        if day is None:
            text = cell.strip()
            try:
                day = datetime.strptime(text, self._mapping.date_format).toordinal()  # noqa: DTZ007
            except ValueError:
                raise ValueError(
                    f"{self._mapping.date}: {text[:40]!r} is no date by {self._mapping.date_format!r}"
                ) from None
            if len(self._days) >= _MOST_DAYS_KEPT:
                self._days.clear()
            self._days[cell] = day
        return day

    def _kind(self, cells: Sequence[str], references: dict[str, str], is_reversal: bool) -> LineKind:
        if self._mapping.kind is not None:
            said = self._kinds.get(cells[self._at["kind.column"]].strip())
            if said is not None:
                return said
        if CHARGEBACK_OF in references:
            return "chargeback"
        return "reversal" if is_reversal or REVERSAL_OF in references else "payment"

    def _statement(self, cells: Sequence[str], asset: str) -> str:
        columns = self._mapping.statement
        assert columns is not None
        at = self._at
        statement_id = cells[at["statement.id"]].strip()
        if not statement_id:
            raise ValueError(f"{columns.id}: the row names no statement")
        found = Statement(
            statement_id,
            self._side,
            self._amount(columns.opening, cells[at["statement.opening"]], asset),
            self._amount(columns.closing, cells[at["statement.closing"]], asset),
        )
        if self.statements.setdefault(statement_id, found) != found:
            raise ValueError(f"{columns.opening}, {columns.closing}: other rows of {statement_id[:80]!r} say otherwise")
        return statement_id


def _check_asset(asset: str) -> None:
    """
    Raises:
        ValueError: it is none.
    """
    if not _ASSET.fullmatch(asset):
        shown = repr(asset[:40]) if asset else "nothing"
        raise ValueError(f"asset: {shown} is no code of an asset, as EUR is")


#: Sign of a row, and whether it takes back another one.
ReadSign = Callable[[Sequence[str], dict[str, int]], tuple[int, bool]]


def _sign_reader(mapping: SideMapping) -> ReadSign:
    sign = mapping.sign
    if sign is None or isinstance(sign, int):
        constant = 1 if sign is None else int(sign)
        return lambda _cells, _at: (constant, False)
    if isinstance(sign, SignColumn):
        column, positive, negative = sign.column, frozenset(sign.positive), frozenset(sign.negative)

        def by_list(cells: Sequence[str], at: dict[str, int]) -> tuple[int, bool]:
            said = cells[at["sign.column"]].strip()
            if said in positive:
                return 1, False
            if said in negative:
                return -1, False
            raise ValueError(f"{column}: {said[:40]!r} is neither positive nor negative by the rules")

        return by_list
    name = sign

    def by_mark(cells: Sequence[str], at: dict[str, int]) -> tuple[int, bool]:
        said = cells[at["sign"]].strip()
        mark = said.lower()
        if mark in _POSITIVE or mark in _NEGATIVE:
            return (1 if mark in _POSITIVE else -1), mark in _REVERSALS
        raise ValueError(
            f"{name}: {said[:40]!r} says no direction, as C, D, CRDT, DBIT, credit, debit, + and - do; name others "
            'in the rules: {"column": .., "positive": [..], "negative": [..]}'
        )

    return by_mark
