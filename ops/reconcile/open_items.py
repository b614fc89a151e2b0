"""What only one side has at the end of a day, from the topics: lines of the ledger, statements, matches, exceptions."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from sys import intern
from typing import NamedTuple

import msgspec

from agents.reconciliation.own_lines import Move, moves_of
from agents.reconciliation.proofs.balances import Pair
from agents.reconciliation.proofs.chart import BANK, RAIL
from agents.reconciliation.proofs.open_items import ItemsOfDay, OpenItems
from agents.reconciliation.proofs.postings import Posting, decode_posting
from agents.reconciliation.proofs.through_partner import Sides, through_partner
from ops.consuming import Record, misplaced
from ops.reading import TopicReader
from ops.reconcile.statements import Statements
from schemas.reconciliation_exceptions import OPEN_STATES, ReconciliationException, decode_exception
from schemas.reconciliation_results import BookSummary, MatchRecord, ReconciliationResult, UnmatchRecord, decode_result
from schemas.topics import LEDGER_EVENTS, RECONCILIATION_EXCEPTIONS, RECONCILIATION_RESULTS


class OwnLine(NamedTuple):
    """What a proof takes of a line of the ledger: its account, of a rail or a bank, and what moved, in minor units."""

    line_id: str
    account: str
    asset: str
    amount_minor: int
    day: str


class ToldByRole:
    """What the reconciliation role says of lines: matches that count, exceptions, books that it has looked at. Pure."""

    def __init__(self) -> None:
        #: Book and relation -> match -> its lines.
        self._matches: dict[tuple[str, str], dict[str, Sides]] = {}
        #: Exception -> it, as it was told last, of those that somebody has to do something about.
        self.exceptions: dict[str, ReconciliationException] = {}
        self._books: set[str] = set()

    def take_result(self, result: ReconciliationResult) -> None:
        """The next record of `reconciliation-results`."""
        if isinstance(result, BookSummary):
            self._books.add(result.book)
        elif isinstance(result, UnmatchRecord):
            self._matches.get((result.book, result.relation), {}).pop(result.match_id, None)
        elif isinstance(result, MatchRecord):
            found = self._matches.setdefault((result.book, result.relation), {})
            found[result.match_id] = Sides(result.left_ids, result.right_ids)

    def take_exception(self, one: ReconciliationException) -> None:
        """The next record of `reconciliation-exceptions`."""
        if one.state in OPEN_STATES:
            self.exceptions[one.exception_id] = one
        else:
            self.exceptions.pop(one.exception_id, None)

    def open_items(
        self,
        days: Sequence[str],
        pair: Pair,
        book: str | None,
        own: Iterable[OwnLine],
        statements: Statements,
        from_day: str | None = None,
    ) -> dict[str, ItemsOfDay]:
        """Day -> what is open of a pair at its end, and what its matches differ by.

        `book` is the one it is of, `from_day` the day from which that is reconciled.
        """
        account = pair.statement_account
        items = OpenItems(dict.fromkeys(pair.ledger_accounts, account), from_day or "")
        for ours in own:
            items.take_ledger_line(ours.line_id, ours.account, ours.asset, ours.amount_minor, ours.day)
        for line in statements.lines(account, days[-1]):
            items.take_statement_line(line.line_id, line.account, line.asset, line.amount_minor, line.booking_date)
        books, number = self._books_of(book or "", items.line_ids), 0
        for name in books:
            for line_ids in self._belonging(name, statements.side_of(account)):
                items.take_match(str(number), line_ids)
                number += 1
        for one in self.exceptions.values():
            if one.book in books:
                items.take_exception(one.exception_id, [line.line_id for line in one.lines], is_open=True)
        if not self._books.isdisjoint(books):
            items.take_book(account)
        return dict(zip(days, items.of(days), strict=True))

    def _books_of(self, book: str, known: Collection[str]) -> list[str]:
        """The book of an account, and those in which its lines, or those of its rail, were before they came there:
        in matches, or in exceptions.
        """

        def is_of(matches: dict[str, Sides]) -> bool:
            return any(ids[0] in known for match in matches.values() for ids in match if ids)

        before = {name for (name, _), matches in self._matches.items() if name != book and is_of(matches)}
        before |= {
            one.book
            for one in self.exceptions.values()
            if one.book != book and any(line.line_id in known for line in one.lines)
        }
        return [book, *sorted(before)]

    def _belonging(self, book: str, side: str) -> Iterator[tuple[str, ...]]:
        """Lines of the ledger and of a side that belong together; the bank's also by way of the partner's."""

        def of(relation: str) -> Collection[Sides]:
            return self._matches.get((book, relation), {}).values()

        yield from ((*match.left, *match.right) for match in of(f"ledger-{side}"))
        if side == "bank":
            yield from through_partner(of("ledger-partner"), of("partner-bank"))


async def read_told(reader: TopicReader) -> ToldByRole:
    """All that the role has told.

    Raises:
        OperationError: a topic is missing, cannot be read, or holds what it should not.
    """
    told = ToldByRole()
    async for records in reader.read(RECONCILIATION_RESULTS):
        for record in records:
            try:
                told.take_result(decode_result(record.value or b""))
            except msgspec.MsgspecError as error:
                raise misplaced(record, error) from error
    async for records in reader.read(RECONCILIATION_EXCEPTIONS):
        for record in records:
            try:
                told.take_exception(decode_exception(record.value or b""))
            except msgspec.MsgspecError as error:
                raise misplaced(record, error) from error
    return told


async def read_own_lines(reader: TopicReader, day: str) -> list[OwnLine]:
    """Lines of the ledger that were recorded by the end of a day.

    Raises:
        OperationError: the log is missing, cannot be read, or holds what it should not.
    """
    found: list[OwnLine] = []
    async for records in reader.read(LEDGER_EVENTS):
        for record in records:
            if has_cash(record):
                try:
                    posting = decode_posting(record.value or b"")
                except msgspec.MsgspecError as error:
                    raise misplaced(record, error) from error
                if posting.day <= day:
                    found += own_lines(posting, record.partition)
    return found


def has_cash(record: Record) -> bool:
    """Whether an event of the ledger may move anything on a rail or a bank; cheaper than to decode it."""
    value = record.value or b""
    return b'"system/rail:' in value or b'"system/bank:' in value


def own_lines(posting: Posting, partition: int) -> list[OwnLine]:
    """What an event of the ledger moves on rails and banks."""
    # A follower keeps millions of them: what they have in common is there once.
    return [
        OwnLine(move.line_id, intern(move.account), intern(move.asset), move.amount_minor, intern(posting.day))
        for move in (*moves_of(posting.entries, partition, posting.sequence), *_on_banks(posting, partition))
        if move.amount_minor and move.account.startswith((RAIL, BANK))
    ]


def _on_banks(posting: Posting, partition: int) -> Iterator[Move]:
    """Entry by entry: nothing is matched with them, but as much as the statement's lines they explain a position."""
    for number, entry in enumerate(posting.entries):
        if entry.account.startswith(BANK):
            line_id = f"{partition}-{posting.sequence}-bank-{number}"
            yield Move(line_id, entry.account, entry.asset, entry.debit_minor - entry.credit_minor)
