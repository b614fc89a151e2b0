"""Under which Kafka key an event is kept. No seal covers keys, but a wallet's events are found by them."""

from __future__ import annotations

from typing import Final

from schemas.events import REQUEST_DEAD_LETTERED, REQUEST_REJECTED, WALLET_QUARANTINED, LedgerEvent

#: What is said of a record whose key is not its wallet, or that could not be read: it may be kept under that key.
_UNDER_ITS_RECORDS: Final = frozenset({REQUEST_DEAD_LETTERED, REQUEST_REJECTED, WALLET_QUARANTINED})
#: An event about a record with a longer key has none, in old logs that key.
_KEY_MAX_BYTES: Final = 64 << 10


def is_of_wallet(event: LedgerEvent, key: bytes | None) -> bool:
    """Whether the key is the event's wallet; of no wallet, whether it is empty or there is none."""
    return not key if event.wallet_id is None else key == event.wallet_id.encode()


def may_be_of_record(event: LedgerEvent) -> bool:
    """Whether the event may be kept under the key that the record came with, whatever that was."""
    return event.type in _UNDER_ITS_RECORDS


def is_of_record(key: bytes | None, record_key: bytes | None) -> bool:
    """Whether an event's key is the one that its record came with."""
    return key == record_key or (key is None and len(record_key or b"") > _KEY_MAX_BYTES)


def said(key: bytes | None) -> str:
    """A key, for a finding's sentence."""
    return "no key" if key is None else f"the key {key[:200].decode(errors='replace')!r}"
