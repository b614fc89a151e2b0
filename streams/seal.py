"""`batch.sealed`: the last record of every transaction, which says what the transaction covers.

The hash chains each batch to the one before: SHA-256 over the previous hash (32 bytes; zeros at the start),
the bytes of each event of the batch in order, each followed by a line feed, and the seal's own bytes without
its hash. Anybody who reads the log can compute it again.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256
from typing import Final

import msgspec

SEAL_TYPE: Final = "batch.sealed"
GENESIS: Final = "0" * 64

_HASH_FIELD: Final = b',"hash":"'


class Span(msgspec.Struct, frozen=True, gc=False):
    """Positions of one input before and after a batch. Positions, not offsets: they pass control records too."""

    from_: int = msgspec.field(name="from")
    to: int = 0


class Seal(msgspec.Struct, frozen=True, kw_only=True):
    """What one committed batch covers. `sequence` is the seal's own; its events are `first_sequence` up to it."""

    sequence: int
    type: str
    first_sequence: int
    inputs: dict[str, Span]
    partition: int
    partitions: int
    partition_time: str
    recorded_at: str
    previous_hash: str
    hash: str = ""


class _Unhashed(msgspec.Struct, kw_only=True):
    sequence: int
    type: str
    first_sequence: int
    inputs: dict[str, Span]
    partition: int
    partitions: int
    partition_time: str
    recorded_at: str
    previous_hash: str


_encode: Final = msgspec.json.Encoder().encode
decode_seal: Final = msgspec.json.Decoder(Seal).decode


def chain_hash(previous_hash: str, events: Iterable[bytes], unhashed_seal: bytes) -> str:
    """The hash of a batch: 64 hexadecimal digits."""
    digest = sha256(bytes.fromhex(previous_hash))
    digest.update(b"\n".join((*events, unhashed_seal)))
    return digest.hexdigest()


def write_seal(
    *,
    sequence: int,
    first_sequence: int,
    inputs: dict[str, Span],
    partition: int,
    partitions: int,
    partition_time: str,
    previous_hash: str,
    events: Iterable[bytes],
) -> tuple[bytes, str]:
    """The seal of a batch as bytes, and its hash."""
    unhashed = _encode(
        _Unhashed(
            sequence=sequence,
            type=SEAL_TYPE,
            first_sequence=first_sequence,
            inputs=inputs,
            partition=partition,
            partitions=partitions,
            partition_time=partition_time,
            recorded_at=partition_time,
            previous_hash=previous_hash,
        )
    )
    digest = chain_hash(previous_hash, events, unhashed)
    return unhashed[:-1] + _HASH_FIELD + digest.encode() + b'"}', digest


def is_seal(value: bytes) -> bool:
    """True where a record of an event log is a seal; decided without parsing it."""
    return b'"type":"batch.sealed"' in value[:64]


def unhashed_bytes(seal: bytes) -> bytes:
    """A seal's bytes without its hash, which is what the hash covers.

    Raises:
        ValueError: the bytes do not end as a seal does.
    """
    cut = len(seal) - len(_HASH_FIELD) - 66
    if cut < 1 or seal[cut : cut + len(_HASH_FIELD)] != _HASH_FIELD:
        raise ValueError("a seal must end with its hash")
    return seal[:cut] + b"}"
