"""What is owed to a wallet under quarantine waits, and is executed in order when operators release it."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest

from agents.ledger.legs import take_leg
from schemas.topics import INTERNAL_COMMANDS
from streams.machine import Message
from tests.ledger.audit import audit, audit_fold
from tests.ledger.commands import credit, debit, release, set_state, transfer
from tests.ledger.ward import Poisoned, place, quarantined, world_of
from tests.ledger.world import Json, Position, World


def test_legs_wait_and_are_applied_in_the_order_of_their_arrival() -> None:
    world = world_of("alice", "carol", "bob@1")
    alice, carol, bob = (place(world, name) for name in ("alice", "carol", "bob@1"))
    quarantined(world, bob)
    paid = [world.submit(transfer(payer, bob, amount)) for payer, amount in ((alice, 1), (carol, 2), (alice, 3))]
    assert [event["type"] for event in world.events if event["type"].startswith("transfer.")] == []
    assert sum(event["type"] == "request.parked" for event in world.events) == 3
    assert world.balance("system/transit", "EUR") == 6
    audit(world, bugs=1)
    assert world.submit(release(bob))["code"] == "ok"
    received = [event for event in world.events if event["type"] == "transfer.received"]
    assert [event["amount_minor"] for event in received] == [1, 2, 3]
    assert [event["transaction_id"] for event in received] == [answer["transaction_id"] for answer in paid]
    assert all(event["cause"]["origin"]["topic"] == INTERNAL_COMMANDS for event in received)
    assert [world.updates(answer["transaction_id"])[0]["state"] for answer in paid] == ["settled"] * 3
    assert world.balance(f"{bob}/main/available", "EUR") == 106
    audit(world, bugs=1)
    audit_fold(world)


def test_answers_to_legs_wait_with_the_payer() -> None:
    world = world_of("alice", "bob@1")
    alice, bob = place(world, "alice"), place(world, "bob@1")
    paid, refused = world.put(transfer(alice, bob, 10)), world.put(transfer(alice, world.name_in(1, "nobody"), 20))
    world.decide(0)
    quarantined(world, alice)
    states = [world.updates(world.answer(at)["transaction_id"]) for at in (paid, refused)]
    assert states == [[], []]
    assert world.submit(set_state(alice, "closed"))["code"] == "illegal_transition"
    assert world.submit(release(alice))["code"] == "ok"
    states = [world.updates(world.answer(at)["transaction_id"]) for at in (paid, refused)]
    assert [update["state"] for (update,) in states] == ["settled", "failed"]
    assert world.balance(f"{alice}/main/available", "EUR") == 90
    audit(world, bugs=1)
    audit_fold(world)


def test_a_leg_that_the_ledger_fails_on_waits_with_its_wallet() -> None:
    world = world_of("alice", "bob@1")
    alice, bob = place(world, "alice"), place(world, "bob@1")
    world.machine.fails = lambda record, context: context.topic == INTERNAL_COMMANDS and record.key == bob.encode()
    sent = world.submit(transfer(alice, bob, 10))
    world.machine.fails = lambda _record, _context: False
    assert world.events[-1]["type"] == "batch.sealed"
    assert [event["type"] for event in world.events if "parked" in event] == ["wallet.quarantined"]
    assert world.dead_letters == []
    assert world.updates(sent["transaction_id"]) == []
    assert world.submit(release(bob))["code"] == "ok"
    assert world.updates(sent["transaction_id"])[0]["state"] == "settled"
    audit(world, bugs=1)
    audit_fold(world)


def test_a_leg_of_an_unknown_wallet_that_the_ledger_fails_on_is_given_back() -> None:
    world = world_of("alice")
    alice, nobody = place(world, "alice"), world.name_in(1, "nobody")
    world.machine.fails = lambda _record, context: context.partition == 1
    sent = world.submit(transfer(alice, nobody, 10))
    (update,) = world.updates(sent["transaction_id"])
    assert (update["state"], update["code"]) == ("failed", "payee_refused")
    assert "internal_error" in update["message"]
    assert world.balance(f"{alice}/main/available", "EUR") == 100
    audit(world, bugs=1)
    audit_fold(world)


def test_a_bug_while_what_was_parked_is_applied_keeps_it_parked(monkeypatch: pytest.MonkeyPatch) -> None:
    world = world_of("alice", "bob@1")
    alice, bob = place(world, "alice"), place(world, "bob@1")
    quarantined(world, bob)
    sent = [world.submit(transfer(alice, bob, amount)) for amount in (1, 2)]
    asked = release(bob)
    legs = iter([None, Poisoned()])

    def second_leg_raises(*arguments: Any) -> None:
        if (error := next(legs)) is not None:
            raise error
        take_leg(*arguments)

    monkeypatch.setattr("agents.ledger.quarantine.take_leg", second_leg_raises)
    assert world.submit(asked)["code"] == "internal_error"
    assert world.balance(f"{bob}/main/available", "EUR") == 100, "the first leg is rolled back with the second"
    monkeypatch.undo()
    assert world.submit(asked)["code"] == "ok"
    assert [world.updates(answer["transaction_id"])[0]["state"] for answer in sent] == ["settled"] * 2
    assert world.balance(f"{bob}/main/available", "EUR") == 103
    audit(world, bugs=2)
    audit_fold(world)


def test_what_is_parked_is_not_applied_twice() -> None:
    world = world_of("alice", "bob@1")
    alice, bob = place(world, "alice"), place(world, "bob@1")
    quarantined(world, bob)
    world.submit(transfer(alice, bob, 10))
    told: Message | Any = world.shards[1].inputs[INTERNAL_COMMANDS][-1]
    world.append(INTERNAL_COMMANDS, told.value, key=told.key, partition=1)
    world.settle()
    assert world.submit(release(bob))["code"] == "ok"
    assert world.balance(f"{bob}/main/available", "EUR") == 110
    audit_fold(world)


def test_a_release_that_leaves_nothing_asks_for_nothing_more() -> None:
    world = world_of("bob@1")
    bob = place(world, "bob@1")
    quarantined(world, bob)
    world.put(release(bob))
    world.decide(1)
    assert not world.under_way[1, 1]


# ---- portions ------------------------------------------------------------------------------------------------


@pytest.fixture
def portions_of_two(monkeypatch: pytest.MonkeyPatch) -> None:
    """At most two parked records are executed at once."""
    monkeypatch.setattr("agents.ledger.operations.release_quarantine.PORTION", 2)


def owed(world: World, count: int) -> list[Json]:
    """Transfers of 1, 2, 3, ... EUR from alice that wait for bob, who is under quarantine; returns their answers."""
    quarantined(world, place(world, "bob@1"))
    at = [world.put(transfer(place(world, "alice"), place(world, "bob@1"), amount + 1)) for amount in range(count)]
    world.settle()
    return [world.answer(position) for position in at]


def received(world: World) -> list[int]:
    """Amounts that payees have received, in order."""
    return [event["amount_minor"] for event in world.events if event["type"] == "transfer.received"]


def releases(world: World) -> list[str]:
    """Types of the events of releases and their portions, in order."""
    return [event["type"] for event in world.events if event.get("operation", "").startswith("release_")]


def test_a_release_executes_at_most_200_at_once() -> None:
    world = world_of("alice", "bob@1")
    bob = place(world, "bob@1")
    assert world.submit(credit(place(world, "alice"), 401))["code"] == "ok"
    quarantined(world, bob)
    for _ in range(401):
        world.put(transfer(place(world, "alice"), bob, 1))
    world.settle()
    at = world.put(release(bob))
    world.decide(1)
    assert world.answer(at)["code"] == "ok", "accepted at once"
    assert len(received(world)) == 200
    world.settle()
    assert releases(world) == ["wallet.releasing", "wallet.releasing", "wallet.released"]
    causes = [event["cause"] for event in world.events if event["type"] == "transfer.received"]
    assert sorted(Counter((cause["topic"], cause["offset"]) for cause in causes).values()) == [1, 200, 200]
    assert world.balance(f"{bob}/main/available", "EUR") == 501
    audit(world, bugs=1)
    audit_fold(world)


@pytest.mark.usefixtures("portions_of_two")
def test_between_portions_the_wallet_stays_under_quarantine_and_later_legs_wait_behind() -> None:
    world = world_of("alice", "bob@1")
    alice, bob = place(world, "alice"), place(world, "bob@1")
    owed(world, 3)
    asked = release(bob)
    first = world.put(asked)
    world.decide(1)
    refused, closing = (world.put(one) for one in (debit(bob, 1), set_state(bob, "closed")))
    late = world.put(transfer(alice, bob, 4))
    world.decide(0)
    world.deliver(0, 1)
    world.decide(1)
    assert received(world) == [1, 2], "the late leg has overtaken the next portion, and waits"
    world.settle()
    assert received(world) == [1, 2, 3, 4]
    codes = [world.answer(at)["code"] for at in (first, refused, closing)]
    assert codes == ["ok", "wallet_quarantined", "illegal_transition"]
    assert world.updates(world.answer(late)["transaction_id"])[0]["state"] == "settled"
    assert world.submit(asked)["replayed"]
    assert world.submit(debit(bob, 1))["code"] == "ok"
    audit(world, bugs=1)
    audit_fold(world)


@pytest.mark.usefixtures("portions_of_two")
def test_a_release_that_is_ordered_again_goes_on_in_order() -> None:
    world = world_of("alice", "bob@1")
    bob = place(world, "bob@1")
    owed(world, 5)
    for asked in (release(bob), release(bob)):
        world.put(asked)
        world.decide(1)
    assert received(world) == [1, 2, 3, 4]
    world.settle()
    assert received(world) == [1, 2, 3, 4, 5]
    assert world.submit(release(bob))["code"] == "illegal_transition"
    audit(world, bugs=1)
    audit_fold(world)


@pytest.mark.usefixtures("portions_of_two")
def test_what_is_parked_exactly_fills_the_last_portion() -> None:
    world = world_of("alice", "bob@1")
    owed(world, 4)
    at = world.put(release(place(world, "bob@1")))
    world.settle()
    types = [event["type"] for event in world.events_of(at)]
    assert types == ["wallet.releasing", "transfer.received", "transfer.received"]
    portion = Position(INTERNAL_COMMANDS, 1, len(world.shards[1].inputs[INTERNAL_COMMANDS]) - 1)
    released, *received = world.events_of(portion)
    assert (released["type"], released["code"], "wallet" in released) == ("wallet.released", "ok", False)
    assert [event["type"] for event in received] == ["transfer.received", "transfer.received"]
    told = json.loads(world.shards[1].inputs[INTERNAL_COMMANDS][-1].value or b"")
    assert told == {"operation": "release_portion", "wallet_id": place(world, "bob@1")}


@pytest.mark.usefixtures("portions_of_two")
def test_a_portion_that_comes_twice_executes_nothing_twice() -> None:
    world = world_of("alice", "bob@1")
    bob = place(world, "bob@1")
    owed(world, 3)
    assert world.submit(release(bob))["code"] == "ok"
    told: Message | Any = world.shards[1].inputs[INTERNAL_COMMANDS][-1]
    quarantined(world, bob)
    world.submit(transfer(place(world, "alice"), bob, 9))
    at = world.append(INTERNAL_COMMANDS, told.value, key=told.key, partition=1)
    world.settle()
    assert [event["type"] for event in world.events_of(at)] == ["request.replayed"]
    assert received(world) == [1, 2, 3], "a new quarantine needs a new release"
    audit(world, bugs=2)
    audit_fold(world)


def test_a_portion_for_a_wallet_that_is_not_there() -> None:
    world = World(1)
    told = b'{"operation":"release_portion","wallet_id":"nobody"}'
    at = world.append(INTERNAL_COMMANDS, told, key=b"nobody", partition=0)
    world.decide(0)
    assert not world.under_way[0, 0]
    (event,) = world.events_of(at)
    assert (event["type"], event["code"]) == ("request.replayed", "ok")
    audit(world)


@pytest.mark.usefixtures("portions_of_two")
def test_a_bug_on_a_portion_stops_the_release_until_operators_order_another() -> None:
    world = world_of("alice", "bob@1")
    bob = place(world, "bob@1")
    sent = owed(world, 5)
    world.machine.fails = lambda record, _context: b"release_portion" in (record.value or b"")
    assert world.submit(release(bob))["code"] == "ok"
    assert releases(world) == ["wallet.releasing", "wallet.quarantined"]
    assert received(world) == [1, 2]
    (letter,) = [letter for letter in world.dead_letters if b"release_portion" in (letter.value or b"")]
    assert letter.partition == 1
    world.machine.fails = lambda _record, _context: False
    assert world.submit(debit(bob, 1))["code"] == "wallet_quarantined"
    assert world.submit(release(bob))["code"] == "ok"
    assert received(world) == [1, 2, 3, 4, 5]
    assert [world.updates(answer["transaction_id"])[0]["state"] for answer in sent] == ["settled"] * 5
    audit(world, bugs=2)
    audit_fold(world)


@pytest.mark.usefixtures("portions_of_two")
def test_a_new_bug_between_portions_stops_the_release() -> None:
    world = world_of("alice", "bob@1")
    bob = place(world, "bob@1")
    owed(world, 3)
    world.put(release(bob))
    world.decide(1)
    world.machine.fails = lambda record, _context: b"debit" in (record.value or b"")
    world.put(debit(bob, 1))
    world.decide(1)
    world.machine.fails = lambda _record, _context: False
    world.settle()
    assert received(world) == [1, 2]
    assert world.submit(release(bob))["code"] == "ok"
    assert received(world) == [1, 2, 3]
    audit(world, bugs=2)
    audit_fold(world)


@pytest.mark.usefixtures("portions_of_two")
def test_a_payer_is_released_in_portions_too() -> None:
    """Answers to legs wait with the payer: they settle or give back in order, whatever the portion."""
    world = world_of("alice", "bob@1")
    alice, bob = place(world, "alice"), place(world, "bob@1")
    payees = [bob, world.name_in(1, "nobody"), bob, world.name_in(1, "nobody"), bob]
    paid = [world.put(transfer(alice, payee, 10)) for payee in payees]
    world.decide(0)
    quarantined(world, alice)
    assert world.submit(release(alice))["code"] == "ok"
    states = [world.updates(world.answer(at)["transaction_id"])[0]["state"] for at in paid]
    assert states == ["settled", "failed", "settled", "failed", "settled"]
    assert world.balance(f"{alice}/main/available", "EUR") == 70
    audit(world, bugs=1)
    audit_fold(world)
