"""Dead letters and what operators did about them. Pure; `ops.dead_letter_box` reads and writes.

Nothing can be taken out of a topic, and nothing should be: what an operator decides is a record of its own behind the
dead letter, in the same partition and under the same key, with the headers that `schemas.dead_letters` names. A dead
letter without one is open.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import msgspec

from ops.consuming import Record
from ops.errors import OperationError
from ops.records import as_value, headers_as_json, parsed
from schemas.clock import rfc3339
from schemas.dead_letters import (
    OVERSIZED,
    RESOLUTION,
    RESOLUTION_NOTE,
    RESOLVED_BY,
    RESOLVES_OFFSET,
    DeadLetterHeaders,
    OversizedReference,
    decode_reference,
    read_dead_letter_headers,
)
from schemas.events import Source
from schemas.internal import ForwardedRecord, LegAnswer, TransferLeg, decode_internal
from schemas.topics import INTERNAL_COMMANDS

REPLAYED: Final = "replayed"
DISCARDED: Final = "discarded"
OPEN: Final = "open"
#: How every forwarded record begins.
_FORWARD: Final = b'{"operation":"forward",'

#: What Kafka can number; `str.isdigit` is true of what `int` refuses.
_OFFSET: Final = re.compile(r"[0-9]{1,19}")

Headers = Sequence[tuple[str, bytes | None]]


class Resolution(NamedTuple):
    """What an operator did about a dead letter."""

    #: `replayed` or `discarded`.
    what: str
    offset: int
    by: str
    note: str
    timestamp_ms: int


class Replay(NamedTuple):
    """The record to send again: short topic name, partition, key, value, headers."""

    topic: str
    partition: int
    key: bytes | None
    value: bytes | None
    headers: Headers


@dataclass
class DeadLetter:
    """One dead letter; its id is `<partition>/<offset>` in `dead-letters`."""

    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    #: The record's own headers, without ours.
    headers: Headers
    why: DeadLetterHeaders
    resolution: Resolution | None = None

    @property
    def id(self) -> str:
        """Its name for operators."""
        return f"{self.partition}/{self.offset}"

    @property
    def state(self) -> str:
        """`open`, `replayed` or `discarded`."""
        return OPEN if self.resolution is None else self.resolution.what

    @property
    def source(self) -> Source:
        """Where the record came from."""
        return Source(self.why.original_topic, self.why.original_partition, self.why.original_offset)

    @property
    def reference(self) -> OversizedReference | None:
        """What stands for a value that was too large to be kept."""
        if self.why.reason != OVERSIZED:
            return None
        try:
            return decode_reference(self.value or b"")
        except msgspec.DecodeError:
            return None

    def as_json(self) -> dict[str, Any]:
        """Everything that is known of it, as JSON values; the bytes in hexadecimal as well."""
        resolved = self.resolution
        return {
            "id": self.id,
            "state": self.state,
            "recorded_at": rfc3339(self.timestamp_ms),
            **msgspec.to_builtins(self.why),
            "key": as_value(self.key),
            "headers": headers_as_json(self.headers),
            "value": parsed(self.value),
            "value_hex": None if self.value is None else self.value.hex(),
            "size_bytes": len(self.value or b""),
            "resolution": None
            if resolved is None
            else {
                "what": resolved.what,
                "at": rfc3339(resolved.timestamp_ms),
                "by": resolved.by,
                "note": resolved.note,
                "offset": resolved.offset,
            },
        }


def collect(records: Iterable[Record]) -> list[DeadLetter]:
    """The dead letters among the records of `dead-letters`, with what was done about them.

    Records that are neither a dead letter of ours nor a resolution of one are left out.
    """
    found: dict[tuple[int, int], DeadLetter] = {}
    for record in records:
        try:
            why = read_dead_letter_headers(record.headers)
        except ValueError:
            # Only what is no dead letter may resolve one: a record's own headers are whatever its producer wrote.
            _resolve(found, record)
            continue
        letter = DeadLetter(
            record.partition,
            record.offset,
            record.timestamp,
            record.key,
            record.value,
            own_headers(record.headers),
            why,
        )
        found[record.partition, record.offset] = letter
    return list(found.values())


def own_headers(headers: Headers) -> Headers:
    """A dead letter's headers as the record had them when it arrived.

    Ours are the last ones; a record may have come with `dlq.*` headers of its own, for it may have been sent by
    somebody who copies dead letters.
    """
    ours = len(DeadLetterHeaders.__struct_encode_fields__)
    return tuple(headers[: len(headers) - ours])


def _resolve(found: dict[tuple[int, int], DeadLetter], record: Record) -> None:
    headers = dict(record.headers)
    if RESOLUTION not in headers:
        return

    def said(name: str) -> str:
        return (headers.get(name) or b"").decode(errors="replace")

    offset = said(RESOLVES_OFFSET)
    letter = found.get((record.partition, int(offset))) if _OFFSET.fullmatch(offset) else None
    # The first word stands: two operators may have resolved it at the same time.
    if letter is not None and letter.resolution is None:
        letter.resolution = Resolution(
            said(RESOLUTION), record.offset, said(RESOLVED_BY), said(RESOLUTION_NOTE), record.timestamp
        )


def resolution_headers(letter: DeadLetter, what: str, by: str, note: str) -> Headers:
    """The headers of the record that resolves a dead letter."""
    return [
        (RESOLUTION, what.encode()),
        (RESOLVES_OFFSET, str(letter.offset).encode()),
        (RESOLVED_BY, by.encode(errors="backslashreplace")),
        (RESOLUTION_NOTE, note.encode(errors="backslashreplace")),
    ]


def replay_of(letter: DeadLetter, owner_of: Callable[[str], int]) -> Replay:
    """The record to send again, as it first arrived: key, value and headers untouched.

    A forwarded request is sent to the input that it was meant for, in the partition of its wallet: the ledger alone
    forwards. `owner_of` gives the partition of a wallet id.

    Raises:
        OperationError: it cannot be sent again; the message says why.
    """
    why = letter.why
    if why.reason == OVERSIZED:
        raise OperationError(
            f"{letter.id}: only a reference was kept, the value was too large for any topic; it is at "
            f"{why.original_topic}/{why.original_partition} offset {why.original_offset} as long as that is kept"
        )
    if letter.key is None and letter.value is None:
        raise OperationError(f"{letter.id}: it has neither key nor value, there is nothing to send")
    told = _told(letter)
    if isinstance(told, ForwardedRecord):
        return Replay(told.source.topic, owner_of(told.key), told.key.encode(), told.value.encode(), told.headers)
    return Replay(why.original_topic, why.original_partition, letter.key, letter.value, letter.headers)


def why_not_discarded(letter: DeadLetter, parked: bool) -> str | None:
    """Why a dead letter must not be discarded; None where it may be. `parked`: its record waits for a release."""
    if parked:
        return f"{letter.id}: the record is parked for a wallet under quarantine and is applied when that is released"
    if isinstance(_told(letter), TransferLeg | LegAnswer):
        return f"{letter.id}: money of a transfer is on its way with this record; replay it"
    if letter.why.original_topic == INTERNAL_COMMANDS and letter.why.reason == OVERSIZED and not _is_forward(letter):
        return f"{letter.id}: only a reference was kept, and money of a transfer may be on its way with its record"
    return None


def _is_forward(letter: DeadLetter) -> bool:
    """Whether a reference is to a forwarded request, which has had its answer; its beginning says so."""
    return letter.reference is not None and letter.reference.head.startswith(_FORWARD)


def _told(letter: DeadLetter) -> object:
    """What one partition told another, where the dead letter is such a record and can be read."""
    if letter.why.original_topic != INTERNAL_COMMANDS:
        return None
    try:
        return decode_internal(letter.value or b"")
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
