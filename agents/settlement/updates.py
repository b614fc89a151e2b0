"""What the ledger is told on `settlement-updates`. Pure.

The idempotency key is a hash of all that an update says: it cannot be done twice, and another thing that the rail did
never has the same.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Any, Final

import orjson

from agents.settlement.turn import Turn
from schemas.partitioning import partition_of
from schemas.settlement_internal import Payout
from schemas.topics import SETTLEMENT_UPDATES

#: Longest text that a command takes.
TEXT_MAX: Final = 200


def send_submit(turn: Turn, payout: Payout, batch_id: str) -> None:
    """The transaction is to go in this batch."""
    _send(turn, payout, {"operation": "submit", "batch_id": batch_id})


def send_settle(
    turn: Turn,
    payout: Payout,
    rail_reference: str,
    settled_minor: int,
    fee_minor: int = 0,
    value_date: str | None = None,
) -> None:
    """The rail has moved so much of it; what it has not moved goes back."""
    fields: dict[str, Any] = {"operation": "settle", "rail_reference": rail_reference}
    if settled_minor != payout.amount_minor:
        fields["settled_minor"] = settled_minor
    if fee_minor:
        fields["rail_fee_minor"] = fee_minor
    if value_date is not None:
        fields["value_date"] = value_date
    _send(turn, payout, fields)


def send_fail(turn: Turn, payout: Payout, code: str) -> None:
    """The rail has refused it."""
    _send(turn, payout, {"operation": "fail", "code": code})


def send_return(turn: Turn, payout: Payout, amount_minor: int, rail_reference: str, code: str) -> None:
    """The rail has taken so much of it back."""
    fields = {"operation": "return", "amount_minor": amount_minor, "rail_reference": rail_reference, "code": code}
    _send(turn, payout, fields)


def _send(turn: Turn, payout: Payout, fields: dict[str, Any]) -> None:
    command = {**fields, "wallet_id": payout.wallet_id, "transaction_id": payout.transaction_id}
    digest = sha256(orjson.dumps(command, option=orjson.OPT_SORT_KEYS)).hexdigest()
    command["idempotency_key"] = f"settlement:{fields['operation']}:{digest}"
    partition = partition_of(payout.wallet_id, turn.context.partitions)
    turn.out.send(SETTLEMENT_UPDATES, partition, payout.wallet_id.encode(), orjson.dumps(command))


def text(said: str, otherwise: str) -> str:
    """What a rail has said, as a command takes it: not empty, and not too long."""
    return said[:TEXT_MAX].strip() or otherwise
