"""Proofs of a day, made from the log alone, and published once where they say something new."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import msgspec

from agents.reconciliation.followed import Followed
from agents.reconciliation.proofs.balances import Pair, balance_proofs
from agents.reconciliation.proofs.books import added
from agents.reconciliation.proofs.collecting import CompleteDay
from agents.reconciliation.proofs.open_items import ItemsOfDay
from agents.reconciliation.proofs.safeguarding import CURRENCY, safeguarding_proofs
from ops.amounts import Amounts
from ops.errors import OperationError
from ops.reading import OnProgress, TopicReader
from ops.reconcile.days import Period
from ops.reconcile.gl_log import Books, read_books
from ops.reconcile.live_books import read_books as read_matching_rules
from ops.reconcile.open_items import OwnLine, ToldByRole, read_own_lines, read_told
from ops.reconcile.pairs import book_of, pairs_of
from ops.reconcile.publishing import Published, publish_new
from ops.reconcile.statements import Statements, read_statements
from ops.reference_records import read_contents
from schemas.assets import AssetRegistry
from schemas.reconciliation_proofs import BalanceProof, Proof, SafeguardingProof
from schemas.topics import ASSETS


class Proven(NamedTuple):
    """All proofs of a day."""

    books: Books
    safeguarding: tuple[SafeguardingProof, ...]
    balances: tuple[BalanceProof, ...]
    amounts: Amounts

    @property
    def proofs(self) -> tuple[Proof, ...]:
        """All of them."""
        return (*self.safeguarding, *self.balances)

    @property
    def holds(self) -> bool:
        """No shortfall, nothing unbalanced, nothing unexplained."""
        bad = any(one.verdict in ("shortfall", "unbalanced") for one in self.safeguarding)
        return not bad and not self.books.problems and all(one.verdict != "unexplained" for one in self.balances)

    def as_json(self) -> dict[str, Any]:
        """For scripts."""
        return {
            "day": self.books.period.last,
            "holds": self.holds,
            "is_over": self.books.is_over,
            "problems": list(self.books.problems),
            "proofs": [msgspec.to_builtins(one) for one in self.proofs],
            "cuts": [cut._asdict() for cut in self.books.cuts],
        }


async def prove(
    reader: TopicReader, day: str, pairs: Sequence[Pair] = (), *, on_progress: OnProgress | None = None
) -> Proven:
    """Make the proofs of a day.

    Args:
        reader: reads the topics of the namespace.
        day: the UTC day.
        pairs: which account of the ledger is which account of statements, before what books and names say.
        on_progress: told how far the reading has come.

    Raises:
        OperationError: a topic is missing or cannot be read.
    """
    registry = (await read_contents(reader, ASSETS)).reference.assets
    books = await read_books(reader, Period(day, day), on_progress=on_progress)
    followed = (await read_matching_rules(reader)).followed
    statements = await read_statements(reader)
    told = await read_told(reader)
    own = await read_own_lines(reader, day)
    return Proven(
        books,
        tuple(safeguarding_proofs(day, books.parts, kinds_of(registry))),
        tuple(balances_of([CompleteDay(day, books.parts)], followed, own, statements, told, pairs)),
        Amounts(registry),
    )


def kinds_of(registry: AssetRegistry) -> Callable[[str], str]:
    """Kind of an asset; one that nobody knows is taken for money."""

    def kind_of(asset: str) -> str:
        found = registry.get(asset)
        return CURRENCY if found is None else found.kind

    return kind_of


def balances_of(
    days: Sequence[CompleteDay],
    followed: Followed,
    own: Sequence[OwnLine],
    statements: Statements,
    told: ToldByRole,
    named: Sequence[Pair] = (),
) -> list[BalanceProof]:
    """The proofs of positions at the end of days, the oldest first, once everything is read. Pure."""
    dates, found = [day.day for day in days], list[BalanceProof]()
    items: dict[Pair, dict[str, ItemsOfDay]] = {}
    for day in days:
        closings = statements.closings(day.day)
        for pair in pairs_of({one.account for one in added(day.parts)}, statements.names, followed, named):
            if pair not in items:
                book = book_of(pair, followed)
                from_day = None if book is None else followed.book(book).from_date
                items[pair] = told.open_items(dates, pair, book, own, statements, from_day)
            found += balance_proofs(day.day, day.parts, [pair], closings, *items[pair][day.day])
    return found


async def publish(reader: TopicReader, found: Proven) -> Published:
    """Write those of a day that are new.

    Raises:
        OperationError: the day is not over, the books do not hold together, or see `publish_new`.
    """
    if not found.books.is_over:
        open_ = "; ".join(cut.line for cut in found.books.cuts if not cut.is_over)
        raise OperationError(f"{found.books.period.last} is not over, nothing was published: {open_}")
    if found.books.problems:
        raise OperationError(f"the books are wrong, nothing was published: {found.books.problems[0]}")
    return await publish_new(reader, found.proofs)


def lines(found: Proven) -> Iterator[str]:
    """The proofs for people."""
    amounts = found.amounts
    yield f"proofs of {found.books.period.last} (UTC)"
    for one in found.safeguarding:
        yield ""
        yield f"{one.asset}: {one.verdict.replace('_', ' ')} of {amounts.amount(one.surplus_minor, one.asset)}"
        for title, of, minor in (
            ("held for us", one.cash, one.cash_minor),
            ("owed to customers", one.owed, one.owed_minor),
        ):
            yield f"  {title:<38} {amounts.number(minor, one.asset):>20}"
            for each in of:
                yield f"    {each.account:<36} {amounts.number(each.amount_minor, one.asset):>20}"
        yield f"  {'announced, neither here nor owed':<38} {amounts.number(one.announced_minor, one.asset):>20}"
        yield f"  {'the surplus is made of':<38} {amounts.number(one.surplus_minor, one.asset):>20}"
        for each in one.made_of:
            yield f"    {each.account:<36} {amounts.number(each.amount_minor, one.asset):>20}"
        if one.sum_minor:
            yield f"  WRONG: all accounts sum to {one.sum_minor} minor units"
    for balance in found.balances:
        yield ""
        yield from _balance_lines(balance, amounts)
    yield ""
    yield from (cut.line for cut in found.books.cuts)
    yield from (f"WRONG: {problem}" for problem in found.books.problems)
    if not found.books.is_over:
        yield "the day is not over in every partition: figures may yet change, and nothing is published of it"


def _balance_lines(one: BalanceProof, amounts: Amounts) -> Iterator[str]:
    yield f"{one.ledger_account} against {one.statement_account}, {one.asset}: {one.verdict.replace('_', ' ')}"
    rows: list[tuple[str, int | None]] = [
        ("ledger", one.ledger_minor),
        ("statement", one.statement_minor),
        ("difference", one.difference_minor),
        (f"{one.expected_with_us.count} expected, with us only", -one.expected_with_us.amount_minor),
        (f"{one.excepted_with_us.count} exceptions, with us only", -one.excepted_with_us.amount_minor),
        (f"{one.expected_in_file.count} expected, in the file only", one.expected_in_file.amount_minor),
        (f"{one.excepted_in_file.count} exceptions, in the file only", one.excepted_in_file.amount_minor),
        (f"{one.tolerated.count} matches that differ", one.tolerated.amount_minor),
        ("unexplained", one.unexplained_minor),
    ]
    for title, minor in rows:
        yield f"  {title:<38} {'-' if minor is None else amounts.number(minor, one.asset):>20}"
