"""The store of the views as those see it who write it: rows and position in one transaction, or nothing.

Exactly-once comes from the position alone. It is moved by comparing: whoever believes in another position than the
stored one changes nothing, reads it anew, and passes over what is applied already.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple
from uuid import uuid4

from sqlalchemy import URL, Connection, Engine, MetaData, Table, inspect, select
from sqlalchemy.exc import DatabaseError

from agents.views.chunk import Chunk, LogGap, Position, fold_chunk
from agents.views.database import BUSY_S, NoViews, Unavailable, WrongSchema, connect, shown, told, url_of
from agents.views.fold import Row
from agents.views.statements import Prepared, statements
from agents.views.tables import METADATA, POSITIONS, SCHEMA, SCHEMA_VERSION
from streams.settings import Settings

_REBUILD: Final = "run `walletstream views rebuild`"
_WORKER: Final = "run `walletstream worker views`"
#: How soon it is looked again whether another worker has made the tables.
_PAUSE_S: Final = 0.05


class Applied(NamedTuple):
    """What applying a chunk came to."""

    position: Position
    #: Records that were new.
    records: int
    #: Table -> rows written.
    rows: Mapping[str, int]
    #: How often somebody else had moved the position first.
    races: int


class _LostRace(Exception):
    """The position is not where it was believed to be."""


class Meta(NamedTuple):
    """Whose views a store holds."""

    version: int
    namespace: str
    epoch: str
    tables: list[str]


def read_meta(connection: Connection) -> Meta | None:
    """What the store says of itself; None where it has no tables of ours."""
    if not inspect(connection).has_table(SCHEMA.name):
        return None
    row = connection.execute(select(*(SCHEMA.c[name] for name in Meta._fields))).one_or_none()
    return None if row is None else Meta(*row)


def check_meta(meta: Meta, namespace: str, where: str) -> None:
    """
    Raises:
        WrongSchema: the store is another version's or namespace's.
    """
    if meta.version != SCHEMA_VERSION:
        raise WrongSchema(
            f"the views at {where} are of version {meta.version}, this program is of {SCHEMA_VERSION}: {_REBUILD}"
        )
    if meta.namespace != namespace:
        raise WrongSchema(
            f"the views at {where} are of the namespace {meta.namespace!r}, not {namespace!r}: set "
            "WALLETSTREAM_VIEWS_URL or WALLETSTREAM_DATA_DIR to where this namespace's are kept"
        )


class ViewStore:
    """The views of one namespace, to be written; made by `open_store`."""

    def __init__(self, engine: Engine, namespace: str, clock: Callable[[], float] = time.time):
        self.engine = engine
        self._namespace = namespace
        self._clock = clock
        self._statements = statements(engine.dialect.name)
        self._write_rows = {
            name: Prepared(statement, engine.dialect) for name, statement in self._statements.write.items()
        }
        self._positions: dict[int, Position] = {}
        self._epoch = ""

    @property
    def url(self) -> URL:
        """Where it is."""
        return self.engine.url

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()

    # ---- tables --------------------------------------------------------------------------------------

    def prepare(self) -> None:
        """Make the tables where there are none.

        Raises:
            WrongSchema: there are, of another version or namespace, or of nobody knows whom.
            Unavailable: the database does not answer.
        """
        with told(self.url):
            deadline = time.monotonic() + BUSY_S
            while not self._is_made():
                if time.monotonic() > deadline:
                    raise Unavailable(f"the views at {shown(self.url)} are locked: another worker makes them too long")
                time.sleep(_PAUSE_S)
        self._read_epoch()

    def _is_made(self) -> bool:
        """Make the tables; False where another worker does so in this very moment, and has not done yet."""
        try:
            self._create()
        except DatabaseError as error:
            with self.engine.begin() as connection:
                if read_meta(connection) is None:
                    # Of SQLite's files one writes at a time, and who has read already is not let wait for it.
                    if "locked" in str(error.orig):
                        return False
                    raise
        return True

    def _create(self) -> None:
        with self.engine.begin() as connection:
            if read_meta(connection) is None:
                self._check_nobodys(connection)
                METADATA.create_all(connection)
                self._put_meta(connection)

    def _check_nobodys(self, connection: Connection) -> None:
        """
        Raises:
            WrongSchema: there are tables of our names, and nothing says that they are ours.
        """
        names = {table.name for table in METADATA.sorted_tables} - {SCHEMA.name}
        found = sorted(names & set(inspect(connection).get_table_names()))
        # Another worker may have made them all since it was looked for.
        if found and read_meta(connection) is None:
            raise WrongSchema(
                f"the database at {shown(self.url)} has tables named {', '.join(found)}, but no {SCHEMA.name} that "
                "says whose they are: if they are views, drop them, or set WALLETSTREAM_VIEWS_URL to a database or "
                "schema of their own"
            )

    def _put_meta(self, connection: Connection) -> None:
        meta = Meta(SCHEMA_VERSION, self._namespace, uuid4().hex, [table.name for table in METADATA.sorted_tables])
        connection.execute(SCHEMA.insert(), [{"id": 1, **meta._asdict()}])

    def reset(self) -> None:
        """Drop all views and begin anew, in one transaction: whoever writes them notices, and goes on from the start.

        Raises:
            WrongSchema: they are another namespace's, or nobody knows whose.
            Unavailable: the database does not answer.
        """
        with told(self.url), self.engine.begin() as connection:
            meta = read_meta(connection)
            if meta is None:
                self._check_nobodys(connection)
            else:
                check_meta(meta._replace(version=SCHEMA_VERSION), self._namespace, shown(self.url))
                # The positions first: whoever writes holds their lock before any other.
                for name in sorted(meta.tables, key=lambda name: name != POSITIONS.name):
                    Table(name, MetaData()).drop(connection, checkfirst=True)
            METADATA.create_all(connection)
            self._put_meta(connection)
        self._read_epoch()

    def _read_epoch(self) -> None:
        """Whose store it is now; every position is read anew."""
        self._positions.clear()
        with told(self.url), self.engine.connect() as connection:
            meta = read_meta(connection)
        if meta is None:
            raise NoViews(f"the views at {shown(self.url)} are gone: {_REBUILD}")
        check_meta(meta, self._namespace, shown(self.url))
        self._epoch = meta.epoch

    # ---- positions and rows --------------------------------------------------------------------------

    def position(self, partition: int) -> Position:
        """What the partition's views reflect, from the database.

        Raises:
            NoViews, WrongSchema: the store was dropped, or rebuilt by another version.
            Unavailable: the database does not answer.
        """
        self._read_epoch()
        return self._read_position(partition)

    def _read_position(self, partition: int) -> Position:
        columns = [POSITIONS.c[name] for name in Position._fields]
        with told(self.url), self.engine.begin() as connection:
            fresh = {"partition": partition, "applied_at_ms": 0, **Position()._asdict()}
            connection.execute(self._statements.begin, [fresh])
            row = connection.execute(select(*columns).where(POSITIONS.c.partition == partition)).one()
        position = self._positions[partition] = Position(*row)
        return position

    def apply(self, chunk: Chunk) -> Applied:
        """Fold a chunk and write its rows together with the position; what is applied already is passed over.

        Raises:
            LogGap: the chunk does not continue what was applied; nothing was written.
            Unreadable: one of its records is no event; nothing was written.
            NoViews, WrongSchema: the store was dropped, or rebuilt by another version.
            Unavailable: the database does not answer; whether anything was written shows in the position.
        """
        records, races = list(chunk.records), 0
        while True:
            position = self._positions.get(chunk.partition) or self.position(chunk.partition)
            try:
                folded = fold_chunk(chunk._replace(records=records), position)
                tables = folded.changes.tables()
                if folded.position != position:
                    self._write(chunk.partition, position, folded.position, tables)
            except _LostRace:
                races += 1
                self._positions.pop(chunk.partition, None)
                continue
            except (LogGap, Unavailable):
                self._positions.pop(chunk.partition, None)
                raise
            self._positions[chunk.partition] = folded.position
            rows = {name: len(found) for name, found in tables.items()}
            return Applied(folded.position, folded.records, rows, races)

    def _write(self, partition: int, before: Position, after: Position, tables: Mapping[str, list[Row]]) -> None:
        with told(self.url), self.engine.begin() as connection:
            # The position first: it takes the lock that all the rest needs.
            moved = connection.execute(
                self._statements.move,
                {
                    "its_partition": partition,
                    "its_epoch": self._epoch,
                    "old_offset": before.next_offset,
                    "applied_at_ms": int(self._clock() * 1000),
                    **after._asdict(),
                },
            )
            if moved.rowcount != 1:
                raise _LostRace
            for name, rows in tables.items():
                self._write_rows[name].execute(connection, rows)


def open_store(settings: Settings) -> ViewStore:
    """The store of the settings, to be written. It may have no tables yet: see `prepare` and `reset`.

    Raises:
        ViewsError: the URL or the driver is wrong, or the folder of the file cannot be made.
    """
    url = url_of(settings)
    if url.get_backend_name() == "sqlite" and not settings.views_url:
        try:
            settings.data_dir.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise Unavailable(
                f"the folder {settings.data_dir} cannot be made: {error.strerror}; set WALLETSTREAM_DATA_DIR"
            ) from error
    return ViewStore(connect(url), settings.namespace)
