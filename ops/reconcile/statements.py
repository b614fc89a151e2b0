"""Closing balances and lines that banks and partners state, from `external-statements`."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from typing import NamedTuple

import msgspec

from agents.reconciliation.proofs.balances import ClosingBalance
from ops.consuming import Record, place_of
from ops.errors import OperationError
from ops.reading import TopicReader
from schemas.external_statements import ExternalLine, ExternalRecord, ExternalStatement, decode_external, wrong_date
from schemas.topics import EXTERNAL_STATEMENTS


class StatementLine(NamedTuple):
    """What a proof takes of a line: its account, what moved, in minor units, and from which day balances have it."""

    line_id: str
    account: str
    asset: str
    amount_minor: int
    booking_date: str


class Statements:
    """Folds booked statements. Pure; holds their closing balances, and what proofs take of their lines.

    A statement that was taken before is passed over with its lines, also as a copy in another file. One whose pages are
    still missing closes nothing, and interim reports are no closing balance.
    """

    def __init__(self) -> None:
        #: Account and side -> closing date of its latest booked statement; empty where none had one.
        self._latest: dict[tuple[str, str], str] = {}
        self._seen: set[tuple[str, str, str]] = set()
        #: Account and side -> ids of its statements that count.
        self._taken: dict[tuple[str, str], list[str]] = {}
        #: Account, side, asset, day -> what it closed with.
        self._closings: dict[tuple[str, str, str, str], ClosingBalance] = {}
        #: The number of the statement that this is of; 0 where it has none.
        self._numbers: dict[tuple[str, str, str, str], int] = {}
        #: Statement -> its lines, by id.
        self._lines: dict[str, dict[str, StatementLine]] = {}

    def take(self, record: ExternalRecord) -> None:
        """The next record of a partition."""
        if isinstance(record, ExternalLine):
            if record.basis == "booked":
                line = StatementLine(
                    record.line_id, record.account, record.asset, record.amount_minor, record.booking_date
                )
                self._lines.setdefault(record.statement_id, {})[record.line_id] = line
        elif isinstance(record, ExternalStatement) and record.basis == "booked":
            self._take_statement(record)

    def _take_statement(self, one: ExternalStatement) -> None:
        whose = (one.account, one.side)
        self._latest[whose] = max(self._latest.get(whose, ""), one.closing_date or "")
        key = (one.account, one.side, one.content_hash or one.statement_id)
        if key in self._seen:
            if one.statement_id not in self._taken[one.account, one.side]:
                self._lines.pop(one.statement_id, None)
            return
        self._seen.add(key)
        self._taken.setdefault((one.account, one.side), []).append(one.statement_id)
        self._count_within(one)
        if one.complete and one.closing_date is not None and one.closing_minor is not None:
            day, number = (one.account, one.side, one.asset, one.closing_date), one.sequence_number or 0
            if number and number < self._numbers.get(day, 0):
                return
            self._numbers[day] = number
            self._closings[day] = ClosingBalance(
                one.account, one.asset, one.closing_date, one.closing_minor, one.statement_id
            )

    def _count_within(self, one: ExternalStatement) -> None:
        """Its lines lead from the one balance to the other: what is booked, or only valued, before or after is not part
        of the balances of other days.
        """
        first, last = one.opening_date, one.closing_date
        if one.opening_minor is None or one.closing_minor is None or first is None or last is None:
            return
        if first < last:
            # It opens with what the day before its own has closed with.
            first = (date.fromisoformat(first) + timedelta(days=1)).isoformat()
        lines = self._lines.get(one.statement_id, {})
        for line_id, line in lines.items():
            day = min(max(line.booking_date, first), last)
            if day != line.booking_date:
                lines[line_id] = line._replace(booking_date=day)

    @property
    def names(self) -> set[str]:
        """Accounts that have ever had a booked statement."""
        return {account for account, _ in self._latest}

    @property
    def latest(self) -> dict[str, str]:
        """Account -> closing date of the latest booked statement of who states it; empty where none had one."""
        return {account: day for (account, side), day in self._latest.items() if side == self.side_of(account)}

    def closings(self, day: str) -> list[ClosingBalance]:
        """Closing balances of a day: of an account and asset that of the highest number, else the one imported last."""
        return [
            closing
            for (account, side, _, of), closing in sorted(self._closings.items())
            if of == day and side == self.side_of(account)
        ]

    def side_of(self, account: str) -> str:
        """Who states an account: the bank, if both it and the partner do under one name."""
        return "bank" if (account, "bank") in self._taken else "partner"

    def lines(self, account: str, day: str) -> Iterator[StatementLine]:
        """Lines of an account that were booked by the end of a day, of statements that are whole."""
        for statement_id in self._taken.get((account, self.side_of(account)), ()):
            for line in self._lines.get(statement_id, {}).values():
                if line.account == account and line.booking_date <= day:
                    yield line


async def read_statements(reader: TopicReader) -> Statements:
    """All statements that were ever imported; the role's dead letters with dates that are none are passed over.

    Raises:
        OperationError: the topic is missing, cannot be read, or holds what it should not.
    """
    found = Statements()
    async for records in reader.read(EXTERNAL_STATEMENTS):
        for record in records:
            one = _decoded(record)
            if wrong_date(one) is None:
                found.take(one)
    return found


def _decoded(record: Record) -> ExternalRecord:
    try:
        found: ExternalRecord = decode_external(record.value or b"")
    except msgspec.MsgspecError as error:
        raise OperationError(f"{place_of(record)} is no record of a statement ({error})") from error
    return found
