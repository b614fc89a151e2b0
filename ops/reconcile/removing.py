"""What becomes of rails, accounts and open lines where a book is removed or takes them, and the tombstone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

from agents.reconciliation.followed import Followed
from ops.alone import alone, until_visible
from ops.errors import OperationError
from ops.reading import TopicReader
from ops.reconcile.live_books import LOOK_AT, WORK, read_books
from ops.reconcile.live_exceptions import read_exceptions, read_standing
from schemas.reconciliation_books import DEFAULT_NAME, Book
from schemas.reconciliation_exceptions import OPEN_STATES
from schemas.topics import MATCHING_RULES, full_name

_NOBODY: Final = "not reconciled"


class Removal(NamedTuple):
    """What removing a book comes to.

    Attributes:
        rails, accounts: of the book -> the book that they belong to afterwards.
        open_exceptions, expected_lines: what is still open in the book, of which nobody would hear any more.
    """

    name: str
    rails: dict[str, str]
    accounts: dict[str, str]
    open_exceptions: int
    expected_lines: int

    @property
    def leaves_behind(self) -> str:
        """What is still open, in words; empty where nothing is."""
        if not self.open_exceptions and not self.expected_lines:
            return ""
        return f"{self.open_exceptions} open exceptions and {self.expected_lines} expected lines"

    def as_json(self) -> dict[str, Any]:
        """For scripts."""
        return self._asdict()


class Moved(NamedTuple):
    """A rail or account that a book takes from another: `what`, the book that it was of, and the one that it is of."""

    what: str
    was_of: str
    is_of: str

    def sentence(self, open_exceptions: int, expected_lines: int) -> str:
        """What is left behind in the book that it was of, for people; empty where nothing is."""
        if not open_exceptions and not expected_lines:
            return ""
        return (
            f"{self.what} was of the book {self.was_of}: its {open_exceptions} open exceptions and {expected_lines} "
            f"expected lines stay there, and what comes for them goes to {self.is_of}"
        )


def moves_of(before: Followed, given: Iterable[Book]) -> list[Moved]:
    """Which rails and accounts come from other books where these are published. Pure."""
    found = []
    for book in given:
        rails = [(f"rail {name}", before.book_of_rail(name)) for name in book.rails or (book.name,)]
        accounts = [(f"account {name}", _book_of(before, name)) for name in book.accounts or (book.name,)]
        for what, was_of in (*rails, *accounts):
            if was_of not in (None, book.name) and book.name != DEFAULT_NAME:
                found.append(Moved(what, str(was_of), book.name))
    return found


def _book_of(followed: Followed, account: str) -> str | None:
    try:
        return followed.book_of_account(account)
    except ValueError:
        return None


async def left_behind(reader: TopicReader, moves: Sequence[Moved]) -> list[str]:
    """Sentences on what stays in the books that rails and accounts were of.

    Raises:
        OperationError: a topic is missing, cannot be read, or holds what it should not.
    """
    if not moves:
        return []
    exceptions = (await read_exceptions(reader)).values()
    summaries = (await read_standing(reader)).summaries
    told = []
    for moved in moves:
        summary = summaries.get(moved.was_of)
        open_count = sum(one.book == moved.was_of and one.state in OPEN_STATES for one in exceptions)
        told.append(moved.sentence(open_count, sum(of.expected for of in ([] if summary is None else summary.totals))))
    return [sentence for sentence in told if sentence]


async def removal_of(reader: TopicReader, name: str) -> Removal:
    """What removing a book would come to.

    Raises:
        OperationError: there is no such record.
    """
    books = await read_books(reader)
    held = books.held.get(name)
    if held is None:
        raise OperationError(f"{MATCHING_RULES} has no book {name!r}: `{LOOK_AT}` lists those that are published")
    rails = () if held.book is None else held.book.rails or (name,)
    accounts = () if held.book is None else held.book.accounts or (name,)
    books.followed.take(MATCHING_RULES, name, None)
    exceptions = (await read_exceptions(reader)).values()
    summary = (await read_standing(reader)).summaries.get(name)
    # A line is expected in each of its relations.
    expected = () if summary is None else summary.totals
    return Removal(
        name,
        {} if name == DEFAULT_NAME else {rail: books.followed.book_of_rail(rail) or _NOBODY for rail in rails},
        {} if name == DEFAULT_NAME else {account: _of_account(books.followed, account) for account in accounts},
        sum(one.book == name and one.state in OPEN_STATES for one in exceptions),
        sum(each.expected for each in expected),
    )


def _of_account(followed: Followed, account: str) -> str:
    try:
        return followed.book_of_account(account) or _NOBODY
    except ValueError:
        return "none, for its name is none of a book: statements of it become dead letters"


async def remove(reader: TopicReader, name: str, *, anyway: bool = False) -> Removal:
    """Remove a book's record; its rails and accounts belong to others, or to books of their own names, from then on.

    Raises:
        OperationError: there is no such record, or something is open in it and not `anyway`, or the broker refused.
    """
    async with alone(reader, WORK, LOOK_AT) as producer:
        found = await removal_of(reader, name)
        if found.leaves_behind and not anyway:
            raise OperationError(
                f"book {name} has {found.leaves_behind}: what comes for them afterwards goes to another book. Resolve "
                "them first, or publish the book with state `off`, or remove it with --anyway"
            )
        topic = full_name(reader.namespace, MATCHING_RULES)
        async with producer.transaction():
            written = await (await producer.send(topic, None, key=name.encode()))
        await until_visible(reader, MATCHING_RULES, [written])
    return found
