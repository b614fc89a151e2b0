"""What is written and asked, in the words of both databases."""

from __future__ import annotations

import re

import pytest
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.schema import CreateIndex, CreateTable

from agents.views.statements import statements
from agents.views.tables import METADATA, TRANSACTIONS

POSTGRESQL, SQLITE = postgresql.dialect(), sqlite.dialect()  # type: ignore[no-untyped-call]


def words(clause: object, dialect: object = POSTGRESQL) -> str:
    """A statement on one line, without the casts of its parameters."""
    compiled = str(clause.compile(dialect=dialect))  # type: ignore[attr-defined]
    return re.sub(r"::[A-Z]+", "", " ".join(compiled.split()))


def test_a_position_moves_only_from_where_it_is_believed_to_be() -> None:
    for dialect in (POSTGRESQL, SQLITE):
        text = words(statements(dialect.name).move, dialect)
        assert text.startswith("UPDATE positions SET next_offset=")
        where = text.partition(" WHERE ")[2]
        assert "positions.partition = " in where
        assert "positions.next_offset = " in where
        assert "EXISTS (SELECT * FROM views_schema WHERE views_schema.epoch = " in where


def test_upserts_of_postgresql() -> None:
    write = statements("postgresql").write
    assert "ON CONFLICT" not in words(write["entries"]), "an entry that is there was applied twice"
    assert "ON CONFLICT (wallet_id, account, asset, partition) DO UPDATE SET sub_wallet = excluded.sub_wallet" in words(
        write["balances"]
    )
    assert "owner_ref = coalesce(excluded.owner_ref, wallets.owner_ref)" in words(write["wallets"])
    text = words(write["transactions"])
    assert "operation = coalesce(transactions.operation, excluded.operation)" in text
    assert "state = coalesce(excluded.state, transactions.state)" in text
    assert (
        "due_at_ms = CASE WHEN (%(anew)s = 1) THEN excluded.due_at_ms "
        "ELSE coalesce(excluded.due_at_ms, transactions.due_at_ms) END"
    ) in text


def test_both_databases_are_told_the_same() -> None:
    for name, statement in statements("sqlite").write.items():
        sqlites = words(statement, SQLITE)
        others = re.sub(r"%\((\w+)\)s", "?", words(statements("postgresql").write[name]))
        assert sqlites == others, name


def test_the_index_of_open_transactions_is_a_partial_one() -> None:
    (index,) = TRANSACTIONS.indexes
    for dialect in (POSTGRESQL, SQLITE):
        assert "WHERE (state IN ('initiated', 'processed', 'disputed') OR due_at_ms IS NOT NULL)" in words(
            CreateIndex(index), dialect
        )


def test_amounts_and_times_take_64_bits() -> None:
    for table in METADATA.sorted_tables:
        text = words(CreateTable(table))
        for column in re.findall(r"(\w+_(?:minor|ms|offset)) (\w+)", text):
            assert column[1] == "BIGINT", (table.name, column)


def test_other_databases_are_refused() -> None:
    with pytest.raises(ValueError, match="views are kept in sqlite or postgresql, not in oracle"):
        statements("oracle")
