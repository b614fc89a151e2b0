"""Reference data that comes while the ledger runs: what is decided later goes by it, what is folded never does."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from schemas.rails import INSTANT
from schemas.reference import KEY_FIELDS, Reference
from tests.ledger.audit import audit, audit_fold
from tests.ledger.commands import command, credit, open_wallet, transfer
from tests.ledger.world import DAY_MS, FaultyMachine, World
from tests.schemas.reference_records import FEE, MILES, OF_TOPIC, RATE, SEPA, TIER


def refer(world: World, topic: str, record: dict[str, Any]) -> None:
    """Tell the machine one record of reference data."""
    world.machine.refer(topic, record[KEY_FIELDS[topic]], orjson.dumps(record))


def known(world: World) -> Reference:
    """What a decision goes by now, seen from within one."""
    seen: list[Reference] = []

    def see(_record: object, _context: object) -> bool:
        seen.append(world.shards[0].overlay.typed.reference)
        return False

    world.machine.fails = see
    world.submit(open_wallet("somebody"))
    return seen[0]


def audit_without(world: World) -> None:
    """The books are in order, and a machine that has never heard of reference data folds the log to the same."""
    audit(world)
    world.machine = FaultyMachine(None, 40 * DAY_MS, 540 * DAY_MS)
    audit_fold(world)


def test_an_asset_is_known_from_the_moment_it_is_registered() -> None:
    world = World(1)
    assert world.submit(open_wallet("alice", "EUR", "MILES"))["code"] == "asset_unknown"
    assert world.submit(open_wallet("bob"))["code"] == "ok"
    first = command("enable_asset", "bob", asset="MILES")
    assert world.submit(first)["code"] == "asset_unknown"
    refer(world, "assets", MILES)
    assert world.submit(open_wallet("alice", "EUR", "MILES"))["code"] == "ok"
    assert world.submit(credit("alice", 500, "MILES"))["code"] == "ok"
    replayed = world.submit(first)
    assert (replayed["code"], replayed["replayed"]) == ("asset_unknown", True), "its answer is frozen"
    assert world.submit(command("enable_asset", "bob", asset="MILES"))["code"] == "ok"
    assert world.submit(transfer("alice", "bob", 200, "MILES"))["code"] == "ok"
    audit_without(world)


def test_who_holds_an_asset_that_is_removed_keeps_it_and_nobody_else_gets_it() -> None:
    world = World(1)
    refer(world, "assets", MILES)
    assert world.submit(open_wallet("alice", "MILES"))["code"] == "ok"
    world.machine.refer("assets", "MILES", None)
    assert world.submit(credit("alice", 500, "MILES"))["code"] == "ok"
    assert world.submit(open_wallet("bob", "MILES"))["code"] == "asset_unknown"
    audit_without(world)


def test_decisions_are_given_all_of_it() -> None:
    world = World(1)
    assert known(world).rails == {"instant": INSTANT}
    for topic, record in OF_TOPIC.items():
        refer(world, topic, record)
    reference = known(world)
    assert reference.assets.get("MILES") is not None
    assert reference.rails["sepa"].settlement == SEPA["settlement"]
    assert reference.tiers.keys() == {TIER["name"]}
    assert reference.fees["debit", "customer", "EUR"].name == FEE["name"]
    assert reference.rates.get(RATE["rate_id"]) is not None
    world.machine.refer("rails", "sepa", None)
    assert known(world).rails == {"instant": INSTANT}


def test_a_bad_record_changes_nothing() -> None:
    world = World(1)
    refer(world, "rails", SEPA)
    before = known(world)
    for topic, key, value in (
        ("rails", "sepa", b'{"name":"sepa","settlement":"later"}'),
        ("rails", "instant", None),
        ("assets", "EUR", b'{"code":"EUR","exponent":3}'),
        ("ledger-events", "x", b"{}"),
    ):
        with pytest.raises(ValueError, match=r"settlement|built in|ISO 4217|no topic of reference data"):
            world.machine.refer(topic, key, value)
        assert known(world) is before
