"""Statements of a wallet and balances at a past time, both by `recorded_at`: the time of the ledger's partition."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import Connection, select

from agents.views.tables import BALANCES, ENTRIES


class Line(NamedTuple):
    """One entry of an account and the balance after it."""

    recorded_at_ms: int
    sequence: int
    entry: int
    ledger_offset: int
    transaction_id: str | None
    operation: str | None
    debit_minor: int
    credit_minor: int
    balance_after_minor: int


class AccountStatement(NamedTuple):
    """Entries of one account in one asset; `closing_minor` = `opening_minor` + credits - debits."""

    account: str
    asset: str
    partition: int
    opening_minor: int
    lines: tuple[Line, ...]
    closing_minor: int


class PastBalance(NamedTuple):
    """Balance of an account after the event at `ledger_offset`, the last one of it until the time asked for."""

    account: str
    asset: str
    balance_minor: int
    recorded_at_ms: int
    partition: int
    ledger_offset: int


def statement_of(connection: Connection, wallet_id: str, from_ms: int, to_ms: int) -> list[AccountStatement]:
    """A statement for each account of a wallet that had an entry before `to_ms`.

    Args:
        connection: see `agents.views.database.snapshot`.
        wallet_id: whose accounts.
        from_ms: entries recorded at or after this, Unix milliseconds.
        to_ms: and before this.
    """
    found = []
    for account, asset, partition in _accounts(connection, wallet_id):
        before = _last_before(connection, account, asset, partition, from_ms)
        opening_minor = 0 if before is None else before.balance_minor
        lines = _lines(connection, account, asset, partition, from_ms, to_ms)
        if before is not None or lines:
            closing_minor = lines[-1].balance_after_minor if lines else opening_minor
            found.append(AccountStatement(account, asset, partition, opening_minor, lines, closing_minor))
    return found


def balances_at(connection: Connection, wallet_id: str, at_ms: int) -> list[PastBalance]:
    """Balances of a wallet after all that was recorded until `at_ms`, Unix milliseconds, that moment included.

    Accounts without an entry until then are left out: there was nothing on them.
    """
    asked = (
        _last_before(connection, account, asset, partition, at_ms + 1)
        for account, asset, partition in _accounts(connection, wallet_id)
    )
    return [balance for balance in asked if balance is not None]


def _accounts(connection: Connection, wallet_id: str) -> list[tuple[str, str, int]]:
    b = BALANCES.c
    asked = select(b.account, b.asset, b.partition).where(b.wallet_id == wallet_id)
    return [(*row,) for row in connection.execute(asked.order_by(b.account, b.asset, b.partition))]


def _last_before(
    connection: Connection, account: str, asset: str, partition: int, before_ms: int
) -> PastBalance | None:
    e = ENTRIES.c
    asked = (
        select(e.account, e.asset, e.balance_after_minor, e.recorded_at_ms, e.partition, e.ledger_offset)
        .where(e.account == account, e.asset == asset, e.partition == partition, e.recorded_at_ms < before_ms)
        .order_by(e.recorded_at_ms.desc(), e.sequence.desc(), e.entry.desc())
        .limit(1)
    )
    row = connection.execute(asked).one_or_none()
    return None if row is None else PastBalance(*row)


def _lines(
    connection: Connection, account: str, asset: str, partition: int, from_ms: int, to_ms: int
) -> tuple[Line, ...]:
    e = ENTRIES.c
    asked = (
        select(*(e[name] for name in Line._fields))
        .where(e.account == account, e.asset == asset, e.partition == partition)
        .where(e.recorded_at_ms >= from_ms, e.recorded_at_ms < to_ms)
        .order_by(e.recorded_at_ms, e.sequence, e.entry)
    )
    return tuple(Line(*row) for row in connection.execute(asked))
