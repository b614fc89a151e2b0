"""What writes changes into the tables, in SQLite's and in PostgreSQL's words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from operator import itemgetter
from typing import Any, Final, NamedTuple

from sqlalchemy import (
    BigInteger,
    Connection,
    Dialect,
    Insert,
    Integer,
    Table,
    Update,
    bindparam,
    case,
    exists,
    func,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.elements import ColumnElement, literal_column

from agents.views.fold import FIRST_SAID, LAST_SAID, SAID_BY_MOVES, WALLET_FACTS, Row
from agents.views.tables import BALANCES, ENTRIES, POSITIONS, SCHEMA, SUB_WALLETS, TRANSACTIONS, WALLETS

DIALECTS: Final = ("sqlite", "postgresql")


class Statements(NamedTuple):
    """All writing statements of one dialect; each takes rows of `agents.views.fold` as its parameters."""

    #: Moves a position from where the writer believes it to be; it changes no row where that is wrong.
    move: Update
    #: Puts a position for a partition that has none.
    begin: Insert
    #: By table name.
    write: Mapping[str, Insert]


def statements(dialect: str) -> Statements:
    """The statements of a dialect, one of `DIALECTS`.

    Raises:
        ValueError: it is none of them.
    """
    if dialect not in DIALECTS:
        raise ValueError(f"views are kept in {' or '.join(DIALECTS)}, not in {dialect}")
    insert: Any = sqlite.insert if dialect == "sqlite" else postgresql.insert
    return Statements(_move(), insert(POSITIONS).on_conflict_do_nothing(), _write(insert))


class Prepared:
    """A statement in the words of one database, to be given many rows.

    SQLAlchemy looks at each parameter of each row once more before the driver does, which took longer than the writing.
    Our rows hold what both drivers take as it is: text, integers, booleans, None.
    """

    def __init__(self, statement: Insert, dialect: Dialect):
        compiled: Any = statement.compile(dialect=dialect)
        self._sql = str(compiled)
        names: list[str] | None = compiled.positiontup
        #: None where the driver takes parameters by name.
        self._take: Callable[[Row], tuple[Any, ...]] | None = None if names is None else itemgetter(*names)

    def execute(self, connection: Connection, rows: list[Row]) -> None:
        """Write the rows."""
        take = self._take
        connection.exec_driver_sql(self._sql, rows if take is None else [take(row) for row in rows])


def _move() -> Update:
    return (
        update(POSITIONS)
        .where(
            POSITIONS.c.partition == bindparam("its_partition"),
            POSITIONS.c.next_offset == bindparam("old_offset"),
            # Else they were rebuilt in between, and even the same offset would be of other views.
            exists().where(SCHEMA.c.epoch == bindparam("its_epoch")),
        )
        .values(
            {
                name: bindparam(name)
                for name in ("next_offset", "sequence", "seal_hash", "recorded_at_ms", "applied_at_ms")
            }
        )
    )


def _write(insert: Any) -> dict[str, Insert]:
    return {
        # An entry that is there already was applied twice: let it fail.
        "entries": insert(ENTRIES),
        "balances": _replacing(insert(BALANCES), BALANCES),
        "sub_wallets": _replacing(insert(SUB_WALLETS), SUB_WALLETS),
        "wallets": _wallets(insert(WALLETS)),
        "transactions": _transactions(insert(TRANSACTIONS)),
    }


def _on_conflict(insert: Any, table: Table, changes: Mapping[str, Any]) -> Insert:
    changed: Insert = insert.on_conflict_do_update(index_elements=list(table.primary_key), set_=changes)
    return changed


def _replacing(insert: Any, table: Table) -> Insert:
    return _on_conflict(insert, table, {c.name: insert.excluded[c.name] for c in table.c if not c.primary_key})


def _or_else(one: ColumnElement[Any], other: ColumnElement[Any]) -> ColumnElement[Any]:
    return func.coalesce(one, other)


def _wallets(insert: Any) -> Insert:
    new, old = insert.excluded, WALLETS.c
    changes = {name: _or_else(new[name], old[name]) for name in WALLET_FACTS}
    changes |= {name: new[name] for name in ("changed_at_ms", "partition", "ledger_offset")}
    return _on_conflict(insert, WALLETS, changes)


def _transactions(insert: Any) -> Insert:
    new, old = insert.excluded, TRANSACTIONS.c
    changes = {name: _or_else(old[name], new[name]) for name in FIRST_SAID}
    changes |= {name: _or_else(new[name], old[name]) for name in LAST_SAID}
    anew = bindparam("anew", type_=Integer) == literal_column("1")
    kept: dict[str, ColumnElement[Any]] = {name: old[name] for name in SAID_BY_MOVES}
    kept["remaining_minor"] = old["remaining_minor"] + bindparam("remaining_change_minor", type_=BigInteger)
    changes |= {name: case((anew, new[name]), else_=_or_else(new[name], kept[name])) for name in SAID_BY_MOVES}
    return _on_conflict(insert, TRANSACTIONS, changes)
