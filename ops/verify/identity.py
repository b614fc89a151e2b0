"""Which transaction an event begins, by the record that it answers: nobody chooses an id."""

from __future__ import annotations

from hashlib import sha256

from schemas.clock import unix_ms
from schemas.events import REQUEST_REJECTED, Cause, LedgerEvent

#: The event of a command, and so the command itself, is item 0; items of a batch count from 1.
OF_COMMAND = 0


def scope_of(event: LedgerEvent, cause: Cause) -> str:
    """Where the idempotency key of an event's command counts: the topic that it was asked for on, and the wallet."""
    topic = cause.first_topic
    return f"{topic}\0{event.wallet_id}\0{cause.idempotency_key}"


def transaction_id(scope: str, recorded_at: str, item: int = OF_COMMAND) -> str:
    """The first 32 hexadecimal digits of the SHA-256 of where a key counts, when that was recorded, and which item."""
    return sha256(f"{scope}\0{unix_ms(recorded_at)}\0{item}".encode()).hexdigest()[:32]


def why_wrong_id(event: LedgerEvent, cause: Cause) -> str:
    """What is wrong with the id of what a command's event begins; empty where nothing is, or nothing begins."""
    if event.type == REQUEST_REJECTED or event.from_state is not None or event.command is not None:
        return ""
    due = transaction_id(scope_of(event, cause), event.recorded_at)
    return (
        "" if event.transaction_id == due else f"{event.type} begins {event.transaction_id}, its command begins {due}"
    )
