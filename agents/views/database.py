"""Where the views are kept: SQLite in the data directory, or PostgreSQL at `WALLETSTREAM_VIEWS_URL`."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError

from streams.settings import Settings

_FILE: Final = "views.sqlite"
#: How long a writer waits for another one: of SQLite's, one writes at a time.
BUSY_S: Final = 30.0
#: How soon what SQLite does not wait for is tried again.
_PAUSE_S: Final = 0.05
#: What is in the file cannot be read.
_DAMAGED: Final = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
#: These no waiting mends: the file, or its folder, may not be written.
_NOT_WRITABLE: Final = (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN)
_EXTRA: Final = "pip install 'walletstream[postgresql]'"


class ViewsError(Exception):
    """The views cannot be read or written; the message says what to do."""


class Unavailable(ViewsError):
    """The database does not answer, is locked or full: trying again may help."""


class Damaged(ViewsError):
    """The file is no database, or is one no more: trying again does not help."""


class WrongSchema(ViewsError):
    """The store is another version's or another namespace's."""


class NoViews(ViewsError):
    """There is no store, or nothing was ever applied to it."""


def url_of(settings: Settings) -> URL:
    """Where the views are.

    Raises:
        ViewsError: `WALLETSTREAM_VIEWS_URL` is no URL of PostgreSQL, or of a file of SQLite.
    """
    if not settings.views_url:
        return URL.create("sqlite", database=str(settings.data_dir / _FILE))
    try:
        url = make_url(settings.views_url)
    except ArgumentError as error:
        raise ViewsError(
            "WALLETSTREAM_VIEWS_URL is no URL; write postgresql://user:password@host/database, or leave it empty "
            "for SQLite"
        ) from error
    name = url.get_backend_name()
    if name == "sqlite" and url.database in (None, "", ":memory:"):
        raise ViewsError(
            "WALLETSTREAM_VIEWS_URL names no file: views in memory are nobody else's to ask; write "
            "sqlite:////var/lib/walletstream/views.sqlite, or leave it empty for DATA_DIR/views.sqlite"
        )
    if name not in ("postgresql", "sqlite"):
        raise ViewsError(f"WALLETSTREAM_VIEWS_URL names {name}; views are kept in postgresql or sqlite")
    return url.set(drivername="postgresql+psycopg") if url.drivername == "postgresql" else url


def shown(url: URL) -> str:
    """The URL without its password."""
    return url.render_as_string(hide_password=True)


def connect(url: URL) -> Engine:
    """An engine on the database; it connects when it is first used.

    Raises:
        ViewsError: the database's driver is not installed.
    """
    try:
        if url.get_backend_name() == "sqlite":
            engine = create_engine(url, connect_args={"timeout": BUSY_S})
            event.listen(engine, "connect", _prepare_sqlite)
            event.listen(engine, "begin", _begin_sqlite)
            return engine
        return create_engine(url, pool_pre_ping=True)
    except ModuleNotFoundError as error:
        raise ViewsError(f"the driver of {url.drivername} is not installed: {_EXTRA}") from error


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    # Python's own handling of transactions begins none for questions, so that two of them see different states.
    connection.isolation_level = None
    # Readers see the last commit while somebody writes. A power failure may take the last commits with it, rows and
    # position alike: they are applied again.
    _write_ahead(connection)
    connection.execute("PRAGMA synchronous=NORMAL")
    # Keys come in no order, so that every write touches pages all over the file: keep them (KiB, below 0), and bring
    # them back into the file less often than after every 4 MB (pages of 4 KiB).
    connection.execute("PRAGMA cache_size=-65536")
    connection.execute("PRAGMA wal_autocheckpoint=10000")


def _write_ahead(connection: Any) -> None:
    """Switch the file to a write-ahead log, however long others hold it: SQLite itself does not wait for this."""
    deadline = time.monotonic() + BUSY_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            # The low byte of an extended code is the plain one.
            if error.sqlite_errorcode & 0xFF in _NOT_WRITABLE or time.monotonic() > deadline:
                raise
        time.sleep(_PAUSE_S)


def _begin_sqlite(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN")


@contextmanager
def told(url: URL) -> Iterator[None]:
    """Turns the database's errors into ones that say which database it was, without its password.

    Raises:
        Damaged: what is in SQLite's file cannot be read.
        Unavailable: instead of any other error of the database.
    """
    try:
        yield
    except DBAPIError as error:
        # The low byte of an extended code is the plain one.
        if getattr(error.orig, "sqlite_errorcode", 0) & 0xFF in _DAMAGED:
            file = url.database
            raise Damaged(
                f"the views at {shown(url)} are damaged ({error.orig}): remove {file}, {file}-wal and {file}-shm, then "
                "run `walletstream views rebuild`"
            ) from error
        raise Unavailable(f"the views at {shown(url)} cannot be used: {error.orig}") from error
    except SQLAlchemyError as error:
        raise Unavailable(f"the views at {shown(url)} cannot be used: {error}") from error


@contextmanager
def snapshot(engine: Engine) -> Iterator[Connection]:
    """A connection that sees one state of all views for as long as the block lasts.

    Raises:
        Damaged, Unavailable: see there.
    """
    level = {} if engine.dialect.name == "sqlite" else {"isolation_level": "REPEATABLE READ"}
    with told(engine.url), engine.connect().execution_options(**level) as connection, connection.begin():
        yield connection
