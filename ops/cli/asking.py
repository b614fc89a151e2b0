"""How commands ask the views: the database, how fresh it is, times as people write them."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

import click
from sqlalchemy import Connection

from agents.views.database import ViewsError
from agents.views.queries.reflected import reflected
from agents.views.queries.wallets import WalletView, wallet_of
from agents.views.reading import open_views
from ops.cli.running import run
from ops.freshness import Freshness, freshness_of, log_ends
from ops.records import printable
from schemas.clock import unix_ms
from schemas.partitioning import partition_of
from streams.settings import Settings

#: Later than any event.
FOREVER_MS: Final = 253_402_300_799_999

_DAY: Final = re.compile(r"\d{4}-\d{2}-\d{2}")


class Moment(click.ParamType):
    """A day (its beginning in UTC) or an RFC 3339 time, as Unix milliseconds."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        try:
            if _DAY.fullmatch(value):
                at_ms = int(datetime.fromisoformat(value).replace(tzinfo=UTC).timestamp()) * 1000
            else:
                at_ms = unix_ms(value)
        except ValueError as error:
            self.fail(
                f"{value!r} is neither a day nor a time: {error}; write 2026-01-31 or 2026-01-31T12:00:00Z", param, ctx
            )
        if not 0 <= at_ms <= FOREVER_MS:
            self.fail(f"{value!r} is not between 1970 and 9999 in UTC", param, ctx)
        return at_ms


class Views:
    """The views in one state, and where the ledger stood just before; made by `asking`."""

    def __init__(self, settings: Settings, connection: Connection, ends: Mapping[int, int] | None):
        self.connection = connection
        self._settings = settings
        self._ends = ends

    def freshness(self, partition: int) -> Freshness:
        """How far the views of a partition are behind."""
        return freshness_of(reflected(self.connection, [partition]), self._ends, partition)

    def all_freshness(self) -> list[Freshness]:
        """Of every partition that the views or the log know."""
        known = reflected(self.connection)
        return [freshness_of(known, self._ends, p) for p in sorted({*known, *(self._ends or ())})]

    def wallet(self, wallet_id: str) -> tuple[WalletView, Freshness]:
        """A wallet, and how fresh the views of its partition are.

        Raises:
            click.ClickException: the views know none of this id; where they are behind, it says so.
        """
        found = wallet_of(self.connection, wallet_id)
        if found is not None:
            return found, self.freshness(found.partition)
        # Where a broker answers it says how many there are.
        partitions = len(self._ends or ()) or self._settings.partitions
        fresh = self.freshness(partition_of(wallet_id, partitions))
        why = fresh.doubt() or "ids are case-sensitive"
        raise click.ClickException(f"no wallet {wallet_id!r} in the views; {why}")


@contextmanager
def asking(settings: Settings) -> Iterator[Views]:
    """The views for as long as the block lasts.

    Raises:
        click.ClickException: there are none, or they cannot be read; it says what to do.
    """
    # The log's ends first: whatever the views reflect beyond them is more than was there.
    ends = run(log_ends(settings))
    try:
        with open_views(settings) as connection:
            if any(one.is_beyond for one in Views(settings, connection, ends).all_freshness()):
                # A worker may have gone on in between, or a broker that has just become leader not have known all.
                ends = run(log_ends(settings))
            yield Views(settings, connection, ends)
    except ViewsError as error:
        raise click.ClickException(str(error)) from error


def warn_where_behind(freshness: Sequence[Freshness]) -> None:
    """Say on standard error where the views are behind, or of another log."""
    for fresh in freshness:
        if (doubt := fresh.doubt()) is not None:
            click.echo(f"Warning: {doubt}", err=True)


def refuse_where_behind(fresh: Freshness, until_ms: int) -> None:
    """What was recorded before `until_ms` must be in the views, for the answer is not to change afterwards.

    Where that moment is still to come the answer may: that is said on standard error.

    Raises:
        click.ClickException: it is not, and says how far behind they are.
    """
    reaches = fresh.reaches(until_ms)
    if reaches is False:
        raise click.ClickException(fresh.doubt() or str(fresh))
    if reaches is None:
        click.echo(f"Warning: {fresh}: later entries may be missing", err=True)
    elif until_ms > max(fresh.reflects.recorded_at_ms, time.time_ns() // 1_000_000):
        click.echo("Warning: that time is still to come: what is recorded until then will be missing", err=True)


def print_as_of(freshness: Sequence[Freshness]) -> None:
    """Which offsets an answer reflects."""
    for fresh in freshness:
        click.echo(f"as of       {fresh}")


class Column(NamedTuple):
    """A column of a printed table: its head, its width, and whether it is a number."""

    head: str
    width: int
    is_number: bool = False

    def cell(self, value: object) -> str:
        """A value, or the head, in its place."""
        text = "" if value is None else printable(str(value))
        return text.rjust(self.width) if self.is_number else text.ljust(self.width)


def print_table(columns: Sequence[Column], rows: Sequence[Sequence[object]]) -> None:
    """A table, indented."""
    for row in ([column.head for column in columns], *rows):
        cells = [column.cell(value) for column, value in zip(columns, row, strict=True)]
        click.echo(f"  {'  '.join(cells)}".rstrip())
