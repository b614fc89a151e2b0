"""What books, rails and assets say now, as the topics of reference data have told. Pure."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, Final

from pydantic import ValidationError

from schemas.business_days import UnknownCalendar, business_day_add, is_business_day
from schemas.reconciliation_books import DEFAULT_BOOK, DEFAULT_NAME, Book
from schemas.reference import Reference
from schemas.topics import MATCHING_RULES

_BOOK_NAME: Final = re.compile(r"[A-Za-z0-9_.:-]{1,64}")
_SATURDAY: Final = 5


class Followed:
    """Books by name, and which of them rails and accounts belong to."""

    def __init__(self) -> None:
        self._books: dict[str, Book] = {}
        self._of_rail: dict[str, str] = {}
        self._of_account: dict[str, str] = {}
        self._reference = Reference()

    def take(self, topic: str, key: str, value: bytes | None) -> None:
        """Take one record of reference data; None is a tombstone.

        Raises:
            ValueError: the record is bad; the message says why. What was known before stays.
        """
        if topic != MATCHING_RULES:
            self._reference = self._reference.with_record(topic, key, value)
            return
        books = {name: book for name, book in self._books.items() if name != key}
        if value is not None:
            book = read_book(value, key)
            check_version(self._books.get(key), book)
            books[key] = book
        of_rail: dict[str, str] = {}
        of_account: dict[str, str] = {}
        for name, book in sorted(books.items()):
            _claim(of_rail, book.rails, name, "rail")
            _claim(of_account, book.accounts, name, "account")
        self._books, self._of_rail, self._of_account = books, of_rail, of_account

    def book(self, name: str) -> Book:
        """The book of a name: its own record, else what counts for all others."""
        return self._books.get(name) or self._books.get(DEFAULT_NAME) or DEFAULT_BOOK

    def book_of_rail(self, rail: str) -> str | None:
        """Name of the book that a rail belongs to; None where it is not reconciled."""
        return self._on(self._of_rail.get(rail, rail))

    def book_of_account(self, account: str) -> str | None:
        """Name of the book that an account of statements belongs to; None where it is not reconciled.

        Raises:
            ValueError: no record names it, and its name is none that a book may have.
        """
        name = self._of_account.get(account, account)
        if _BOOK_NAME.fullmatch(name) is None or name == DEFAULT_NAME:
            raise ValueError(
                f"no book names the account {account!r}, and its name is none of a book: publish rules that name it"
            )
        return self._on(name)

    def _on(self, name: str) -> str | None:
        return name if self.book(name).state == "on" else None

    def rails_of(self, name: str) -> tuple[str, ...]:
        """Rails of a book."""
        return self.book(name).rails or (name,)

    def calendar_of(self, name: str) -> str | None:
        """Calendar of a book's business days; None: weekdays."""
        book = self.book(name)
        if book.calendar is not None:
            return book.calendar
        rail = self._reference.rails.get(self.rails_of(name)[0])
        return None if rail is None else rail.calendar

    def business_day_after(self, name: str, day: int, business_days: int) -> int:
        """The day so many business days of a book after `day`."""
        return business_day_after(self.calendar_of(name), day, business_days)

    def holidays_of(self, name: str, from_day: int, to_day: int) -> frozenset[int]:
        """Weekdays of a book's calendar that are no business days."""
        calendar = self.calendar_of(name)
        if calendar is None:
            return frozenset()
        return _holidays(calendar, from_day // 100 * 100, to_day // 100 * 100 + 100)

    def knows_asset(self, asset: str) -> bool:
        """Whether there is such an asset."""
        return self._reference.assets.get(asset) is not None


def read_book(value: bytes, key: str) -> Book:
    """The book of a record.

    Raises:
        ValueError: it does not fit its contract or its key; the message names each field that is wrong.
    """
    try:
        book = _validated(value)
    except ValidationError as error:
        raise ValueError("; ".join(map(_told, error.errors(include_url=False, include_input=False)))) from None
    if book.name != key:
        raise ValueError(f"the record's key is {key!r}, but its name is {book.name!r}: they must agree")
    return book


def check_version(held: Book | None, book: Book) -> None:
    """
    Raises:
        ValueError: the book changes what is known without a higher version.
    """
    if held is not None and held != book and book.version <= held.version:
        raise ValueError(
            f"version: {book.name} is at version {held.version}; a change needs a higher one than {book.version}"
        )


def business_day_after(calendar: str | None, day: int, business_days: int) -> int:
    """The day so many business days after `day`; without a calendar, Saturdays and Sundays are none."""
    if calendar is not None:
        try:
            return business_day_add(calendar, day, business_days)
        except (UnknownCalendar, OverflowError):
            pass
    found = _weekday_on_or_after(day)
    for _ in range(business_days):
        found = _weekday_on_or_after(found + 1)
    return found


def _weekday_on_or_after(day: int) -> int:
    # Day 1 of the proleptic calendar is a Monday.
    weekday = (day - 1) % 7
    return day if weekday < _SATURDAY else day + 7 - weekday


@lru_cache(maxsize=256)
def _holidays(calendar: str, from_day: int, to_day: int) -> frozenset[int]:
    try:
        return frozenset(day for day in range(from_day, to_day) if not is_business_day(calendar, day))
    except (UnknownCalendar, OverflowError, ValueError):
        return frozenset()


def _claim(claimed: dict[str, str], names: tuple[str, ...], book: str, what: str) -> None:
    for name in names:
        other = claimed.setdefault(name, book)
        if other != book:
            raise ValueError(f"{what} {name!r} belongs to the book {other} already: leave it out of one of them")


@lru_cache(maxsize=1_024)
def _validated(value: bytes) -> Book:
    """The machines of a worker read the same records one after the other, and share them."""
    return Book.model_validate_json(value)


def _told(error: Any) -> str:
    said = error["msg"].removeprefix("Value error, ")
    where = ".".join(map(str, error["loc"]))
    return f"{where}: {said}" if where else said
