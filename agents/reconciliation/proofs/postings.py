"""What a general ledger takes of an event: when, which transaction, which entries; nothing else is decoded."""

from __future__ import annotations

from typing import Final

import msgspec

from schemas.events import Entry

SEAL: Final = "batch.sealed"


class Posting(msgspec.Struct, frozen=True, gc=False):
    """An event of `ledger-events`, or a seal, as the books see it."""

    sequence: int
    type: str
    recorded_at: str
    transaction_id: str | None = None
    operation: str | None = None
    entries: tuple[Entry, ...] = ()
    #: Of seals: the hash of all that came before.
    hash: str | None = None

    @property
    def day(self) -> str:
        """The UTC day on which it was recorded, `2026-11-23`."""
        return self.recorded_at[:10]


#: Raises `msgspec.DecodeError` where a value is no event.
decode_posting: Final = msgspec.json.Decoder(Posting).decode


def unbalanced_assets(entries: tuple[Entry, ...]) -> dict[str, int]:
    """Asset -> credits less debits, of the assets in which a journal does not balance."""
    sums: dict[str, int] = {}
    for entry in entries:
        sums[entry.asset] = sums.get(entry.asset, 0) + entry.credit_minor - entry.debit_minor
    return {asset: minor for asset, minor in sums.items() if minor}
