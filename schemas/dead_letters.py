"""Dead letters: records that could not be handled, kept with key, value and headers untouched.

Why and where from is said by `dlq.*` headers, which come after the record's own. A value that no topic takes is
replaced by a reference to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

_PREFIX: Final = "dlq."

#: Headers of the record that resolves a dead letter: it stands behind it, in the same partition and under the same
#: key, and has no value. What was done: `replayed` or `discarded`.
RESOLUTION: Final = "dlq.resolution"
#: Offset of the dead letter in its partition, decimal digits.
RESOLVES_OFFSET: Final = "dlq.resolves-offset"
#: Who decided it.
RESOLVED_BY: Final = "dlq.resolved-by"
#: Why, in words; may be empty.
RESOLUTION_NOTE: Final = "dlq.note"

#: Of an oversized value this many leading bytes are kept in its reference.
REFERENCE_HEAD_BYTES: Final = 64 * 1024

#: `dlq.reason` of a dead letter that is a reference.
OVERSIZED: Final = "oversized"


class DeadLetterHeaders(
    msgspec.Struct, frozen=True, kw_only=True, rename=lambda name: _PREFIX + name.replace("_", "-")
):
    """The `dlq.*` headers. On the wire every value is text; numbers are decimal digits."""

    #: Outcome code, or `oversized`.
    reason: str
    #: What was being done: `decode`, `decide` or `write`.
    stage: str
    #: Short name of the topic that the record came from.
    original_topic: str
    original_partition: int
    original_offset: int
    #: Kafka timestamp of the record, Unix milliseconds.
    original_timestamp: int
    app_version: str

    def encode(self) -> list[tuple[str, bytes]]:
        """The headers as Kafka takes them."""
        return [(name, str(value).encode()) for name, value in msgspec.to_builtins(self).items()]


class OversizedReference(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Stands in `dead-letters` for a record too large for it: where it is, its digest and how its value begins."""

    topic: str
    partition: int
    offset: int
    size_bytes: int
    #: SHA-256 of the whole value, 64 hexadecimal digits.
    sha256: str
    #: The first 64 KiB, Base64 in JSON.
    head: bytes
    #: Length and SHA-256 of a key that is left out too, for it is longer than 64 KiB.
    key_size_bytes: int | None = None
    key_sha256: str | None = None


def read_dead_letter_headers(headers: Sequence[tuple[str, bytes | None]]) -> DeadLetterHeaders:
    """The `dlq.*` headers of a dead letter; the last one counts, for those before it are the record's own.

    Raises:
        ValueError: one is missing or not readable; the message names it.
    """
    named: dict[str, Any] = {}
    for name, value in headers:
        if name.startswith(_PREFIX) and value is not None:
            named[name] = value.decode(errors="replace")
    try:
        return msgspec.convert(named, DeadLetterHeaders, strict=False)
    except msgspec.ValidationError as error:
        raise ValueError(f"no dead letter of ours: {error}") from error


encode_reference: Final = msgspec.json.Encoder().encode
decode_reference: Final = msgspec.json.Decoder(OversizedReference).decode
