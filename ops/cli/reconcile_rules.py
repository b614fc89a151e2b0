"""`walletstream reconcile rules publish|ls|remove|dry-run`: by which rules books are matched."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import click

from ops.cli.fraud_rules import as_json_option, with_reader
from ops.cli.running import print_json, print_line
from ops.errors import OperationError
from ops.reading import TopicReader
from ops.reconcile.dry_run import Tried, open_lines, read_line_file, try_rules
from ops.reconcile.live_books import Books, checked, publish, read_book_file, read_books
from ops.reconcile.live_exceptions import read_exceptions
from ops.reconcile.removing import Removal, left_behind, moves_of, removal_of, remove
from schemas.reconciliation_books import Book
from schemas.reconciliation_lines import RELATION_SIDES, BookLine
from streams.settings import Settings

_FILE = click.Path(path_type=Path)


@click.group()
def rules() -> None:
    """List, try, publish and remove books: which rails and accounts are reconciled, and by which rules."""


@rules.command("ls")
@as_json_option
def ls(as_json: bool) -> None:
    """List the books on the stream; what workers pass over says why.

    `default` counts for every rail and account that no other book names; until somebody publishes it, the one that
    is shipped does.
    """
    books = with_reader(lambda reader, _: read_books(reader)).listed()
    if as_json:
        print_json([one.as_json() for one in books])
        return
    for one in books:
        if one.book is not None:
            relations = ", ".join(f"{each.relation} ({len(each.rules.passes)} passes)" for each in one.book.relations)
            shipped = "" if one.published_at is not None else ", shipped"
            print_line(f"{one.name:<24} v{one.book.version:<4} {one.book.state}{shipped}: {relations}")
            for what, names in (("rails", one.book.rails), ("accounts", one.book.accounts)):
                if names:
                    print_line(f"    {what} {', '.join(names)}")
        else:
            print_line(f"{one.name:<24} -")
        if one.problem is not None:
            print_line(f"    workers pass it over: {one.problem}")
    print_line(f"{len(books)} books", err=True)


@rules.command("publish")
@click.argument("file", type=_FILE)
@as_json_option
def publish_command(file: Path, as_json: bool) -> None:
    """Publish the books of FILE: one, a list of them, {"books": [..]}, or one in each line.

    Each is checked first as workers check it; where one is refused none is published. Whoever changes a book gives it
    a higher version. `dry-run` tells first what it would match.
    """

    async def work(reader: TopicReader, _settings: Settings) -> tuple[list[str], list[str]]:
        found = read_book_file(file)
        moves = moves_of((await read_books(reader)).followed, found)
        await publish(reader, found)
        done = [f"{book.name} version {book.version}, {book.state}" for book in found]
        return done, await left_behind(reader, moves)

    done, left = with_reader(work)
    if as_json:
        print_json({"published": done, "left_behind": left})
        return
    for line in done:
        print_line(f"published {line}")
    for line in left:
        print_line(line, err=True)


@rules.command("remove")
@click.argument("name")
@click.option("--dry-run", "only_tell", is_flag=True, help="Only tell what it would come to.")
@click.option("--anyway", is_flag=True, help="Also where exceptions or expected lines of the book are open.")
@as_json_option
def remove_command(name: str, only_tell: bool, anyway: bool, as_json: bool) -> None:
    """Remove the book NAME: its rails and accounts belong to books of their own names from then on.

    They are matched by the rules of `default` then; without `default` itself those that are shipped count. What was
    matched stays. While something is open in the book it is refused, since lines that come later go to another book. A
    rail that is not to be reconciled at all keeps its book, with state `off`.
    """

    async def work(reader: TopicReader, _settings: Settings) -> Removal:
        return await (removal_of(reader, name) if only_tell else remove(reader, name, anyway=anyway))

    found = with_reader(work)
    if as_json:
        print_json({**found.as_json(), "removed": not only_tell})
        return
    for what, moved in (("rail", found.rails), ("account", found.accounts)):
        for one, book in moved.items():
            print_line(f"{what} {one}: book {book}" if book == one else f"{what} {one}: {book}")
    if found.leaves_behind:
        print_line(f"it has {found.leaves_behind}", err=True)
    print_line(f"{name} would be removed; nothing was" if only_tell else f"{name} is removed")


@rules.command("dry-run")
@click.argument("file", type=_FILE)
@click.option("--book", "name", help="Which book of FILE, where it has several.")
@click.option(
    "--lines",
    "line_files",
    type=_FILE,
    multiple=True,
    help="Match the lines of this file instead, as `exceptions --json` prints them; needs no broker. Repeatable.",
)
@click.option("--as-of", metavar="DAY", help="The day on which it is asked what is late; left out, today (UTC).")
@as_json_option
def dry_run(file: Path, name: str | None, line_files: tuple[Path, ...], as_of: str | None, as_json: bool) -> None:
    """Tell what the rules of FILE would match, and publish nothing.

    They are tried on the lines of the book's open exceptions, by the matcher of the role. Lines that people have
    proposed to the ledger or taken apart are left out, for the matcher is kept away from them; so are lines that
    are matched already or still expected, which no exception has.
    """
    today = _day(as_of)

    async def work(reader: TopicReader, _settings: Settings) -> list[Tried]:
        book, books = _chosen(file, name), await read_books(reader)
        checked(books, [book])
        lines = open_lines((await read_exceptions(reader)).values(), book.name)
        return try_rules(book, lines, today, books.followed)

    tried = _offline(file, name, line_files, today) if line_files else with_reader(work)
    if as_json:
        print_json([one.as_json() for one in tried])
        return
    for one in tried:
        sides = RELATION_SIDES[one.relation]
        print_line(f"{one.relation}: {one.left} lines of {sides[0]}, {one.right} of {sides[1]}")
        for what, count in one.by_pass().items():
            print_line(f"    {count} matches by {what}")
        for reason, count in one.by_reason().items():
            print_line(f"    {count} lines {reason}")
        if one.expected:
            print_line(f"    {one.expected} lines expected, not late yet")
    print_line("nothing was published", err=True)


def _offline(file: Path, name: str | None, line_files: tuple[Path, ...], today: int) -> list[Tried]:
    try:
        book, books = _chosen(file, name), Books()
        lines: list[BookLine] = [line for path in line_files for line in read_line_file(path)]
    except OperationError as error:
        raise click.ClickException(str(error)) from error
    return try_rules(book, {each.relation: lines for each in book.relations}, today, books.followed)


def _chosen(file: Path, name: str | None) -> Book:
    books = {book.name: book for book in read_book_file(file)}
    if name is None and len(books) == 1:
        return next(iter(books.values()))
    if name is None:
        raise OperationError(f"{file} has several books: name one with --book: {', '.join(sorted(books))}")
    if name not in books:
        raise OperationError(f"{file} has no book {name!r}; it has {', '.join(sorted(books))}")
    return books[name]


def _day(as_of: str | None) -> int:
    if as_of is None:
        return datetime.now(UTC).date().toordinal()
    try:
        return date.fromisoformat(as_of).toordinal()
    except ValueError:
        raise click.UsageError(f"--as-of {as_of}: there is no such day; write it as 2026-11-23") from None
