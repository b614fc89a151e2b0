"""Mutated records among good ones: every good one settles, every other is answered, and nothing escapes."""

from __future__ import annotations

import json
from collections import Counter
from random import Random
from zlib import crc32

from schemas.topics import (
    FRAUD_COMMANDS,
    INTERNAL_COMMANDS,
    OPERATOR_COMMANDS,
    SETTLEMENT_UPDATES,
    TRANSACTION_REQUESTS,
)
from streams.machine import Message
from tests.ledger.audit import audit, audit_fold
from tests.ledger.commands import Json, fraud, set_state
from tests.ledger.mutate import OPENINGS, Mutant, generate, mutate
from tests.ledger.mutations import of_bytes, of_structure
from tests.ledger.profiles import THOROUGH, seeded, share
from tests.ledger.world import Position, World

MUTANTS = 500_000 if THOROUGH else share(20_000)
PARTITIONS = 4


def put(world: World, mutant: Mutant, topic: str = TRANSACTION_REQUESTS) -> Position:
    """A record where its key leads, or for some keys where librdkafka's partitioner would send it."""
    key = mutant.key or b""
    partition = world.owner(key.decode(errors="replace"))
    if crc32(key) % 16 == 0:
        partition = crc32(key) // 16 % PARTITIONS
    return world.append(topic, mutant.value, key=mutant.key, headers=mutant.headers, partition=partition)


def run_mutants(seed: int) -> None:
    world = World(PARTITIONS, cache_entries=10_000)
    placed: list[tuple[Mutant, Position]] = []
    for number, mutant in enumerate(generate(seed, MUTANTS), start=1):
        placed.append((mutant, put(world, mutant)))
        if number == OPENINGS:
            world.settle()
    world.settle(limit=500)
    for mutant, at in placed:
        check(world, mutant, at)
    letters = Counter((letter.key, letter.value, tuple(letter.headers)[:-7]) for letter in world.dead_letters)
    malformed = Counter(
        (m.key, m.value, tuple(m.headers)) for m, at in placed if world.answer(at)["code"] == "malformed"
    )
    assert letters == malformed, "each malformed record is kept as it was, and no other"
    codes = Counter(outcome["code"] for outcome in world.outcomes)
    assert codes["malformed"] > MUTANTS / 4
    assert set(codes) >= {"ok", "malformed", "key_mismatch", "amount_out_of_range", "idempotency_mismatch"}
    assert codes["transaction_not_found"] > MUTANTS / 100
    audit(world)
    audit_fold(world)


def check(world: World, mutant: Mutant, at: Position) -> None:
    """A good one settles, at once or when the other partition has answered; any other is answered."""
    answer = world.answer(at)
    if not mutant.is_good:
        return
    assert answer["code"] == "ok", (mutant, answer)
    if answer.get("state") == "processed":
        (settled,) = world.updates(answer["transaction_id"])
        assert settled["state"] == "settled", (mutant, settled)


def test_mutants_of_requests() -> None:
    seeded(run_mutants)


def test_the_same_seed_gives_the_same_records() -> None:
    assert generate(7, 200) == generate(7, 200)
    assert generate(7, 200) != generate(8, 200)
    assert sum(mutant.is_good for mutant in generate(7, 200)) == 400


def test_mutants_on_other_topics() -> None:
    """Operators' commands, and topics that take none: answered, whatever they are."""
    seeded(run_other_topics)


def run_other_topics(seed: int) -> None:
    rng, world = Random(seed), World(PARTITIONS, cache_entries=10_000)
    for mutant in generate(seed, 0):
        put(world, mutant)
    world.settle()
    placed = []
    for number in range(2_000):
        order = set_state(f"m-{rng.randrange(50)}", rng.choice(["active", "locked"]), f"o-{number}")
        if number % 4 == 0:
            order = fraud("lock", f"m-{rng.randrange(50)}", f"o-{number}")
        topic = rng.choice([OPERATOR_COMMANDS, OPERATOR_COMMANDS, FRAUD_COMMANDS, SETTLEMENT_UPDATES])
        placed.append(put(world, mutate(rng, order, set_state("m-1", "active"))._replace(headers=[]), topic))
    world.settle()
    assert {world.answer(at)["code"] for at in placed} >= {"ok", "malformed"}
    audit(world)
    audit_fold(world)


def test_mutants_of_internal_commands() -> None:
    """Damaged legs, answers and forwarded records: nothing raises, and each partition's books stay balanced."""
    seeded(run_internal_mutants)


def run_internal_mutants(seed: int) -> None:
    rng, world = Random(seed), World(PARTITIONS, cache_entries=10_000)
    for mutant in generate(seed, 300):
        put(world, mutant)
    told: list[Message] = []
    while world.deliver_all() or sum(world.decide(p) for p in range(PARTITIONS)):
        told += [message for messages in world.under_way.values() for message in messages]
    events = len(world.events)
    for _ in range(3_000):
        message, other = rng.choice(told), rng.choice(told)
        partition = rng.choice([message.partition, rng.randrange(PARTITIONS)])
        world.append(INTERNAL_COMMANDS, _mutated(rng, message, other), key=message.key, partition=partition)
    world.settle()
    assert world.bugs == []
    types = Counter(event["type"] for event in world.events[events:])
    assert types["request.dead_lettered"] > 500
    assert types["request.replayed"] > 50
    for partition in range(PARTITIONS):
        _assert_balanced(world, partition)
    audit_fold(world)


def _mutated(rng: Random, message: Message, other: Message) -> bytes:
    value = message.value or b""
    if rng.random() < 0.5:
        return of_bytes(rng, value, other.value or b"")
    structure: Json = of_structure(rng, json.loads(value))
    return json.dumps(structure).encode()


def _assert_balanced(world: World, partition: int) -> None:
    sums: Counter[str] = Counter()
    for (index, _), read in world.holdings.items():
        if index == partition:
            for one in read["accounts"]:
                sums[one["asset"]] += one["balance_minor"]
    assert not any(sums.values()), sums
