"""The hash chain of one partition's event log: gapless sequences, seals that join, hashes that follow.

A seal's hash is the SHA-256 of the previous seal's hash (32 bytes, zeros before the first), the bytes of each
event since then, each followed by a line feed, and the seal's own bytes without its `hash` field.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Final

import msgspec

from ops.verify.findings import Check, Here
from schemas.clock import rfc3339, unix_ms

_GENESIS: Final = "0" * 64
_HASH_FIELD: Final = b',"hash":"'
_SEAL_MARK: Final = b'"type":"batch.sealed"'


class Span(msgspec.Struct, frozen=True, gc=False):
    """Positions of one input before and after a batch."""

    from_: int = msgspec.field(name="from")
    to: int


class Seal(msgspec.Struct, frozen=True, kw_only=True):
    """`batch.sealed` as the auditor reads it."""

    sequence: int
    type: str
    first_sequence: int
    inputs: dict[str, Span]
    partition: int
    partitions: int
    partition_time: str
    recorded_at: str
    previous_hash: str
    hash: str


decode_seal: Final = msgspec.json.Decoder(Seal).decode
encode_seal: Final = msgspec.json.Encoder().encode


def is_seal(value: bytes) -> bool:
    """True where a record of the event log says that it is a seal."""
    return value.find(_SEAL_MARK, 0, 64) >= 0


def hash_of_batch(previous_hash: str, events: list[bytes], seal: bytes) -> str:
    """The hash that `seal` must carry after `events`.

    Raises:
        ValueError: the seal does not end with its hash, or the previous hash is none.
    """
    body, field, rest = seal.rpartition(_HASH_FIELD)
    if not field or len(rest) != 66 or not rest.endswith(b'"}'):
        raise ValueError("a seal ends with its hash")
    digest = sha256(bytes.fromhex(previous_hash))
    digest.update(b"\n".join([*events, body]))
    digest.update(b"}")
    return digest.hexdigest()


class Chain:
    """Follows one partition's log, record by record."""

    def __init__(self, here: Here, partitions: int):
        self._here = here
        self._partitions = partitions
        self._hash = _GENESIS
        self._pending: list[bytes] = []
        self._first: int | None = None
        self._is_anchored = True
        #: Sequence of the last record read.
        self.sequence = -1
        #: Sequence of the last seal read.
        self.sealed_sequence = -1
        self.partition_time = ""
        self.seals = 0

    def begin_anywhere(self) -> None:
        """The log's beginning was deleted: take the first record's sequence and previous hash for granted."""
        self._is_anchored = False

    def event(self, sequence: int, value: bytes, recorded_at: str) -> None:
        """The next event, decoded."""
        if sequence != self.sequence + 1:
            self._sequence_broken(sequence)
        self.sequence = sequence
        if self._first is None:
            self._first = sequence
        self._pending.append(value)
        if recorded_at != self.partition_time:
            self._check_time(recorded_at)
            if recorded_at < self.partition_time:
                self._here.report(Check.TIME_BACKWARDS, f"{recorded_at} comes after {self.partition_time}")
            self.partition_time = recorded_at

    def unreadable(self, value: bytes) -> None:
        """The next record, which could not be decoded: it counts as one event."""
        self.sequence += 1
        self._pending.append(value)

    def seal(self, seal: Seal, value: bytes) -> None:
        """The next seal; checks all that it says of the events before it."""
        here = self._here
        if seal.sequence != self.sequence + 1:
            self._sequence_broken(seal.sequence)
        self._check_contents(seal)
        if not self._is_anchored:
            self._hash, self._is_anchored = seal.previous_hash, True
        if seal.previous_hash != self._hash:
            here.report(
                Check.CHAIN_BROKEN,
                f"the seal continues hash {seal.previous_hash[:16]}…, the seal before it has {self._hash[:16]}…",
            )
        self._check_hash(seal, value)
        self.sequence = self.sealed_sequence = seal.sequence
        self._hash = seal.hash
        self.partition_time = max(self.partition_time, seal.partition_time)
        self._pending = []
        self._first = None
        self.seals += 1

    def finish(self) -> None:
        """The log's end."""
        if self._pending:
            self._here.report(
                Check.NOT_SEALED, f"the last {len(self._pending)} events have no seal: somebody else wrote them"
            )

    def _check_time(self, text: str) -> None:
        """Times are compared as they are written, and whoever folds the log reads them."""
        try:
            is_time = rfc3339(unix_ms(text)) == text
        except ValueError:
            is_time = False
        if not is_time:
            self._here.report(Check.UNDECODABLE, f"{text!r} is no partition time: UTC in milliseconds")

    def _sequence_broken(self, sequence: int) -> None:
        if not self._is_anchored and self.sequence < 0:
            return
        self._here.report(Check.SEQUENCE_BROKEN, f"sequence {sequence} follows {self.sequence}")

    def _check_contents(self, seal: Seal) -> None:
        here = self._here
        if seal.partition != here.partition:
            here.report(Check.SEAL_WRONG, f"the seal says partition {seal.partition}")
        if seal.partitions != self._partitions:
            here.report(
                Check.SEAL_WRONG,
                f"the seal was written with {seal.partitions} partitions, now there are {self._partitions}",
            )
        first = seal.sequence if self._first is None else self._first
        if seal.first_sequence != first or seal.sequence - seal.first_sequence != len(self._pending):
            here.report(
                Check.SEAL_WRONG,
                f"the seal covers sequences {seal.first_sequence} to {seal.sequence}, "
                f"the log holds {len(self._pending)} events from {first}",
            )
        if seal.partition_time != self.partition_time:
            self._check_time(seal.partition_time)
        if seal.partition_time < self.partition_time:
            here.report(Check.TIME_BACKWARDS, f"sealed at {seal.partition_time} after {self.partition_time}")
        elif self.partition_time and seal.partition_time != self.partition_time:
            # The next batch goes on from there: all that is due until then would be.
            sentence = f"sealed at {seal.partition_time}, the last event is of {self.partition_time}"
            here.report(Check.TIME_WRONG, sentence)
        if seal.recorded_at != seal.partition_time:
            here.report(Check.TIME_WRONG, f"sealed at {seal.partition_time}, recorded at {seal.recorded_at}")

    def _check_hash(self, seal: Seal, value: bytes) -> None:
        try:
            digest = hash_of_batch(seal.previous_hash, self._pending, value)
        except ValueError as error:
            self._here.report(Check.CHAIN_BROKEN, str(error))
            return
        if digest != seal.hash:
            self._here.report(
                Check.CHAIN_BROKEN,
                f"the seal's hash is {seal.hash[:16]}…, the bytes of sequences {seal.first_sequence} to "
                f"{seal.sequence} give {digest[:16]}…",
            )
