"""Partition time: keys are remembered for forty days of it, ticks let it pass, and it never goes back."""

from __future__ import annotations

import json

import pytest

from schemas.clock import unix_ms
from schemas.topics import INTERNAL_COMMANDS
from tests.ledger.audit import audit, audit_fold
from tests.ledger.commands import credit, open_wallet
from tests.ledger.world import DAY_MS, World

RETAINED_MS = 40 * DAY_MS
BUCKET_MS = 8 * DAY_MS


def opened_at(ms_into_bucket: int) -> World:
    """A world whose only wallet got its credit so far into a bucket of keys."""
    world = World(1)
    world.now_ms = (world.now_ms // BUCKET_MS + 1) * BUCKET_MS + ms_into_bucket
    assert world.submit(open_wallet("alice", key="open"))["code"] == "ok"
    assert world.submit(credit("alice", 5, key="k"))["code"] == "ok"
    return world


@pytest.mark.parametrize("into", [0, 1, BUCKET_MS // 2, BUCKET_MS - 1])
def test_a_key_is_remembered_for_its_retention_and_at_most_a_bucket_longer(into: int) -> None:
    world = opened_at(into)
    world.wait(RETAINED_MS)
    assert world.submit(credit("alice", 5, key="k"))["replayed"]
    world.wait(BUCKET_MS - into - 1)
    assert world.submit(credit("alice", 5, key="k"))["replayed"]
    world.wait(1)
    assert world.submit(credit("alice", 5, key="k")).get("replayed") is None
    assert world.balance("alice/main/available", "EUR") == 10
    audit(world)
    audit_fold(world)


def test_a_key_that_is_used_again_is_remembered_from_then_on() -> None:
    world = opened_at(0)
    for _ in range(3):
        world.wait(RETAINED_MS + BUCKET_MS)
        assert world.submit(credit("alice", 5, key="k")).get("replayed") is None
        assert world.submit(credit("alice", 5, key="k"))["replayed"]
    ids = {event["transaction_id"] for event in world.events if event["type"] == "transaction.settled"}
    assert len(ids) == 4, "each one is a transaction of its own"
    audit(world)


def test_old_buckets_are_dropped_whole() -> None:
    world = opened_at(0)
    (shard,) = world.shards
    before = {name for name in shard.store.rows if name.startswith("first-events-")}
    world.wait(RETAINED_MS + BUCKET_MS)
    assert world.submit(credit("alice", 1))["code"] == "ok"
    after = {name for name in shard.store.rows if name.startswith("first-events-")}
    assert (len(before), len(after)) == (1, 1)
    assert before.isdisjoint(after)


def test_time_never_goes_back() -> None:
    world = World(1)
    assert world.submit(open_wallet("alice"))["code"] == "ok"
    world.wait(10_000)
    late = world.submit(credit("alice", 1))
    world.wait(-10_000)
    assert world.submit(credit("alice", 1))["recorded_at"] == late["recorded_at"]
    times = [event["recorded_at"] for event in world.events]
    assert times == sorted(times)


def test_the_time_of_a_batch_is_that_of_its_newest_record_so_far() -> None:
    world = World(1)
    first = world.put(open_wallet("alice"))
    world.wait(5)
    second = world.put(credit("alice", 1))
    world.wait(-3)
    third = world.put(credit("alice", 1))
    world.settle()
    times = [
        unix_ms(world.answer(at)["recorded_at"]) - unix_ms(world.answer(first)["recorded_at"]) for at in (second, third)
    ]
    assert times == [5, 5]


def test_something_is_due_when_the_oldest_bucket_is_over() -> None:
    world = World(1)
    (shard,) = world.shards
    assert world.machine.due_at_ms(shard.overlay) is None
    world = opened_at(7)
    (shard,) = world.shards
    bucket = world.now_ms // BUCKET_MS
    assert world.machine.due_at_ms(shard.overlay) == (bucket + 1) * BUCKET_MS + RETAINED_MS


def test_a_tick_forgets_what_is_due_and_nothing_else() -> None:
    world = opened_at(7)
    (shard,) = world.shards
    due = world.machine.due_at_ms(shard.overlay)
    assert due is not None
    tick = world.machine.tick(due, 0)
    assert (tick.topic, tick.partition, tick.key, tick.headers) == (INTERNAL_COMMANDS, 0, b"", ())
    assert json.loads(tick.value or b"") == {"operation": "tick", "due_at_ms": due}
    balances = dict(shard.store.rows["balances"])
    world.now_ms = due
    at = world.append(tick.topic, tick.value, key=tick.key, partition=0)
    world.settle()
    (event,) = world.events_of(at)
    assert (event["type"], unix_ms(event["recorded_at"])) == ("clock.ticked", due)
    assert [name for name in shard.store.rows if name.startswith("first-events-")] == []
    assert shard.store.rows["balances"] == balances
    later = world.machine.due_at_ms(shard.overlay)
    assert later is not None, "transactions are kept longer"
    assert later > due + 400 * DAY_MS
    audit(world)
    audit_fold(world)
