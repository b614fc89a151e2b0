"""The topic of matching rules: which books are there, and how one gets there. The same checks as a worker's."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from agents.reconciliation.followed import Followed, read_book
from ops.alone import alone, until_visible
from ops.consuming import Record
from ops.errors import OperationError
from ops.fraud.documents import read_as, read_documents
from ops.reading import TopicReader
from schemas.clock import rfc3339
from schemas.reconciliation_books import DEFAULT_BOOK, DEFAULT_NAME, Book
from schemas.topics import MATCHING_RULES, full_name

WORK = "matching-rules"
LOOK_AT = "walletstream reconcile rules ls"


class HeldBook(NamedTuple):
    """The latest record of a book: what it says, and why workers pass it over, if they do."""

    name: str
    book: Book | None
    problem: str | None
    #: RFC 3339; None: nobody has published it, it is what is shipped.
    published_at: str | None

    def as_json(self) -> dict[str, Any]:
        """For scripts."""
        return {
            "name": self.name,
            "published_at": self.published_at,
            "problem": self.problem,
            "book": None if self.book is None else self.book.model_dump(mode="json"),
        }


class Books:
    """What the topic says, the later records last."""

    def __init__(self) -> None:
        self.followed = Followed()
        self.held: dict[str, HeldBook] = {}

    def take(self, record: Record) -> None:
        """The next record."""
        key, book, problem = (record.key or b"").decode(errors="replace"), None, None
        try:
            if record.value is not None:
                book = read_book(record.value, key)
            self.followed.take(MATCHING_RULES, key, record.value)
        except ValueError as error:
            problem = str(error)
        if record.value is None and problem is None:
            self.held.pop(key, None)
        else:
            self.held[key] = HeldBook(key, book, problem, rfc3339(record.timestamp))

    def listed(self) -> list[HeldBook]:
        """By name; what is shipped is among them while nobody has published `default`."""
        shipped = {DEFAULT_NAME: HeldBook(DEFAULT_NAME, DEFAULT_BOOK, None, None)}
        return [one for _, one in sorted({**shipped, **self.held}.items())]


def checked(books: Books, given: list[Book]) -> list[Book]:
    """The books, once each fits what is known and what stands before it, as workers check it.

    Raises:
        OperationError: one does not; all reasons are told.
    """
    wrong = []
    for book in given:
        try:
            books.followed.take(MATCHING_RULES, book.name, value_of(book))
        except ValueError as error:
            wrong.append(f"book {book.name}: {error}")
    if wrong:
        raise OperationError("\n".join([*wrong, "nothing was published"]))
    return given


def read_book_file(path: Path) -> list[Book]:
    """The books of a file: one, a list of them, `{"books": [..]}`, or one in each line.

    Raises:
        OperationError: it cannot be read, or one of them is no book.
    """
    books = read_as(read_documents(path, "books"), Book, "book", "name")
    if not books:
        raise OperationError(f"{path} has no books")
    names = [book.name for book in books]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise OperationError(f"{path}: {', '.join(twice)} is there twice; the later one would count alone")
    return books


async def read_books(reader: TopicReader) -> Books:
    """All that the topic says.

    Raises:
        OperationError: the topic is missing or cannot be read.
    """
    books = Books()
    async for records in reader.read(MATCHING_RULES):
        for record in records:
            books.take(record)
    return books


async def publish(reader: TopicReader, given: list[Book]) -> None:
    """Publish books, all in one transaction, once each is checked as workers will.

    Raises:
        OperationError: one is refused, with all reasons; then none is written.
    """
    async with alone(reader, WORK, LOOK_AT) as producer:
        checked(await read_books(reader), given)
        name = full_name(reader.namespace, MATCHING_RULES)
        async with producer.transaction():
            waiting = [await producer.send(name, value_of(book), key=book.name.encode()) for book in given]
            written = [await one for one in waiting]
        await until_visible(reader, MATCHING_RULES, written)


def value_of(book: Book) -> bytes:
    """A book as it is written."""
    return book.model_dump_json(exclude_unset=True).encode()
