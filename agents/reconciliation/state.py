"""The state of one partition of the reconciliation role: its tables, and how their rows are encoded. Pure.

It is a fold of `reconciliation-events`. Keys of what belongs to a book begin with its name, so that a book is walked
alone. What a line is in says the relation: `M` and the id of a match, `E` and that of an exception; else it is
expected, or waits for the next matching.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from schemas.reconciliation_events import StatementFacts, Trace
from schemas.reconciliation_exceptions import ReconciliationException
from schemas.reconciliation_lines import SIDES, BookLine
from schemas.reconciliation_results import MatchRecord
from streams.overlay import Overlay
from streams.tables import IN_ORDER, Table, row_codec

DAY_MS: Final = 86_400_000


class HeldLine(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A line and what it is in: relation -> `M...` or `E...`."""

    line: BookLine
    fates: dict[str, str] = {}


class BookState(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """When the book is to be matched next (0: not before something comes), and its latest statement of each side."""

    due_ms: int = 0
    #: Side -> closing date of the latest statement, `` where it had none.
    statements: dict[str, str] = {}
    #: Side -> the first day that any of its statements is about.
    since: dict[str, str] = {}
    #: Side -> the first day of its statements, where lines that were set aside have not come back for them yet.
    recall: dict[str, str] = {}
    #: Side -> the last day of which lines that were set aside are not kept any more.
    forgotten: dict[str, str] = {}


class Begun(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A statement of which a line has come, and the book that it goes to; None where its account is not reconciled."""

    statement_id: str
    book: str | None = None


class Decided(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A decision that was taken, or refused, before."""

    digest: str
    refused: str = ""


def _table(name: str, kind: Any, cached: bool = True) -> Table[Any]:
    return Table(name, *row_codec(kind), cached)


#: Book, space, side, space, line id -> the line. Walked whole when the book is matched.
LINES: Final[Table[HeldLine]] = _table(f"lines{IN_ORDER}", HeldLine, cached=False)
#: Book, space, side, space, date, space, line id -> line that waits for a side which has stated nothing yet.
ASIDE: Final[Table[HeldLine]] = _table(f"aside{IN_ORDER}", HeldLine, cached=False)
#: Statement id, space, number -> line that waits for its statement.
STAGED: Final[Table[BookLine]] = _table(f"staged{IN_ORDER}", BookLine, cached=False)
#: Book, space, match id -> match.
MATCHES: Final[Table[MatchRecord]] = _table(f"matches{IN_ORDER}", MatchRecord, cached=False)
#: Book, space, exception id -> exception that somebody has to do something about.
OPEN: Final[Table[ReconciliationException]] = _table(f"open{IN_ORDER}", ReconciliationException)
#: Name -> where the book stands.
BOOKS: Final[Table[BookState]] = _table("books", BookState)
#: Due time in ms with leading zeros, space, book -> nothing.
DUE: Final[Table[int]] = _table(f"due{IN_ORDER}", int)
#: Account, space, side -> the statement of it that began last, and the book that all of it goes to.
BEGUN: Final[Table[Begun]] = _table("begun", Begun)
#: Statement id, and what it says (`content_key`) -> statement that was taken.
STATEMENTS: Final[Table[StatementFacts]] = _table("statements", StatementFacts, cached=False)

PLAIN_TABLES: Final = (LINES, ASIDE, STAGED, MATCHES, OPEN, BOOKS, DUE, BEGUN, STATEMENTS)
_WEEK_MS: Final = 7 * DAY_MS
#: How long a decision's id is remembered, and what later lines of a transaction need.
DECISIONS_KEPT_MS: Final = 40 * DAY_MS
TRACES_KEPT_MS: Final = 60 * DAY_MS
DECISIONS: Final[Table[Decided]] = Table(
    "decisions",
    msgspec.msgpack.Encoder().encode,
    msgspec.msgpack.Decoder(Decided).decode,
    bucket_ms=_WEEK_MS,
    retained_ms=DECISIONS_KEPT_MS,
)
TRACES: Final[Table[Trace]] = Table(
    "traces",
    msgspec.msgpack.Encoder().encode,
    msgspec.msgpack.Decoder(Trace).decode,
    bucket_ms=_WEEK_MS,
    retained_ms=TRACES_KEPT_MS,
)


def ended_table(retained_ms: int) -> Table[ReconciliationException]:
    """Book, space, exception id -> resolved or closed exception, in buckets by when that was."""
    encode, decode = row_codec(ReconciliationException)
    return Table("ended", encode, decode, bucket_ms=_WEEK_MS, retained_ms=retained_ms)


class ReconciliationState:
    """The tables of one overlay."""

    def __init__(self, overlay: Overlay, ended: Table[ReconciliationException]):
        self.overlay = overlay
        self.lines = overlay.table(LINES)
        self.aside = overlay.table(ASIDE)
        self.staged = overlay.table(STAGED)
        self.matches = overlay.table(MATCHES)
        self.open = overlay.table(OPEN)
        self.books = overlay.table(BOOKS)
        self.due = overlay.table(DUE)
        self.begun = overlay.table(BEGUN)
        self.statements = overlay.table(STATEMENTS)
        self.decisions = overlay.bucketed(DECISIONS)
        self.traces = overlay.bucketed(TRACES)
        self.ended = overlay.bucketed(ended)

    def find_line(self, book: str, line_id: str) -> HeldLine | None:
        """The line of a book by its id, whatever its side."""
        for side in SIDES:
            held = self.lines.get(f"{book} {side} {line_id}")
            if held is not None:
                return held
        return None

    def lines_of(self, book: str) -> Iterator[HeldLine]:
        """All lines of a book that are kept, by side and id."""
        return (held for _, held in self.lines.scan(f"{book} ", f"{book}!"))

    def exceptions_of(self, book: str) -> Iterator[ReconciliationException]:
        """The book's exceptions that somebody has to do something about, by id."""
        return (exception for _, exception in self.open.scan(f"{book} ", f"{book}!"))

    def exception(self, book: str, exception_id: str, now_ms: int) -> ReconciliationException | None:
        """An exception, whether it has ended or not."""
        name = f"{book} {exception_id}"
        return self.open.get(name) or self.ended.get(name, now_ms)

    def next_due_ms(self) -> int | None:
        """When the first of the books is to be matched."""
        for name, _ in self.due.scan():
            return int(name.partition(" ")[0])
        return None


def line_key(book: str, line: BookLine) -> str:
    """Where a line stands in `LINES`."""
    return f"{book} {line.side} {line.line_id}"


def begun_key(account: str, side: str) -> str:
    """Where the statement that an account's side began last stands in `BEGUN`."""
    return f"{account} {side}"


def staged_key(statement_id: str, number: int) -> str:
    """Where a line stands in `STAGED`."""
    return f"{statement_id} {number:012d}"


def content_key(facts: StatementFacts) -> str:
    """Where a statement stands in `STATEMENTS` by what it says: a copy in another file has the same."""
    return f"{facts.account} {facts.side} {facts.content_hash}"
