"""One input record's turn: the state it meets, the time, and what it leads to."""

from __future__ import annotations

from typing import Any

from agents.ledger.answers import update_of
from agents.ledger.apply import apply
from agents.ledger.state import LedgerState
from agents.ledger.transaction import Transaction
from schemas.events import LedgerEvent, Source, encode_event
from schemas.reference import Reference
from schemas.topics import TRANSACTION_OUTCOMES
from streams.machine import Context, Output


class Turn:
    """Events are applied as they are written, so that what comes later in the same turn sees them.

    One object serves all records of a state, one after the other; `context`, `out` and `reference` are those of the
    record.
    """

    __slots__ = ("context", "decoded", "decoded_topic", "due_from", "due_from_then", "out", "reference", "state")

    context: Context
    out: Output
    reference: Reference

    def __init__(self, state: LedgerState):
        self.state = state
        #: What was decoded ahead of its turn, by offset, and the topic that it is of.
        self.decoded: dict[int, Any] = {}
        self.decoded_topic = ""
        #: Nothing is due before this key. What ended is deleted, and a walk would pass over all of it from the start.
        self.due_from = ""
        #: The same once the batch is decided, where a tick of it has seen to what was due; else empty.
        self.due_from_then = ""

    def ahead(self, offset: int) -> Any:
        """What was decoded ahead of the record at `offset` of the input that this turn reads; None where it was not."""
        return self.decoded.pop(offset, None) if self.decoded_topic == self.context.topic else None

    def write(self, event: LedgerEvent, key: bytes | None) -> None:
        """Write an event and fold it into the state."""
        out = self.out
        event.sequence = out.sequence + 1
        written = encode_event(event)
        apply(self.state, event, written)
        out.event(key, written, (event.type, event.code))

    def send(self, topic: str, partition: int, key: bytes | None, value: bytes) -> None:
        """Write another record in the same transaction."""
        self.out.send(topic, partition, key, value)

    def tell_requester(self, event: LedgerEvent, transaction: Transaction) -> None:
        """An update, to who asked for the transaction that an event has moved on."""
        key = transaction.wallet_id.encode()
        self.out.send(TRANSACTION_OUTCOMES, self.context.partition, key, update_of(event, transaction))

    def here(self, offset: int) -> Source:
        """The record at `offset` of the input that this turn reads."""
        context = self.context
        return Source(context.topic, context.partition, offset)
