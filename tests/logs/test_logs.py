"""What the runtime relies on: transactions, fencing, `read_committed`, positions, the group. In memory as on Kafka."""

from __future__ import annotations

import asyncio

import pytest

from streams.errors import Fenced, MessageTooLarge, NotOwner
from streams.machine import Message
from streams.ports import Bounds, LogPosition
from tests.logs.cluster import Cluster
from tests.logs.conftest import OnCluster
from tests.streams.toy import COMMANDS, EVENTS, OUTCOMES, REQUESTS


def event(value: bytes, partition: int = 0) -> Message:
    return Message(EVENTS, partition, b"k", value)


def outcome(value: bytes, partition: int = 0) -> Message:
    return Message(OUTCOMES, partition, b"k", value, [("h", b"1")])


def test_a_transaction_is_visible_in_all_its_partitions_once_it_is_committed(on_cluster: OnCluster) -> None:
    async def check(cluster: Cluster) -> None:
        writer = cluster.logs.writer(0)
        await writer.fence()
        messages = [event(b"a"), outcome(b"o"), outcome(b"p", 1), event(b"seal")]
        assert await writer.transact(messages) == LogPosition(1, 2)
        assert await cluster.committed(EVENTS, 0) == [(0, b"a"), (1, b"seal")]
        assert await cluster.committed(OUTCOMES, 0) == [(0, b"o")]
        assert await cluster.committed(OUTCOMES, 1) == [(0, b"p")]
        await writer.close()

    on_cluster(check)


def test_markers_take_offsets(on_cluster: OnCluster) -> None:
    async def check(cluster: Cluster) -> None:
        writer = cluster.logs.writer(0)
        await writer.fence()
        positions = [await writer.transact([event(b"%d" % n)]) for n in range(3)]
        assert [position.seal_offset for position in positions] == [0, 2, 4]
        await writer.close()
        assert await cluster.committed(EVENTS, 0) == [(0, b"0"), (2, b"1"), (4, b"2")]

    on_cluster(check)


def test_nothing_of_an_open_transaction_is_visible_nor_what_comes_after_it(on_cluster: OnCluster) -> None:
    async def check(cluster: Cluster) -> None:
        writer, reader = cluster.logs.writer(0), cluster.logs.reader(0)
        await cluster.produce(EVENTS, 0, b"before")
        await writer.fence()
        await cluster.leave_open(writer, [event(b"open")])
        await cluster.produce(EVENTS, 0, b"after")
        assert await reader.bounds() == Bounds(0, 1)
        assert await reader.record_at(1) is None
        assert await reader.record_at(2) is None
        await reader.close()
        await writer.close()

    on_cluster(check)


def test_an_aborted_transaction_is_never_visible(on_cluster: OnCluster) -> None:
    async def check(cluster: Cluster) -> None:
        await cluster.produce(EVENTS, 0, b"a")
        await cluster.produce_transaction(EVENTS, 0, b"never", b"ever", commit=False)
        await cluster.produce_transaction(EVENTS, 0, b"b", commit=True)
        reader = cluster.logs.reader(0)
        assert await reader.bounds() == Bounds(0, 6)
        read = [one async for chunk in reader.read(0, 6) for one in chunk]
        assert read == [(0, b"a"), (4, b"b")]
        found = [await reader.record_at(offset) for offset in range(-1, 8)]
        assert found == [None, b"a", None, None, None, b"b", None, None, None]
        await reader.close()

    on_cluster(check)


def test_reading_ends_at_the_position_asked_for(on_cluster: OnCluster) -> None:
    async def check(cluster: Cluster) -> None:
        await cluster.produce(EVENTS, 0, *[b"%d" % n for n in range(30)])
        reader = cluster.logs.reader(0)
        read = [offset async for chunk in reader.read(5, 25) for offset, _ in chunk]
        assert read == list(range(5, 25))
        assert [chunk async for chunk in reader.read(30, 30)] == []
        await reader.close()

    on_cluster(check)


def test_a_fenced_writer_can_neither_write_nor_commit(on_cluster: OnCluster) -> None:
    async def check(cluster: Cluster) -> None:
        old, new = cluster.logs.writer(0), cluster.logs.writer(0)
        await old.fence()
        await old.transact([event(b"old")])
        await new.fence()
        with pytest.raises(Fenced):
            await old.transact([event(b"zombie")])
        await new.transact([event(b"new")])
        await old.close()
        await new.close()
        assert await cluster.committed(EVENTS, 0) == [(0, b"old"), (2, b"new")]

    on_cluster(check)


def test_writers_of_other_partitions_are_not_fenced(on_cluster: OnCluster) -> None:
    async def check(cluster: Cluster) -> None:
        one, other = cluster.logs.writer(0), cluster.logs.writer(1)
        await one.fence()
        await other.fence()
        await one.transact([event(b"a")])
        await other.transact([event(b"b", 1)])
        await one.close()
        await other.close()

    on_cluster(check)


