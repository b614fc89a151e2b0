"""Lines as reconciliation keeps them: one movement, whoever says that it was made.

Amounts are signed as the account's holder, which is we, sees them: what came in is positive, what went out negative. A
debit of `system/rail:<name>` means that the rail holds more of ours, hence the line is positive.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec

#: Who says so: the ledger of a rail, of money on its way, of suspense; the partner's report; the bank's statement.
LineSide = Literal["ledger", "pending", "suspense", "partner", "bank"]
SIDES: Final[tuple[LineSide, ...]] = ("ledger", "pending", "suspense", "partner", "bank")

#: The two sides that are compared. `pending` and `suspense` have one side only: what stays there too long is a break.
Relation = Literal["ledger-partner", "partner-bank", "ledger-bank", "pending", "suspense", "statement"]

#: Relation -> left and right side.
RELATION_SIDES: Final[dict[str, tuple[LineSide, LineSide]]] = {
    "ledger-partner": ("ledger", "partner"),
    "partner-bank": ("partner", "bank"),
    "ledger-bank": ("ledger", "bank"),
}


def sides_of(relation: str) -> tuple[LineSide, LineSide]:
    """Left and right side of a relation; of one that has a single side, that one twice.

    Raises:
        ValueError: there is no such relation, or it has no lines.
    """
    found = RELATION_SIDES.get(relation)
    if found is not None:
        return found
    for side in SIDES:
        if side == relation:
            return side, side
    raise ValueError(f"{relation!r} is no relation that has lines")


def other_side(relation: str, side: str) -> LineSide:
    """The side of a relation that `side` is compared with.

    Raises:
        ValueError: there is no such relation, or it has no lines.
    """
    left, right = sides_of(relation)
    return right if side == left else left


class BookLine(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """One movement of a book."""

    line_id: str
    side: LineSide
    #: Signed, in minor units of `asset`; of a line that the other side has taken a fee off, what is left.
    amount_minor: int
    asset: str
    #: Value date, `YYYY-MM-DD`; of what has none, the day on which it was recorded.
    date: str
    #: Fee within `amount_minor`, which is `amount_minor + fee_minor` before it.
    fee_minor: int = 0
    #: By the names of `schemas.external_statements.REFERENCES`.
    references: dict[str, str] = {}
    #: Of the ledger: account, wallet, transaction, what moved it, and the key under which that was asked for.
    account: str | None = None
    wallet_id: str | None = None
    transaction_id: str | None = None
    operation: str | None = None
    idempotency_key: str | None = None
    #: Of a statement: which, and the number of the line in it.
    statement_id: str | None = None
    number: int | None = None
    reversal: bool = False
    counterparty: str | None = None
    remittance: str | None = None
    #: Of suspense: why it is there, one of `schemas.reconciliation_reasons`, and the ledger's own words.
    reason: str | None = None
    message: str | None = None
    #: The exception whose resolution has posted it.
    exception_id: str | None = None
