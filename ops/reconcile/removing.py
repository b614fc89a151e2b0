"""What becomes of rails, accounts and open lines where a book is removed, and the tombstone that does it."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from agents.reconciliation.followed import Followed
from ops.alone import alone, until_visible
from ops.errors import OperationError
from ops.reading import TopicReader
from ops.reconcile.live_books import LOOK_AT, WORK, read_books
from ops.reconcile.live_exceptions import read_exceptions, read_standing
from schemas.reconciliation_books import DEFAULT_NAME
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
