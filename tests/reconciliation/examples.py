"""Golden examples of what the reconciliation role writes, from short stories: `python -m tests.reconciliation.examples`
writes them.

One of each type of event, each kind of internal record and of result, and each state of an exception.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson

from agents.reconciliation.aside import KEPT_DAYS
from schemas.clock import rfc3339
from schemas.partitioning import partition_of
from schemas.topics import (
    EXTERNAL_STATEMENTS,
    RECONCILIATION_DECISIONS,
    RECONCILIATION_EVENTS,
    RECONCILIATION_EXCEPTIONS,
    RECONCILIATION_INTERNAL,
    RECONCILIATION_RESULTS,
)
from tests.golden import first_of_each, write
from tests.reconciliation.resolving import by_reason, propose, resolve
from tests.reconciliation.world import World

TOPICS = (RECONCILIATION_EVENTS, RECONCILIATION_INTERNAL, RECONCILIATION_RESULTS, RECONCILIATION_EXCEPTIONS)
Json = dict[str, Any]


def an_exception_and_two_people() -> World:
    """A partner pays short: somebody proposes, is refused as the second person, is contradicted, and proposes again."""
    world = World()
    world.settled("w-alice", 10_000, "R1")
    world.settled("w-bob", 20_000, "R2")
    world.run()
    world.statement((10_000, "R1"), (19_500, "R2"))
    world.later(days=1)
    (short,) = world.open()
    world.decide("assign", "op:omar", short, to="op:ines")
    world.decide("comment", "op:ines", short, text="asked the partner, ticket 17")
    propose(world, short, kind="write_off")
    world.decide("approve", "op:ines", short, number=1)
    world.decide("reject", "op:omar", short, number=1, reason="wait for the partner's answer")
    resolve(world, short, kind="write_off")
    world.decisions -= 1
    world.decide("approve", "op:omar", short, number=2)
    world.answer()
    match_id = next(event.match.match_id for event in world.events("match.made") if event.match is not None)
    world.decide("unmatch", "op:ines", match_id=match_id, reason="two payments of one customer were mixed up")
    # Its answer once more: nobody waits for it.
    world.answer()
    return world


def statements_of_all_kinds() -> World:
    """Taken, repeated, refused, not booked yet; a late line that ends an exception; what cannot be read."""
    world = World()
    world.settled("w-carol", 300, "R3")
    world.run()
    world.statement((400, "R4"))
    world.later(days=9)
    assert set(by_reason(world)) == {"missing_left", "missing_right"}
    world.statement((300, "R3"))
    world.run()
    world.files -= 1
    world.statement((300, "R3"))
    world.statement((5, "R5"), line_count=2)
    world.statement(basis="interim")
    world.run()
    world.send(EXTERNAL_STATEMENTS, 0, b"sepa", b"{}")
    _run_with_bugs(world)
    return world


def _run_with_bugs(world: World) -> None:
    """What cannot be read is no bug of ours."""
    try:
        world.run()
    except AssertionError:
        world.bugs.clear()
        world.run()


def what_is_traced_and_comes_from_elsewhere() -> World:
    """A deferred payout, and records that arrive in other partitions than that of their book."""
    world = World()
    transaction_id = f"{1:032x}"
    cause = {"topic": "transaction-requests", "partition": 0, "offset": 0, "idempotency_key": "payout-1"}
    accounts = ("w-alice/main/available", "w-alice/main/outgoing")
    entries: list[Json] = [
        {"account": accounts[0], "asset": "EUR", "debit_minor": 700},
        {"account": accounts[1], "asset": "EUR", "credit_minor": 700},
    ]
    facts = {"transaction_id": transaction_id, "rail": "sepa", "operation": "debit"}
    world.ledger_event("w-alice", type="transaction.processed", cause=cause, entries=entries, **facts)
    elsewhere = 1 - partition_of("sepa", world.partitions)
    for number in range(20):
        if partition_of(f"w{number}", world.partitions) == elsewhere:
            world.settled(f"w{number}", -700, "R6")
            break
    world.run()
    world.statement((-700, "R6"))
    # A tool of somebody's that does not know where the book is.
    for topic in (EXTERNAL_STATEMENTS, RECONCILIATION_DECISIONS):
        records = world.topics[topic, 1 - elsewhere]
        if topic == RECONCILIATION_DECISIONS:
            decision = {"kind": "comment", "book": "sepa", "decision_id": "d0", "by": "op:ines", "text": "which one?"}
            world.send(topic, elsewhere, b"sepa", orjson.dumps({**decision, "exception_id": "0" * 32}))
        else:
            for record in list(records):
                world.send(topic, elsewhere, record.key, record.value)
    world.run()
    return world


def a_bank_that_comes_late() -> World:
    """What is matched is archived or set aside, comes back, and is forgotten."""
    world = World()
    day = rfc3339(world.now_ms)[:10]
    world.settled("w-alice", 10_000, "R1")
    world.run()
    world.statement((10_000, "R1"))
    for _ in range(12):
        world.later(days=1)
    world.statement((10_000, "PAYOUT-1"), side="bank", day=day)
    world.run()
    other = World()
    other.settled("w-alice", 10_000, "R1")
    other.run()
    other.statement((10_000, "R1"))
    for _ in range(KEPT_DAYS + 12):
        other.later(days=1)
    other.settled("w-bob", 1, "R2")
    other.later(days=1)
    for place, records in other.topics.items():
        world.topics[place] += records
    for partition, also in zip(world.all, other.all, strict=True):
        partition.log += also.log
    return world


def a_posting_elsewhere() -> World:
    """The posting of a resolution is of a wallet in another partition than the book, and the ledger rejects it."""
    world = World()
    world.settled("w-alice", 10_000, "R1")
    world.run()
    world.statement((9_000, "R1"))
    world.later(days=1)
    (short,) = world.open()
    resolve(world, short, kind="write_off")
    home = partition_of("sepa", world.partitions)
    command = world.commands()[-1]
    wallet_id = next(f"w{n}" for n in range(20) if partition_of(f"w{n}", world.partitions) != home)
    cause = {"topic": "operator-commands", "partition": 0, "offset": 0, "idempotency_key": command["idempotency_key"]}
    refused = {"operation": "adjust", "code": "wallet_closed", "message": "the wallet is closed"}
    world.ledger_event(wallet_id, type="request.rejected", cause=cause, **refused)
    world.run()
    return world


STORIES = (
    an_exception_and_two_people,
    statements_of_all_kinds,
    what_is_traced_and_comes_from_elsewhere,
    a_bank_that_comes_late,
    a_posting_elsewhere,
)


def examples() -> dict[str, bytes]:
    """Path below `schemas/examples` -> content."""
    return first_of_each(record for story in STORIES for record in _named(story()))


def _named(world: World) -> Iterator[tuple[str, str, bytes]]:
    for partition in world.all:
        for value in partition.log:
            type_ = orjson.loads(value)["type"]
            if type_ != "batch.sealed":
                yield RECONCILIATION_EVENTS, type_.replace(".", "_"), value
    for topic, field in ((RECONCILIATION_INTERNAL, "kind"), (RECONCILIATION_RESULTS, "kind")):
        for value in world.records(topic):
            yield topic, orjson.loads(value)[field], value
    for value in world.records(RECONCILIATION_EXCEPTIONS):
        yield RECONCILIATION_EXCEPTIONS, orjson.loads(value)["state"], value


if __name__ == "__main__":
    write(TOPICS, examples())
