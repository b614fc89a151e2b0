"""Chunks of the event log: what continues a position, and what does not."""

from __future__ import annotations

import pytest

from agents.views.chunk import Chunk, LogGap, Position, Unreadable, fold_chunk
from schemas import events as ev
from schemas.events import LedgerEvent, WalletFacts, encode_event
from streams.seal import decode_seal, is_seal
from tests.views.logs import LogBuilder, log_of, random_world, whole


def test_a_chunk_moves_the_position_to_its_end_and_repeats_nothing() -> None:
    log = log_of(random_world(1))
    chunk = whole(log)
    done = fold_chunk(chunk._replace(end=chunk.end + 2), Position())
    last = decode_seal(log[-1][1])
    assert done.position == Position(chunk.end + 2, len(log) - 1, last.hash, done.position.recorded_at_ms)
    assert done.records == len(log)
    again = fold_chunk(chunk, done.position)
    assert again.records == 0
    assert again.position == done.position
    assert again.changes.tables() == {}


def test_records_that_do_not_follow_are_refused() -> None:
    log = log_of(random_world(1))
    with pytest.raises(LogGap, match="stand at 0, not 5"):
        fold_chunk(Chunk(0, 5, 9, log[5:9]), Position())
    with pytest.raises(LogGap, match="offset 4 has sequence 4 where 3 follows"):
        fold_chunk(Chunk(0, 0, 9, [*log[:3], *log[4:9]]), Position())


def test_a_seal_that_follows_another_log_is_refused() -> None:
    log = log_of(random_world(1))
    first = next(number for number, (_, value) in enumerate(log) if is_seal(value))
    with pytest.raises(LogGap, match="is a seal behind 0000"):
        fold_chunk(whole(log[: first + 1]), Position(0, -1, "ab" * 32))


def test_what_is_no_event_is_named_by_its_place() -> None:
    builder = LogBuilder()
    builder.event(ev.WALLET_OPENED, wallet_id="w", wallet=WalletFacts("o"))
    for nonsense in (b"not json", b'{"type":1}', b'{"type":"batch.sealed"}'):
        with pytest.raises(Unreadable, match="partition 0 offset 0 is no ledger event"):
            fold_chunk(Chunk(0, 0, 1, [(0, nonsense)]), Position())
    untimely = encode_event(LedgerEvent(sequence=0, type="clock.ticked", recorded_at="yesterday"))
    with pytest.raises(Unreadable, match="run `walletstream verify`"):
        fold_chunk(Chunk(0, 0, 1, [(0, untimely)]), Position())
