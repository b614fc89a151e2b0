"""Looking ahead changes nothing that is decided, and spares the looks into the store one by one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from random import Random
from typing import Any

import orjson
import pytest

from agents.ledger.asked import Asked, read_asked
from agents.ledger.state import UNDER_WAY, UNFINISHED, WALLETS, transactions_table
from ops.load import Placed, Shape
from ops.mixed_load import MixedMaker, reference_records
from schemas.topics import INTERNAL_COMMANDS, SETTLEMENT_UPDATES, TRANSACTION_REQUESTS
from tests.ledger.commands import command, credit, debit, open_wallet, transfer
from tests.ledger.world import DAY_MS, START_MS, Record, World

PARTITIONS = 2
FINISHED = transactions_table(DAY_MS).name
REQUESTS = 200
SHAPE = Shape(wallets=12, duplicates=0.1)


def world_of(*, ahead: bool = True, cache_entries: int = 3) -> World:
    world = World(PARTITIONS, cache_entries=cache_entries)
    look_ahead = world.machine.look_ahead if ahead else lambda *_: None

    def looking(*arguments: Any) -> None:
        # A batch in which it fails is decided without it, and nobody would know.
        try:
            look_ahead(*arguments)
        except Exception as error:
            pytest.fail(f"looking ahead has failed: {error!r}")

    world.machine.look_ahead = looking  # type: ignore[method-assign,assignment]
    for one in reference_records(SHAPE.asset):
        world.machine.refer(*one)
    return world


def feed(world: World, stamps: Random, placed: Iterable[Placed], batch: int, topic: str = TRANSACTION_REQUESTS) -> None:
    """Put records whose append times go back now and then, and decide them in batches of so many."""
    for partition, key, value in placed:
        world.wait(7)
        world.append(topic, value, key=key, partition=partition, at_ms=world.now_ms - stamps.choice((0, 3, 5_000)))
    world.settle(batch)


def play(batch: int, *, ahead: bool) -> World:
    """The mixed load, what rails say, and records that are wrong or somewhere else than they belong."""
    world, stamps = world_of(ahead=ahead), Random(5)
    maker = MixedMaker(SHAPE, PARTITIONS, REQUESTS, world.now_ms)
    feed(world, stamps, maker.openings(), batch)
    feed(world, stamps, maker.seeds(), batch)
    for outcome in world.outcomes:
        maker.learn(orjson.dumps({name: value for name, value in outcome.items() if name[0] != "_"}))
    said = list(maker.updates())
    feed(world, stamps, said[::2], batch, SETTLEMENT_UPDATES)
    world.append(TRANSACTION_REQUESTS, b"{", key=b"load-1", partition=0)
    world.append(TRANSACTION_REQUESTS, None, key=None, partition=1)
    world.put(credit("load-1", 5, key="elsewhere"), partition=1 - world.owner("load-1"))
    feed(world, stamps, [maker.make() for _ in range(REQUESTS)], batch)
    feed(world, stamps, said[1::2], batch, SETTLEMENT_UPDATES)
    return world


def assert_same(one: World, other: World) -> None:
    for shard, twin in zip(one.shards, other.shards, strict=True):
        assert shard.log == twin.log
        assert shard.store.rows == twin.store.rows
    assert one.outcomes == other.outcomes
    assert [letter.value for letter in one.dead_letters] == [letter.value for letter in other.dead_letters]


@pytest.mark.parametrize("batch", [7, 1_000])
def test_the_same_is_decided_with_and_without_looking_ahead(batch: int) -> None:
    world = play(batch, ahead=True)
    assert_same(world, play(batch, ahead=False))
    assert {one["code"] for one in world.outcomes} == {"ok", "malformed"}
    assert any(one["replayed"] for one in world.outcomes if "replayed" in one)


def test_what_was_looked_at_before_a_bug_is_not_taken_for_a_record_of_another_input() -> None:
    """A batch with a bug is decided anew from its start, and offsets there may be those of the other input."""
    ahead, alone = faulty_batch(ahead=True), faulty_batch(ahead=False)
    assert len(ahead.bugs) == len(alone.bugs) == 1
    assert_same(ahead, alone)


def faulty_batch(*, ahead: bool) -> World:
    world = world_of(ahead=ahead)
    alice, bert = world.name_in(0, "alice"), world.name_in(1, "bert")
    for name in (alice, bert):
        world.put(open_wallet(name, key="open"))
        world.put(credit(name, 1_000, key="fund"))
    world.settle()
    requests, told = (world.shards[0].inputs[topic] for topic in (TRANSACTION_REQUESTS, INTERNAL_COMMANDS))
    for number in range(5):
        world.put(transfer(bert, alice, 10 + number, key=f"t{number}"))
    world.decide(1)
    world.deliver(1, 0, 3)
    world.decide(0)
    world.deliver_all()
    for number in range(4):
        world.put(debit(alice, 1 + number, key=f"d{number}"))
    # Requests at 2 to 5, of which the first fails; what others have told, decided before them, at 3 and 4.
    assert [record.offset for record in requests[2:]] == [2, 3, 4, 5]
    assert [record.offset for record in told[3:]] == [3, 4]
    world.machine.fails = lambda record, context: (context.topic, record.offset) == (TRANSACTION_REQUESTS, 2)
    world.settle()
    return world


def test_what_was_read_ahead_for_another_time_begins_what_it_would_have_begun() -> None:
    record = Record(0, 0, 1, b"alice", orjson.dumps(credit("alice", 1)), ())
    ahead, then = (read_asked(record, TRANSACTION_REQUESTS, at_ms) for at_ms in (START_MS, START_MS + 1))
    assert isinstance(ahead, Asked)
    assert isinstance(then, Asked)
    assert ahead.transaction_id != then.transaction_id
    assert [ahead.begins(at_ms) for at_ms in (START_MS, START_MS + 1)] == [ahead.transaction_id, then.transaction_id]


def counted(world: World, partition: int = 0) -> tuple[Counter[str], Counter[str]]:
    """From now on, by table of a partition: rows read one by one, and rows of the last look at many."""
    store, looks, sizes = world.shards[partition].store, Counter[str](), Counter[str]()
    get = store.get

    def counted_get(table: str, key: str) -> bytes | None:
        looks[table.partition("@")[0]] += 1
        return get(table, key)

    def counted_get_many(table: str, keys: list[str]) -> list[bytes | None]:
        sizes[table.partition("@")[0]] = len(keys)
        return [get(table, key) for key in keys]

    store.get, store.get_many = counted_get, counted_get_many  # type: ignore[method-assign,assignment]
    return looks, sizes


def test_rows_are_read_together_not_one_by_one() -> None:
    world = world_of()
    names = [world.name_in(0, f"wallet-{number}-") for number in range(40)]
    holds = []
    for name in names:
        world.put(open_wallet(name))
        world.put(credit(name, 1_000))
        holds.append(world.put(command("authorize", name, amount_minor=100, asset="EUR", expires_in_s=60)))
    world.settle()
    looks, sizes = counted(world)
    for name, hold in zip(names, holds, strict=True):
        held = world.answer(hold)["transaction_id"]
        world.put(command("capture", name, transaction_id=held, amount_minor=60, final=False))
    world.settle()
    first_events = next(table for table in sizes if table.startswith("first-events"))
    assert sizes[first_events] == sizes["unfinished"] == 40
    assert sizes["wallets-2"] > 30
    assert not looks.keys() & {first_events, "unfinished", "wallets-2"}, looks
    # Those of the system's accounts.
    assert looks["balances"] + looks["accounts"] < 10, looks


def test_what_is_finished_is_read_together_and_what_is_not_is_not_sought_there() -> None:
    world = world_of()
    names = [world.name_in(0, f"wallet-{number}-") for number in range(40)]
    paid, held = [], []
    for name in names:
        world.put(open_wallet(name))
        world.put(credit(name, 1_000))
        paid.append(world.put(debit(name, 100)))
        held.append(world.put(command("authorize", name, amount_minor=100, asset="EUR", expires_in_s=60)))
    world.settle()
    looks, sizes = counted(world)
    for name, debited, authorized in zip(names, paid, held, strict=True):
        world.put(command("refund", name, transaction_id=world.answer(debited)["transaction_id"], amount_minor=60))
        world.put(command("release", name, transaction_id=world.answer(authorized)["transaction_id"]))
    world.settle()
    finished = FINISHED.partition("@")[0]
    assert sizes[finished] == 40
    assert not looks.keys() & {finished, "unfinished"}, looks


def test_balances_that_left_the_cache_before_their_wallets_are_read_together_too() -> None:
    world = world_of(cache_entries=50)
    names = [world.name_in(0, f"wallet-{number}-") for number in range(40)]
    for name in names:
        world.put(open_wallet(name))
        world.put(credit(name, 1_000))
        world.put(command("authorize", name, amount_minor=100, asset="EUR", expires_in_s=60))
    world.settle()
    looks, sizes = counted(world)
    for name in names:
        world.put(debit(name, 1))
    world.settle()
    assert not sizes["wallets-2"]
    assert sizes["balances"] > 20
    # Those of the system's accounts.
    assert looks["balances"] < 5, looks


def test_rows_are_read_together_whatever_cannot_be_read_before_them() -> None:
    world = world_of()
    names = [world.name_in(0, f"wallet-{number}-") for number in range(40)]
    for name in names:
        world.put(open_wallet(name))
        world.put(credit(name, 1_000))
    world.settle()
    looks, _ = counted(world)
    world.append(TRANSACTION_REQUESTS, b"{", key=names[0].encode(), partition=0)
    for name in names:
        world.put(command("authorize", name, amount_minor=100, asset="EUR", expires_in_s=60))
    world.settle()
    assert not looks.keys() & {WALLETS.name, UNDER_WAY.name}, looks


def test_rows_of_what_partitions_tell_each_other_are_read_together() -> None:
    world = world_of()
    pairs = [tuple(world.name_in(place, f"{place}-{number}-") for place in (0, 1)) for number in range(40)]
    for payer, payee in pairs:
        for asked in (open_wallet(payer), credit(payer, 1_000), open_wallet(payee)):
            world.put(asked)
    world.settle()
    paid = [world.put(transfer(payer, payee, 100)) for payer, payee in pairs]
    world.decide(0)
    told(world, 1)
    told(world, 0)
    for at, (_, payee) in zip(paid, pairs, strict=True):
        world.put(command("refund", payee, transaction_id=world.answer(at)["transaction_id"]))
    world.decide(1)
    told(world, 0)
    world.settle()
    assert {world.balance(f"{payer}/main/available", "EUR") for payer, _ in pairs} == {1_000}


def told(world: World, partition: int) -> None:
    """Let legs, or their answers, arrive in a partition and be decided: no row is read by itself."""
    looks, _ = counted(world, partition)
    assert world.deliver_all() == world.decide(partition) == 40
    assert not looks.keys() & {WALLETS.name, UNFINISHED.name, FINISHED}, looks


def test_what_was_decoded_ahead_is_not_decoded_again(monkeypatch: pytest.MonkeyPatch) -> None:
    world = world_of()
    alice, bert = world.name_in(0, "alice"), world.name_in(1, "bert")
    for name in ("read_asked", "decode_told"):
        monkeypatch.setattr(f"agents.ledger.machine.{name}", lambda *_, name=name: pytest.fail(name))
    for asked in (open_wallet(alice), credit(alice, 10), open_wallet(bert), transfer(alice, bert, 10)):
        world.put(asked)
    world.settle()
    assert world.balance(f"{bert}/main/available", "EUR") == 10
