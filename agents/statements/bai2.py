"""BAI2 cash management files: groups of accounts with summaries, transactions, and control totals at every level.

Every control total and record count is checked. Where an account has both its opening ledger (010) and closing ledger
(015), they are what its transactions lead from and to. Amounts are in minor units of the account's currency.

A parser of our own: the library for it reads control totals of whole files only when asked, keeps no line numbers, and
raises what it happens to raise. Source: BAI Cash Management Balance Reporting Specifications, version 2.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Final

from agents.statements.amounts import asset_of, whole_minor_of
from agents.statements.bai2_records import Bai2Record, after_funds, count_of, records, signed_total
from agents.statements.dates import six_digit_day
from agents.statements.parsed import Balance, Control, Entry, ParsedFile, Statement, check_count
from agents.statements.refusal import Refusal, at, quoted
from schemas.assets import AssetRegistry

_OPENING: Final = "010"
_CLOSING: Final = "015"
_TOTAL_CREDITS: Final = "100"
_TOTAL_DEBITS: Final = "400"
_CREDITS: Final = (range(100, 400), range(920, 960))
_DEBITS: Final = (range(400, 700), range(960, 1000))
_NO_MONEY: Final = 890
#: Debit reversal, ACH reversal credit; credit reversal, ACH reversal debit.
_REVERSALS: Final = frozenset({"252", "258", "552", "558"})
#: A group that updates; deletions, corrections and tests are for people.
_UPDATE: Final = "1"
_INTERIM_MODIFIERS: Final = frozenset({"1", "3"})
_DEFAULT_CURRENCY: Final = "USD"


def read_bai2(text: str, assets: AssetRegistry) -> ParsedFile:
    """The accounts of a file, each a statement.

    Raises:
        Refusal: with the line where it was seen.
    """
    return _Reader(assets).read(records(text))


class _Reader:
    """Walks the records: file, groups, accounts."""

    def __init__(self, assets: AssetRegistry):
        self._assets = assets
        self._file = ParsedFile("BAI2")
        #: Where we are: None, `01` within the file, `02` within a group, `03` within an account, `99` behind the file.
        self._within: str | None = None
        self._group = _Level()
        self._all = _Level()
        self._account: _Account | None = None
        self._day: date | None = None
        self._currency = ""
        self._modifier = ""

    def read(self, found: list[Bai2Record]) -> ParsedFile:
        steps: dict[str, tuple[str | None, Callable[[Bai2Record], None]]] = {
            "01": (None, self._begin_file),
            "02": ("01", self._begin_group),
            "03": ("02", self._begin_account),
            "16": ("03", self._transaction),
            "49": ("03", self._end_account),
            "98": ("02", self._end_group),
            "99": ("01", self._end_file),
        }
        count = 0
        for record in found:
            within, step = steps[record.code]
            count += record.code == "16"
            check_count(count)
            with at(record.line_number, len(self._file.statements) if self._within == "03" else None):
                if self._within != within:
                    raise Refusal("malformed", f"a record {record.code} where none may be")
                step(record)
        if self._within != "99":
            raise Refusal("malformed", "the file ends without its trailer (99): is it cut short?")
        return self._file

    def _begin_file(self, record: Bai2Record) -> None:
        version = record.field(7)
        if version != "2":
            raise Refusal("version_unknown", f"version {quoted(version)} of BAI: 2 is read")
        if (number := record.field(4)) and not (number.isascii() and number.isalnum()):
            raise Refusal("malformed", f"{quoted(number)} is no file identification number (01)")
        self._all = _Level(records=1)
        self._within = "01"

    def _begin_group(self, record: Bai2Record) -> None:
        if record.field(2) != _UPDATE:
            raise Refusal(
                "version_unknown",
                f"a group of status {quoted(record.field(2))}: 1 (update) is read; 2, 3 and 4 delete, correct, test",
            )
        self._day = six_digit_day(record.field(3))
        self._currency, self._modifier = record.field(5), record.field(6)
        self._group = _Level(records=1)
        self._within = "02"

    def _begin_account(self, record: Bai2Record) -> None:
        asset = asset_of(record.field(1) or self._currency or _DEFAULT_CURRENCY, self._assets).code
        self._account = _Account(record, asset, self._day, self._modifier in _INTERIM_MODIFIERS)
        self._within = "03"

    def _transaction(self, record: Bai2Record) -> None:
        assert self._account is not None, "within an account"
        self._account.take(record)

    def _end_account(self, record: Bai2Record) -> None:
        account = self._account
        assert account is not None, "within an account"
        physical = account.physical + 1
        _check(record, 0, account.control_minor, "account control total (49)", signed=True)
        _check(record, 1, physical, "number of records (49)")
        statement = account.finish()
        statement.index = len(self._file.statements)
        self._file.statements.append(statement)
        self._group.add(account.control_minor, physical)
        self._within = "02"

    def _end_group(self, record: Bai2Record) -> None:
        group = self._group
        _check(record, 0, group.total, "group control total (98)", signed=True)
        _check(record, 1, group.members, "number of accounts (98)")
        _check(record, 2, group.records + 1, "number of records (98)")
        self._all.add(group.total, group.records + 1)
        self._within = "01"

    def _end_file(self, record: Bai2Record) -> None:
        _check(record, 0, self._all.total, "file control total (99)", signed=True)
        _check(record, 1, self._all.members, "number of groups (99)")
        _check(record, 2, self._all.records + 1, "number of records (99)")
        self._within = "99"


class _Level:
    """Totals of a group or of the file."""

    def __init__(self, records: int = 0):
        self.records = records
        self.members = 0
        self.total = 0

    def add(self, total: int, physical: int) -> None:
        """Count one of its members."""
        self.members += 1
        self.total += total
        self.records += physical


def _check(record: Bai2Record, index: int, found: int, what: str, *, signed: bool = False) -> None:
    text = record.field(index)
    expected = signed_total(text) if signed else count_of(text, what)
    if expected != found:
        raise Refusal("totals", f"{what} is {expected}, but the records give {found}")


class _Account:
    """Records 03, 16 and 88 of one account."""

    def __init__(self, record: Bai2Record, asset: str, day: date | None, interim: bool):
        self.physical = record.physical
        #: Sum of all amounts of its records, as the trailer has it.
        self.control_minor = 0
        self._summary: dict[str, tuple[int, str]] = {}
        self._asset = asset
        self._day = day
        account_id = record.field(0)
        if not account_id:
            raise Refusal("account", "a record 03 has no account")
        self._record = record
        self.statement = Statement(
            index=0,
            line_number=record.line_number,
            basis="interim" if interim else "booked",
            account_id=account_id,
            asset=asset,
        )
        self._read_summary(record)

    def _read_summary(self, record: Bai2Record) -> None:
        place = 2
        while place < len(record.fields):
            code, amount, count = record.field(place), record.field(place + 1), record.field(place + 2)
            if not code and not amount:
                place += 4
                continue
            if len(code) != 3 or not code.isascii() or not code.isdigit():
                raise Refusal("malformed", f"{quoted(code)} is no type code of a summary")
            minor = signed_total(amount) if amount else 0
            if amount:
                if code in self._summary and code in {_OPENING, _CLOSING}:
                    raise Refusal("unbalanced", f"the balance {code} stands there twice")
                self._summary[code] = minor, count
            self.control_minor += minor
            place = after_funds(record, place + 3)

    def take(self, record: Bai2Record) -> None:
        """Take a transaction.

        Raises:
            Refusal: type, amount or date is none.
        """
        self.physical += record.physical
        code = record.field(0)
        if len(code) != 3 or not code.isascii() or not code.isdigit():
            raise Refusal("malformed", f"{quoted(code)} is no type code")
        if int(code) == _NO_MONEY:
            return
        minor = whole_minor_of(record.field(1))
        self.control_minor += minor
        behind = after_funds(record, 2)
        references = {"bank_reference": record.field(behind), "customer_reference": record.field(behind + 1)}
        text = ",".join(record.fields[behind + 2 :]).strip()
        self.statement.entries.append(
            Entry(
                line_number=record.line_number,
                amount_minor=minor * _sign(code),
                asset=self._asset,
                value_date=_value_date(record) or self._day,
                booking_date=self._day,
                references={name: one for name, one in references.items() if one},
                reversal=code in _REVERSALS,
                code=code,
                remittance=text or None,
            )
        )

    def finish(self) -> Statement:
        """The statement, with the balances and totals of its summary."""
        statement, line_number = self.statement, self._record.line_number
        ends = [
            Balance(self._summary[code][0], self._asset, self._day, line_number) if code in self._summary else None
            for code in (_OPENING, _CLOSING)
        ]
        statement.opening, statement.closing = ends
        # Its control total has been checked.
        statement.controls.append(Control("record 49", 0, (0,), None, line_number))
        for code, sign in ((_TOTAL_CREDITS, 1), (_TOTAL_DEBITS, -1)):
            amounts = [sign * one.amount_minor for one in statement.entries if sign * one.amount_minor > 0]
            # Without details a summary is all that there is; the balances tell whether something moved.
            if code in self._summary and statement.entries:
                total, count = self._summary[code]
                statement.controls.append(
                    Control(f"summary {code}", abs(total), (sum(amounts),), self._asset, line_number)
                )
                if count:
                    expected = count_of(count, f"item count of {code}")
                    statement.controls.append(
                        Control(f"item count of {code}", expected, (len(amounts),), None, line_number)
                    )
        return statement


def _sign(code: str) -> int:
    number = int(code)
    if any(number in one for one in _CREDITS):
        return 1
    if any(number in one for one in _DEBITS):
        return -1
    raise Refusal("sign", f"type code {code} is neither of a credit nor of a debit")


def _value_date(record: Bai2Record) -> date | None:
    """Of funds type V: the day on which the money can be used."""
    text = record.field(3)
    return six_digit_day(text) if record.field(2).upper() == "V" and text else None
