"""Keys of the state's tables."""

from __future__ import annotations

from hashlib import sha256
from typing import Final


def scope(topic: str, wallet_id: str, idempotency_key: str) -> str:
    """Where an idempotency key counts: one input topic, one wallet."""
    return f"{topic}\0{wallet_id}\0{idempotency_key}"


def transaction_id_of(scope: str, recorded_at_ms: int, item: int = 0) -> str:
    """Id of the transaction that a key's first command begins, by when it is recorded; `item` is that of a batch."""
    return sha256(f"{scope}\0{recorded_at_ms}\0{item}".encode()).hexdigest()[:32]


#: The leg of a transfer that credits its payee, in the payee's partition.
CREDIT_LEG: Final = "credit"


def leg_key(transaction_id: str, leg: str) -> str:
    """Key of a leg in the table of transactions of the partition that executes it."""
    return f"{transaction_id}/{leg}"


def due_key(due_at_ms: int, transaction_id: str = "") -> str:
    """Key of what is due at a time, in order of time; without a transaction, before all of that millisecond."""
    return f"{due_at_ms:015d} {transaction_id}"


def due_of_wallet_key(wallet_id: str, due_at_ms: int, transaction_id: str = "") -> str:
    """Key of what is due of one wallet, in order of time."""
    return f"{wallet_id} {due_at_ms:015d} {transaction_id}"


def parked_key(wallet_id: str, number: int) -> str:
    """Key of a wallet's parked record of that number."""
    return f"{wallet_id}\0{number:010d}"
