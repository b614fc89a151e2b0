"""The role's machine with the ledger's: whatever the interleaving, the rail and the restarts, the books agree."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import pytest

from schemas.rail_batches import InstructionAnswer, RailBatch
from schemas.settlement_batches import BatchRecord, PositionRecord
from tests.settlement.world import SEPA, World, rejected, returned, settled

RESERVE_MINOR = 500
FEE_MINOR = 2


def rail_terms(rng: random.Random, name: str) -> dict[str, Any]:
    return {
        **SEPA,
        "name": name,
        "netting": rng.choice(("gross", "beneficiary")),
        "batches": {"max_transactions": rng.choice((1, 2, 5)), "max_age_s": 60},
        "minimum_reserve_minor": {"EUR": RESERVE_MINOR},
        "fees": {"EUR": {"instruction_minor": FEE_MINOR, "batch_minor": 1}},
        "payout_limits": rng.choice(({}, {"EUR": {"batch_minor": 900}})),
        "retry": {"breaker_failures": 2, "breaker_open_ms": 5_000},
    }


class RandomRail:
    """A rail that does all that rails do; what becomes of an instruction is drawn once."""

    def __init__(self, world: World, rng: random.Random):
        self.world, self.rng = world, rng
        self.seen: dict[str, RailBatch] = {}
        #: Attempts that were answered, by batch.
        self.attempts: set[tuple[str, int]] = set()
        #: Answers that were given: batch, state, parts.
        self.given: list[tuple[RailBatch, str, tuple[InstructionAnswer, ...]]] = []
        self.paid: Counter[str] = Counter()

    def act(self) -> bool:
        """Answer what waits; False where nothing does."""
        world, rng = self.world, self.rng
        waiting = [
            batch
            for rail in world.rails
            for batch in world.to_send(rail)
            if (batch.batch_id, batch.attempt) not in self.attempts
        ]
        for batch in waiting:
            self.attempts.add((batch.batch_id, batch.attempt))
            known = batch.batch_id in self.seen
            assert not known or self.seen[batch.batch_id].instructions == batch.instructions
            if rng.random() < 0.3:
                arrived = rng.random() < 0.5
                world.fail_attempt(batch, may_have_been_sent=arrived)
                if not arrived:
                    continue
            else:
                world.answer(batch, rng.choice(("received", "accepted")), rail=batch.rail)
            if not known:
                self.seen[batch.batch_id] = batch
                self._decide(batch)
        if rng.random() < 0.3 and self.given:
            batch, state, parts = rng.choice(self.given)
            world.answer(batch, state, *parts, rail=batch.rail)
        return bool(waiting)

    def _decide(self, batch: RailBatch) -> None:
        rng = self.rng
        parts = []
        for number, instruction in enumerate(batch.instructions):
            what = rng.choice(("settled", "settled", "rejected", "partial"))
            if what == "rejected":
                parts.append(rejected(batch, number))
                continue
            minor = instruction.amount_minor if what == "settled" else rng.randint(1, instruction.amount_minor)
            reference = f"R-{instruction.end_to_end_id}"
            fee = {"fee_minor": FEE_MINOR} if batch.direction == "out" else {}
            parts.append(settled(batch, number, settled_minor=minor, rail_reference=reference, **fee))
            self.paid[instruction.end_to_end_id] += minor
        rng.shuffle(parts)
        at = rng.randint(0, len(parts))
        for some in (parts[:at], parts[at:]):
            if some:
                self.world.answer(batch, "partially_settled", *some, rail=batch.rail)
                self.given.append((batch, "partially_settled", tuple(some)))


def random_run(seed: int) -> tuple[World, RandomRail, int]:
    """A ledger with two rails, and all that may happen on them; it ends when nothing waits any more."""
    rng = random.Random(seed)
    names = ("sepa", "ach")
    world = World(*(rail_terms(rng, name) for name in names), partitions=rng.choice((1, 2, 3)))
    rail, funded_minor = RandomRail(world, rng), 0
    wallets = [f"w{number}" for number in range(4)]
    for wallet in wallets:
        world.open_wallet(wallet, 5_000)
    world.run(rng)
    for _ in range(rng.randint(5, 40)):
        wallet = rng.choice(wallets)
        operation = "debit" if rng.random() < 0.8 else "credit"
        world.payout(
            wallet,
            rng.choice((10, 50, 333)),
            rng.choice(names),
            operation=operation,
            instrument_ref=rng.choice(("iban1", "iban2", wallet)),
        )
        if rng.random() < 0.2:
            minor = rng.choice((400, 1_000))
            world.fund(minor, rng.choice(names))
            funded_minor += minor
        if rng.random() < 0.15:
            processed = list(world.transactions())
            if processed:
                transaction_id = rng.choice(processed)
                world.cancel(rng.choice(wallets), transaction_id)
        if rng.random() < 0.5:
            world.run(rng)
            rail.act()
        if rng.random() < 0.2:
            world.now_ms += rng.choice((1_000, 30_000, 70_000))
    for name in names:
        world.fund(20_000, name)
        funded_minor += 20_000
    for _ in range(200):
        world.run(rng)
        if not rail.act() and all(record.is_final for record in world.batches().values()):
            break
        world.now_ms += 61_000
    world.run(rng)
    return world, rail, funded_minor


@pytest.mark.parametrize("seed", range(60))
def test_the_books_agree_whatever_happens(seed: int) -> None:
    world, rail, funded_minor = random_run(seed)
    assert world.bugs == []
    assert all(record.is_final for record in world.batches().values())
    assert set(world.transactions().values()) <= {"settled", "failed", "canceled"}
    check_membership(world)
    check_positions(world, funded_minor)
    check_sums(world, rail)
    for partition in world.settlement:
        partition.restart()


def check_membership(world: World) -> None:
    """Each transaction that went out was in exactly one batch that went out, and none of the others was in one."""
    went = Counter(
        transaction_id
        for event in world.events("batch.ready")
        for instruction in event.instructions
        for transaction_id in instruction.transaction_ids
    )
    assert not went or max(went.values()) == 1
    ended = {name for name, state in world.transactions().items() if state in ("settled", "failed")}
    assert set(went) == ended
    submitted = {event.transaction_id for event in world.ledger_events("transaction.submitted")}
    assert set(went) <= submitted


def check_positions(world: World, funded_minor: int) -> None:
    """No position was ever below its reserve, and in the end each is what the ledger has for its rail."""
    for record in world.told():
        if isinstance(record, PositionRecord) and record.committed_minor:
            assert record.free_minor >= 0, record
    total = 0
    for name in world.rails:
        last = world.position(name)
        assert (last.committed_minor, last.incoming_minor, last.waiting) == (0, 0, 0)
        total += last.funded_minor + world.balance_minor(f"system/rail:{name}")
    assert total == funded_minor
    assert world.balance_minor("system/suspense") == 0


def check_sums(world: World, rail: RandomRail) -> None:
    """What the ledger was told is what the rail has paid, by instruction and in all."""
    told: Counter[str] = Counter()
    of = {
        transaction_id: instruction.end_to_end_id
        for event in world.events("batch.ready")
        for instruction in event.instructions
        for transaction_id in instruction.transaction_ids
    }
    amounts = {event.transaction_id: event.amount_minor or 0 for event in world.ledger_events("transaction.processed")}
    for update in world.updates("settle"):
        told[of[update["transaction_id"]]] += update.get("settled_minor", amounts[update["transaction_id"]])
    assert told == rail.paid
    for record in world.batches().values():
        assert record.amount_minor == record.settled_minor + record.failed_minor or record.state == "empty"
        assert record.settled_minor == sum(rail.paid[result.end_to_end_id] for result in record.results)
    # Exactly one settle or fail for each transaction that went out.
    ended = Counter(update["transaction_id"] for update in world.updates("settle", "fail"))
    assert set(ended) == set(of)
    assert not ended or max(ended.values()) == 1


@pytest.mark.parametrize("seed", range(12))
def test_what_becomes_of_a_transaction_does_not_depend_on_the_interleaving(seed: int) -> None:
    """The same requests, and a rail that goes by the transaction: in any order of partitions and batches."""

    def outcome(order: int) -> dict[str, Any]:
        rng, drawn = random.Random(order), random.Random(seed)
        world = World({**SEPA, "batches": {"max_transactions": drawn.choice((1, 3)), "max_age_s": 60}}, partitions=3)
        for number in range(5):
            world.open_wallet(f"w{number}", 5_000)
        world.run()
        world.fund(10_000)
        for _ in range(20):
            world.payout(f"w{drawn.randrange(5)}", drawn.choice((10, 20, 30)))
        for _ in range(30):
            world.run(rng)
            for batch in world.to_send():
                parts = [
                    rejected(batch, number) if one.transaction_ids[0][0] in "0123" else settled(batch, number)
                    for number, one in enumerate(batch.instructions)
                ]
                world.answer(batch, "partially_settled", *parts, answer_id=f"of {batch.batch_id}")
            world.now_ms += 61_000
        assert world.bugs == []
        return {**world.transactions(), "position": world.position().funded_minor}

    first = outcome(0)
    assert set(first.values()) > {"settled", "failed"}
    assert all(outcome(order) == first for order in range(1, 4))


def test_a_return_after_all_is_over_comes_to_the_ledger() -> None:
    world = World()
    world.open_wallet("w1", 100)
    world.payout("w1", 60)
    world.fund(1_000)
    world.run()
    world.later(61)
    (batch,) = world.to_send()
    world.answer(batch, "settled")
    world.run()
    world.answer(batch, "partially_settled", returned(batch, code="AC04"))
    world.run()
    (record,) = world.batches().values()
    assert isinstance(record, BatchRecord)
    assert (record.state, record.returned_minor, record.contradictions) == ("settled", 60, 0)
    assert world.position().funded_minor == 1_000
    assert world.balance_minor("w1/main/available") == 100