def test_fencing_ends_what_was_open_before_it_returns(on_cluster: OnCluster) -> None:
    async def check(cluster: Cluster) -> None:
        old, new, reader = cluster.logs.writer(0), cluster.logs.writer(0), cluster.logs.reader(0)
        await old.fence()
        await cluster.leave_open(old, [event(b"never"), outcome(b"never")])
        await new.fence()
        # The record and the marker of its abort: nothing is left open.
        assert await reader.bounds() == Bounds(0, 2)
        assert await new.transact([event(b"new")]) == LogPosition(2, 3)
        for port in (old, new, reader):
            await port.close()
        assert await cluster.committed(EVENTS, 0) == [(2, b"new")]
        assert await cluster.committed(OUTCOMES, 0) == []

    on_cluster(check)


def test_a_record_that_is_too_large_leaves_nothing_behind(on_cluster: OnCluster) -> None:
    async def check(cluster: Cluster) -> None:
        writer, next_one = cluster.logs.writer(0), cluster.logs.writer(0)
        await writer.fence()
        with pytest.raises(MessageTooLarge):
            await writer.transact([event(b"a"), outcome(bytes(2 << 20), 1), event(b"seal")])
        await writer.close()
        await next_one.fence()
        await next_one.transact([event(b"seal")])
        await next_one.close()
        assert [value for _, value in await cluster.committed(EVENTS, 0)] == [b"seal"]
        assert await cluster.committed(OUTCOMES, 1) == []

    on_cluster(check)


def test_a_transaction_without_events_has_no_seal(on_cluster: OnCluster) -> None:
    async def check(cluster: Cluster) -> None:
        writer = cluster.logs.writer(0)
        await writer.fence()
        position = await writer.transact([Message(COMMANDS, 1, b"", b"tick")])
        assert position.seal_offset == -1
        await writer.close()
        assert await cluster.committed(COMMANDS, 1) == [(0, b"tick")]

    on_cluster(check)


def test_bounds_of_the_inputs_are_those_of_committed_records(on_cluster: OnCluster) -> None:
    async def check(cluster: Cluster) -> None:
        writer = cluster.logs.writer(0)
        async with cluster.member() as member:
            assert await member.bounds() == {COMMANDS: Bounds(0, 0), REQUESTS: Bounds(0, 0)}
            await cluster.produce(REQUESTS, 0, b"a")
            await cluster.produce_transaction(COMMANDS, 0, b"b", commit=True)
            await writer.fence()
            await cluster.leave_open(writer, [Message(REQUESTS, 0, b"k", b"open")])
            assert await member.bounds() == {COMMANDS: Bounds(0, 2), REQUESTS: Bounds(0, 1)}
        await writer.close()

    on_cluster(check)


def test_fetched_batches_join_and_their_positions_pass_markers(on_cluster: OnCluster) -> None:
    async def check(cluster: Cluster) -> None:
        await cluster.produce(COMMANDS, 0, b"a", b"b")
        await cluster.produce_transaction(COMMANDS, 0, b"never", commit=False)
        await cluster.produce_transaction(COMMANDS, 0, b"c", commit=True)
        async with cluster.member() as member:
            batches = await member.fetch_until(COMMANDS, 1, 6)
        assert batches[0].start == 1
        assert [batch.start for batch in batches[1:]] == [batch.end for batch in batches[:-1]]
        assert batches[-1].end == 6
        assert [(r.offset, r.value) for batch in batches for r in batch.records] == [(1, b"b"), (4, b"c")]
        assert {r.timestamp_type for batch in batches for r in batch.records} == {1}
        assert len({batch.incarnation for batch in batches}) == 1

    on_cluster(check)


def test_only_members_of_the_current_generation_commit(on_cluster: OnCluster) -> None:
    async def check(cluster: Cluster) -> None:
        async with cluster.member() as member:
            await member.group.prove_ownership(0)
            await member.group.acknowledge(0, {REQUESTS: 7, COMMANDS: 3})
            member.grow_stale()
            with pytest.raises(NotOwner):
                await member.group.prove_ownership(0)

    on_cluster(check)


def test_a_later_transaction_starts_behind_the_markers_of_the_one_before(on_cluster: OnCluster) -> None:
    async def check(cluster: Cluster) -> None:
        writer = cluster.logs.writer(0)
        await writer.fence()
        for number in range(10):
            await writer.transact([event(b"%d" % number), outcome(b"%d" % number), outcome(b"%d" % number, 1)])
        await writer.close()
        await asyncio.sleep(0)
        for partition in range(2):
            found = await cluster.committed(OUTCOMES, partition)
            assert found == [(2 * number, b"%d" % number) for number in range(10)]

    on_cluster(check)
