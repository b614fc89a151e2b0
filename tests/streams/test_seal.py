"""Seals: their bytes, their hash, and how they are told from events."""

from __future__ import annotations

import json
from hashlib import sha256

import pytest

from streams.seal import GENESIS, Span, chain_hash, decode_seal, is_seal, unhashed_bytes, write_seal

EVENTS = [b'{"sequence":3,"type":"a"}', b'{"sequence":4,"type":"b"}']


def seal_of(events: list[bytes], previous_hash: str = GENESIS) -> tuple[bytes, str]:
    return write_seal(
        sequence=5,
        first_sequence=3,
        inputs={"requests": Span(1, 4)},
        partition=2,
        partitions=8,
        partition_time="2026-11-23T04:50:00.123Z",
        previous_hash=previous_hash,
        events=events,
    )


def test_a_seal_says_what_its_batch_covers() -> None:
    value, digest = seal_of(EVENTS)
    assert json.loads(value) == {
        "sequence": 5,
        "type": "batch.sealed",
        "first_sequence": 3,
        "inputs": {"requests": {"from": 1, "to": 4}},
        "partition": 2,
        "partitions": 8,
        "partition_time": "2026-11-23T04:50:00.123Z",
        "recorded_at": "2026-11-23T04:50:00.123Z",
        "previous_hash": GENESIS,
        "hash": digest,
    }
    seal = decode_seal(value)
    assert (seal.sequence, seal.inputs["requests"].from_, seal.inputs["requests"].to) == (5, 1, 4)
    assert seal.hash == digest


def test_the_hash_is_that_of_the_documented_bytes() -> None:
    value, digest = seal_of(EVENTS)
    bare = json.loads(value)
    del bare["hash"]
    written = json.dumps(bare, separators=(",", ":")).encode()
    assert unhashed_bytes(value) == written
    assert digest == sha256(bytes(32) + EVENTS[0] + b"\n" + EVENTS[1] + b"\n" + written).hexdigest()
    assert digest == chain_hash(GENESIS, EVENTS, written)


def test_a_seal_without_events_has_a_hash_too() -> None:
    value, digest = seal_of([])
    assert digest == sha256(bytes(32) + unhashed_bytes(value)).hexdigest()


@pytest.mark.parametrize("events", [EVENTS[:1], EVENTS[::-1], [*EVENTS, b"{}"], [b"".join(EVENTS)]])
def test_the_hash_depends_on_every_event_and_their_order(events: list[bytes]) -> None:
    assert seal_of(events)[1] != seal_of(EVENTS)[1]


def test_the_hash_depends_on_the_previous_one() -> None:
    assert seal_of(EVENTS, "f" * 64)[1] != seal_of(EVENTS)[1]


def test_a_seal_is_told_from_an_event() -> None:
    assert is_seal(seal_of(EVENTS)[0])
    assert not is_seal(EVENTS[0])
    quoted = json.dumps({"sequence": 1, "type": "x", "id": '"type":"batch.sealed"'}, separators=(",", ":")).encode()
    assert not is_seal(quoted)
    assert not is_seal(b" " * 64 + seal_of(EVENTS)[0])
    head = b'"type":"batch.sealed"'
    assert (is_seal(head.rjust(64)), is_seal(head.rjust(65))) == (True, False)


@pytest.mark.parametrize("value", [b"", b"{}", b"x" * 100, seal_of(EVENTS)[0][:-1]])
def test_what_does_not_end_with_a_hash_is_no_seal(value: bytes) -> None:
    with pytest.raises(ValueError, match=r"^a seal must end with its hash$"):
        unhashed_bytes(value)


def test_the_hash_comes_after_something() -> None:
    tail = b',"hash":"' + GENESIS.encode() + b'"}'
    assert unhashed_bytes(b"{" + tail) == b"{}"
    with pytest.raises(ValueError, match="must end with its hash"):
        unhashed_bytes(tail)
