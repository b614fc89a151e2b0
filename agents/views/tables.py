"""The tables of the views. Every row says its partition and the offset of the ledger event that it reflects.

Amounts are integers of minor units, times are Unix milliseconds. Keys are chosen so that a question reads one range
of the primary key, and so that no table needs more indexes than it has questions: they are what writing costs.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import JSON, BigInteger, Boolean, Column, Index, Integer, MetaData, String, Table, text

#: To be raised with every change of a table, or of what the fold writes into one: stores of another version are
#: rebuilt from the ledger.
SCHEMA_VERSION: Final = 1

METADATA: Final = MetaData()


def _reflects() -> tuple[Column[int], Column[int]]:
    return Column("partition", Integer, nullable=False), Column("ledger_offset", BigInteger, nullable=False)


#: One row: whose views these are, and which tables they have.
SCHEMA: Final = Table(
    "views_schema",
    METADATA,
    #: Always 1: of two who make the tables at once, one fails.
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("version", Integer, nullable=False),
    Column("namespace", String, nullable=False),
    #: Another one after each rebuild, so that nobody goes on writing what he began before it.
    Column("epoch", String, nullable=False),
    Column("tables", JSON, nullable=False),
)

POSITIONS: Final = Table(
    "positions",
    METADATA,
    Column("partition", Integer, primary_key=True, autoincrement=False),
    Column("next_offset", BigInteger, nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("seal_hash", String, nullable=False),
    Column("recorded_at_ms", BigInteger, nullable=False),
    #: When it was written, by the clock of the worker.
    Column("applied_at_ms", BigInteger, nullable=False),
)

WALLETS: Final = Table(
    "wallets",
    METADATA,
    Column("wallet_id", String, primary_key=True),
    Column("owner_ref", String),
    Column("kind", String),
    Column("state", String),
    Column("quarantined", Boolean),
    #: Codes, in the order in which they were enabled, with spaces between them.
    Column("assets", String),
    Column("opened_at_ms", BigInteger),
    Column("changed_at_ms", BigInteger, nullable=False),
    *_reflects(),
    Index("wallets_of_owner", "owner_ref"),
    sqlite_with_rowid=False,
)

SUB_WALLETS: Final = Table(
    "sub_wallets",
    METADATA,
    Column("wallet_id", String, primary_key=True),
    Column("sub_wallet", String, primary_key=True),
    Column("kind", String, nullable=False),
    Column("payee_wallet_id", String),
    Column("opened_at_ms", BigInteger, nullable=False),
    *_reflects(),
    sqlite_with_rowid=False,
)

#: Accounts of wallets, and those of the system, `wallet_id` `system`, one row for each partition's shard.
BALANCES: Final = Table(
    "balances",
    METADATA,
    Column("wallet_id", String, primary_key=True),
    Column("account", String, primary_key=True),
    Column("asset", String, primary_key=True),
    Column("partition", Integer, primary_key=True, autoincrement=False),
    Column("sub_wallet", String),
    Column("bucket", String, nullable=False),
    Column("balance_minor", BigInteger, nullable=False),
    Column("recorded_at_ms", BigInteger, nullable=False),
    Column("ledger_offset", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

ENTRIES: Final = Table(
    "entries",
    METADATA,
    Column("account", String, primary_key=True),
    Column("asset", String, primary_key=True),
    Column("recorded_at_ms", BigInteger, primary_key=True, autoincrement=False),
    Column("partition", Integer, primary_key=True, autoincrement=False),
    Column("sequence", BigInteger, primary_key=True, autoincrement=False),
    #: Place in the event's journal, from 0.
    Column("entry", Integer, primary_key=True, autoincrement=False),
    Column("ledger_offset", BigInteger, nullable=False),
    Column("debit_minor", BigInteger, nullable=False),
    Column("credit_minor", BigInteger, nullable=False),
    Column("balance_after_minor", BigInteger, nullable=False),
    Column("transaction_id", String),
    Column("operation", String),
    sqlite_with_rowid=False,
)

#: Transactions of which something is still to come. Text, for an index serves a question in the same words only.
OPEN: Final = text("(state IN ('initiated', 'processed', 'disputed') OR due_at_ms IS NOT NULL)")

TRANSACTIONS: Final = Table(
    "transactions",
    METADATA,
    Column("transaction_id", String, primary_key=True),
    #: Empty, or the leg of a transfer in the payee's partition.
    Column("leg", String, primary_key=True),
    Column("parent_transaction_id", String),
    Column("operation", String),
    Column("wallet_id", String),
    Column("sub_wallet", String),
    Column("state", String),
    Column("code", String),
    Column("amount_minor", BigInteger),
    Column("asset", String),
    Column("remaining_minor", BigInteger),
    Column("due_at_ms", BigInteger),
    Column("counterparty_wallet_id", String),
    Column("counterparty_sub_wallet", String),
    Column("rail", String),
    #: The batch in which it was handed to its rail.
    Column("batch_id", String),
    Column("rail_reference", String),
    Column("opened_at_ms", BigInteger),
    Column("changed_at_ms", BigInteger, nullable=False),
    *_reflects(),
    Index("transactions_open", "wallet_id", sqlite_where=OPEN, postgresql_where=OPEN),
    sqlite_with_rowid=False,
)
