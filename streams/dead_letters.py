"""Dead letters as a machine writes them: the record untouched, or a reference to it where no topic takes it. Pure."""

from __future__ import annotations

from hashlib import sha256
from typing import Final, NamedTuple, Protocol

from schemas.dead_letters import (
    OVERSIZED,
    REFERENCE_HEAD_BYTES,
    DeadLetterHeaders,
    OversizedReference,
    encode_reference,
)
from schemas.topics import DEAD_LETTERS, ENVELOPE_MAX_BYTES
from streams.machine import Context, Headers, InputRecord, Output

#: Version in the headers of dead letters; raised when their meaning changes.
APP_VERSION: Final = "0.1.0"

#: What `dead-letters` and `internal-commands` hold of one record's key, value and headers; the rest is for ours.
FITS_BYTES: Final = ENVELOPE_MAX_BYTES - (32 << 10)
KEY_MAX_BYTES: Final = 64 << 10


class _Here(NamedTuple):
    topic: str
    partition: int
    offset: int


class Place(Protocol):
    """Where a record is: short topic name, partition, offset."""

    @property
    def topic(self) -> str: ...
    @property
    def partition(self) -> int: ...
    @property
    def offset(self) -> int: ...


def short_key(key: bytes | None) -> bytes | None:
    """The key of an event or answer about a record with this key: none where it is longer than any wallet's could be.

    With it they might not fit into their topics, and nothing else could be said about the record.
    """
    return key if key is None or len(key) <= KEY_MAX_BYTES else None


def keep_dead_letter(
    context: Context, out: Output, record: InputRecord, reason: str, stage: str, place: Place | None = None
) -> None:
    """Keep the record untouched, or a reference where no topic takes it: it was compressed when it arrived.

    `place` is where it is, if not where `context` says: it has waited since.
    """
    if _size_bytes(record) > FITS_BYTES:
        keep_reference(context, out, record, stage, place)
    else:
        at = place or _Here(context.topic, context.partition, record.offset)
        _keep(out, record, at, (reason, stage), record.key, record.value, record.headers)


def keep_reference(context: Context, out: Output, record: InputRecord, stage: str, place: Place | None = None) -> None:
    """Keep where the record is, its digest, and how it begins; `place` as in `keep_dead_letter`."""
    at = place or _Here(context.topic, context.partition, record.offset)
    value, key = record.value or b"", record.key
    kept = short_key(key)
    left_out = None if key is None or kept is not None else key
    reference = OversizedReference(
        topic=at.topic,
        partition=at.partition,
        offset=at.offset,
        size_bytes=len(value),
        sha256=sha256(value).hexdigest(),
        head=value[:REFERENCE_HEAD_BYTES],
        key_size_bytes=None if left_out is None else len(left_out),
        key_sha256=None if left_out is None else sha256(left_out).hexdigest(),
    )
    _keep(out, record, at, (OVERSIZED, stage), kept, encode_reference(reference), ())


def _keep(
    out: Output,
    record: InputRecord,
    at: Place,
    why: tuple[str, str],
    key: bytes | None,
    value: bytes | None,
    own: Headers,
) -> None:
    headers = DeadLetterHeaders(
        reason=why[0],
        stage=why[1],
        original_topic=at.topic,
        original_partition=at.partition,
        original_offset=at.offset,
        original_timestamp=record.timestamp,
        app_version=APP_VERSION,
    )
    out.dead_letter(DEAD_LETTERS, key, value, (*own, *headers.encode()), why)


def _size_bytes(record: InputRecord) -> int:
    """Bytes of key, value and headers in a record batch, but for a few."""
    headers = sum([len(name.encode()) + len(value or b"") + 2 for name, value in record.headers])
    return len(record.key or b"") + len(record.value or b"") + headers
