"""What is still to come: a wallet's pending actions, and what could be handed to rails."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal, NamedTuple

from sqlalchemy import Connection, func, select

from agents.views.tables import OPEN, TRANSACTIONS
from schemas.rails import INSTANT

Kind = Literal["hold", "dispute", "scheduled", "screening", "deferred", "transfer", "lot", "open"]

#: What each kind is, for whoever reads an answer.
KINDS: Final[Mapping[Kind, str]] = {
    "hold": "an authorization that still holds money, until it is due",
    "dispute": "a dispute that is not resolved",
    "scheduled": "accepted, to begin when it is due",
    "screening": "held until screening says that it may go; its rail says what becomes of it once it is due",
    "deferred": "on its way over a rail that settles later; with a batch id it was handed to the rail",
    "transfer": "on its way to a wallet of another partition",
    "lot": "a reward that expires when it is due, as far as it is not spent by then",
    "open": "neither settled nor ended",
}
_HALF_BITS: Final = 32


class Pending(NamedTuple):
    """A transaction of which something is still to come."""

    kind: Kind
    transaction_id: str
    parent_transaction_id: str | None
    operation: str
    sub_wallet: str
    state: str
    amount_minor: int | None
    asset: str | None
    #: What is still held, disputed or left; None where that is all or nothing of the amount.
    remaining_minor: int | None
    due_at_ms: int | None
    counterparty_wallet_id: str | None
    rail: str | None
    batch_id: str | None
    opened_at_ms: int
    changed_at_ms: int
    partition: int
    ledger_offset: int


def pending_of(connection: Connection, wallet_id: str) -> list[Pending]:
    """Pending actions of a wallet, those due first, the others as they were opened."""
    columns = [TRANSACTIONS.c[name] for name in Pending._fields if name != "kind"]
    asked = select(*columns).where(TRANSACTIONS.c.wallet_id == wallet_id, OPEN, TRANSACTIONS.c.leg == "")
    found = []
    for row in connection.execute(asked).mappings():
        kind = _kind(row)
        if kind is not None:
            found.append(Pending(kind, **row))
    return sorted(found, key=lambda one: (one.due_at_ms is None, one.due_at_ms or one.opened_at_ms, one.transaction_id))


def _kind(row: Mapping[Any, Any]) -> Kind | None:
    """None where nothing is to come any more: a hold of which all is captured, a lot that has expired."""
    state, operation = row["state"], row["operation"]
    is_used_up = row["remaining_minor"] == 0
    if state == "disputed":
        # What is disputed is in this state too; it is the dispute that something is to come of.
        return "dispute" if operation == "dispute" else None
    if state == "initiated":
        # What waits for its time takes nothing before.
        return "scheduled" if row["remaining_minor"] is None else "screening"
    if state != "processed":
        return None if is_used_up else "lot"
    if operation == "authorize":
        return None if is_used_up else "hold"
    if row["rail"] not in (None, INSTANT.name):
        return "deferred"
    return "open" if row["counterparty_wallet_id"] is None else "transfer"


class Ready(NamedTuple):
    """Transactions over one rail in one asset that are processed and not handed to the rail."""

    rail: str
    #: Such as `credit` or `debit`: whether the rail is to pay or to be paid.
    operation: str
    asset: str
    transactions: int
    amount_minor: int
    #: When the one was opened that has waited longest.
    oldest_opened_at_ms: int


def ready_to_settle(connection: Connection) -> list[Ready]:
    """What could be handed to deferred rails now, by rail, operation and asset, over all partitions."""
    t = TRANSACTIONS.c
    # A sum of many amounts may be beyond what a database's integers hold: in two halves it is not.
    high, low = (func.sum(part) for part in (t.amount_minor // (1 << _HALF_BITS), t.amount_minor % (1 << _HALF_BITS)))
    asked = (
        select(t.rail, t.operation, t.asset, func.count(), high, low, func.min(t.opened_at_ms))
        .where(OPEN, t.state == "processed", t.leg == "", t.rail != INSTANT.name, t.batch_id.is_(None))
        .group_by(t.rail, t.operation, t.asset)
        .order_by(t.rail, t.operation, t.asset)
    )
    return [
        Ready(rail, operation, asset, transactions, (int(high) << _HALF_BITS) + int(low), oldest)
        for rail, operation, asset, transactions, high, low, oldest in connection.execute(asked)
    ]
