"""Chunks of the event log, folded from where the views stand to where they stand afterwards. Pure.

A position holds more than an offset: the sequence and the hash of the last seal, so that a hole in what was read, or
another ledger's log, cannot pass for the next records.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from agents.views.fold import Changes, fold_event
from schemas.clock import unix_ms
from schemas.events import decode_event
from streams.seal import GENESIS, decode_seal, is_seal


class LogGap(Exception):
    """The records do not continue what was applied so far; nothing of them may be written."""


class Unreadable(Exception):
    """A record of the event log is no event, or an event contradicts itself."""


class Position(NamedTuple):
    """What a partition's views reflect: all records of the event log below `next_offset`."""

    next_offset: int = 0
    #: Of the last event or seal that was applied.
    sequence: int = -1
    #: Hash of the last seal that was applied.
    seal_hash: str = GENESIS
    #: Partition time of the last event or seal that was applied, Unix milliseconds.
    recorded_at_ms: int = 0


class Chunk(NamedTuple):
    """Records (offset, value) of one partition: all there are from position `start` up to position `end`."""

    partition: int
    start: int
    end: int
    records: Iterable[tuple[int, bytes]]


class Folded(NamedTuple):
    """What a chunk changes, where the views stand afterwards, and how many records it was that were new."""

    changes: Changes
    position: Position
    records: int


def fold_chunk(chunk: Chunk, position: Position) -> Folded:
    """Fold what a chunk adds to `position`; records that are applied already are passed over.

    Raises:
        LogGap: the chunk begins behind the position, a sequence is missing, or a seal follows another seal than ours.
        Unreadable: see there.
    """
    if chunk.start > position.next_offset:
        raise LogGap(f"the views of partition {chunk.partition} stand at {position.next_offset}, not {chunk.start}")
    changes, count = Changes(), 0
    _, sequence, seal_hash, recorded_at_ms = position
    for offset, value in chunk.records:
        if offset < position.next_offset:
            continue
        count += 1
        place = f"partition {chunk.partition} offset {offset}"
        try:
            if is_seal(value):
                seal = decode_seal(value)
                found, recorded_at = seal.sequence, seal.recorded_at
                if seal.previous_hash != seal_hash:
                    raise LogGap(f"{place} is a seal behind {seal.previous_hash}, the last one applied is {seal_hash}")
                seal_hash = seal.hash
            else:
                event = decode_event(value)
                found, recorded_at = event.sequence, event.recorded_at
                fold_event(changes, chunk.partition, offset, event)
        except ValueError as error:
            raise Unreadable(f"{place} is no ledger event ({error}); run `walletstream verify`") from error
        sequence += 1
        if found != sequence:
            raise LogGap(f"{place} has sequence {found} where {sequence} follows")
        recorded_at_ms = unix_ms(recorded_at)
    end = max(chunk.end, position.next_offset)
    return Folded(changes, Position(end, sequence, seal_hash, recorded_at_ms), count)
