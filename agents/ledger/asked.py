"""What is asked for: a command, and what identifies it."""

from __future__ import annotations

import msgspec

from agents.ledger.decode import Malformed, Written, decode
from agents.ledger.keys import scope, transaction_id_of
from schemas.canonical import fingerprint
from schemas.reading import ReadCommand


class Asked(msgspec.Struct, gc=False):
    """A command of a topic."""

    command: ReadCommand
    #: Where its idempotency key counts.
    scope: str
    canonical: bytes
    fingerprint: str
    #: What it begins, if that is recorded at `at_ms`.
    transaction_id: str
    at_ms: int

    def begins(self, recorded_at_ms: int) -> str:
        """Id of the transaction that it begins if it is recorded then."""
        return self.transaction_id if recorded_at_ms == self.at_ms else transaction_id_of(self.scope, recorded_at_ms)


def read_asked(record: Written, topic: str, at_ms: int) -> Asked | Malformed:
    """What a record asks for on `topic`, wherever it arrived from there, or why it is no command."""
    command = decode(record, topic)
    if isinstance(command, Malformed):
        return command
    within, canonical = scope(topic, command.wallet_id, command.idempotency_key), command.canonical()
    return Asked(command, within, canonical, fingerprint(canonical), transaction_id_of(within, at_ms), at_ms)
