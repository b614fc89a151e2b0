"""State is a fold of the event log: live batches, other batches and a fold from the start give the same bytes."""

from __future__ import annotations

import json
import re
from random import Random

import pytest

from agents.ledger.state import WALLETS
from schemas.topics import TRANSACTION_REQUESTS
from streams.errors import Refused
from streams.overlay import Overlay
from streams.persist import changes_of
from streams.ports import Mark
from streams.seal import is_seal
from tests.ledger.audit import audit, audit_fold
from tests.ledger.commands import credit, debit, open_wallet, release, set_state, transfer
from tests.ledger.mutate import generate
from tests.ledger.profiles import SEED, seeded
from tests.ledger.store import DictStore
from tests.ledger.world import DAY_MS, Json, World

NAMES = ["alice", "bob", "carol", "dave"]


def random_run(seed: int, *, limit: int, cache_entries: int = 10, operators: bool = True) -> World:
    """A partition that got some hundred commands and mutants, bugs and days between them, in batches of `limit`."""
    rng, world = Random(seed), World(1, cache_entries=cache_entries)
    bugs = set(rng.sample(range(600), 5))
    world.machine.fails = lambda record, context: context.topic == TRANSACTION_REQUESTS and record.offset in bugs
    mutants = iter(generate(seed, 150))
    for number in range(400):
        command = _random_command(rng, number, operators)
        world.put(command)
        if rng.random() < 0.1:
            world.put(command)
        mutant = next(mutants)
        world.append(TRANSACTION_REQUESTS, mutant.value, key=mutant.key, headers=mutant.headers, partition=0)
        world.wait(rng.choice([0, 0, 1, 1_000, DAY_MS // 4]))
        if operators and number % 20 == 0:
            world.settle(limit)
    world.settle(limit)
    return world


def _random_command(rng: Random, number: int, operators: bool) -> Json:
    payer, payee = rng.sample(NAMES, 2)
    amount_minor, key = rng.randint(0, 50), f"k{rng.randrange(number + 1)}"
    makers = [
        lambda: open_wallet(payer, "EUR", key=key),
        lambda: credit(payer, amount_minor, key=key),
        lambda: debit(payer, amount_minor, key=key),
        lambda: transfer(payer, payee, amount_minor, key=key),
        lambda: set_state(payer, rng.choice(["active", "active", "locked", "disabled"]), key=key),
        lambda: release(payer, key=key),
    ]
    return rng.choices(makers, [1, 4, 4, 6, operators, operators])[0]()


def rows_of(world: World) -> list[dict[str, dict[str, bytes]]]:
    """The tables of every partition that hold anything, as bytes."""
    return [{name: rows for name, rows in shard.store.rows.items() if rows} for shard in world.shards]


def unnumbered_rows(world: World) -> list[dict[str, dict[str, bytes]]]:
    """The same, with events in them without their sequence, which counts seals too."""
    return [
        {
            name: {key: re.sub(rb'^{"sequence":\d+', b"", row) for key, row in rows.items()}
            for name, rows in tables.items()
        }
        for tables in rows_of(world)
    ]


@pytest.mark.parametrize("number", range(3))
def test_a_fold_gives_the_state_of_the_live_batches(number: int) -> None:
    def run(seed: int) -> None:
        world = random_run(seed + number, limit=1_000)
        audit(world, bugs=len(world.bugs))
        audit_fold(world)

    seeded(run)


def test_neither_batches_nor_caches_matter() -> None:
    """The same records in batches of one, of seven, of a thousand, with and without a cache: the same books.

    Of one topic, for the order of topics is up to the batch.
    """
    shapes = ((1, 10), (7, 0), (1_000, 10_000))
    worlds = [random_run(SEED, limit=limit, cache_entries=cache, operators=False) for limit, cache in shapes]
    first = worlds[0]
    assert len(first.outcomes) > 800
    for world in worlds[1:]:
        assert world.outcomes == first.outcomes
        assert unnumbered(world.events) == unnumbered(first.events)
        assert unnumbered_rows(world) == unnumbered_rows(first)


def unnumbered(events: list[Json]) -> list[Json]:
    """Events without seals, and without their sequence, which counts seals too."""
    plain = [event for event in events if event["type"] != "batch.sealed"]
    return [{name: value for name, value in event.items() if name != "sequence"} for event in plain]


def test_a_fold_needs_no_seal_between_events() -> None:
    """A restore may fold thousands of batches before it writes: one overlay holds them all."""
    world = random_run(SEED, limit=5)
    (shard,) = world.shards
    store = DictStore()
    state = Overlay(world.machine.tables, store, cache_entries=0)
    for value in shard.log:
        if not is_seal(value):
            world.machine.fold(state, value)
    store.write(changes_of(state), Mark(0, b""))
    # A table whose rows all came and went within one batch is in neither store, or in one, without rows.
    folded = {name: rows for name, rows in store.rows.items() if rows}
    kept = {name: rows for name, rows in folded.items() if name in shard.store.rows}
    assert kept == rows_of(world)[0]
    assert {name.partition("-")[0] for name in folded if name not in kept} <= {"first", "parked"}


def test_an_older_reader_takes_the_events_of_a_newer_writer() -> None:
    """Unknown fields of events change nothing in what is known; what an unknown type has done would be missing."""
    world = World(1)
    for command in (open_wallet("alice"), credit("alice", 5)):
        assert world.submit(command)["code"] == "ok"
    (shard,) = world.shards
    store = DictStore()
    state = Overlay(world.machine.tables, store)
    for value in shard.log:
        if not is_seal(value):
            world.machine.fold(state, json.dumps({**json.loads(value), "mood": {"good": True}}).encode())
    admired = b'{"type":"wallet.admired","wallet_id":"alice","recorded_at":"2026-01-01T00:00:00.000Z"}'
    with pytest.raises(Refused, match=r"type 'wallet.admired', which this version does not know.*run that version"):
        world.machine.fold(state, admired)
    store.write(changes_of(state), Mark(0, b""))
    assert store.rows["balances"] == shard.store.rows["balances"]
    assert store.rows[WALLETS.name] == shard.store.rows[WALLETS.name]


def test_a_state_that_was_folded_goes_on_deciding() -> None:
    """As after a restore: the first record that comes to a state that has decided nothing yet."""
    world = World(1)
    world.submit(open_wallet("alice", "EUR"))
    (shard,) = world.shards
    shard.store = DictStore()
    shard.overlay = Overlay(world.machine.tables, shard.store)
    for value in shard.log:
        if not is_seal(value):
            world.machine.fold(shard.overlay, value)
    assert world.submit(credit("alice", 5))["code"] == "ok"
    assert world.bugs == []
    audit(world)
