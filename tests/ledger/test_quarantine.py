"""A bug in an operation: its record gets `internal_error`, its wallet is quarantined, everything else goes on."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from agents.ledger.legs import take_leg
from agents.ledger.operations import OPERATIONS
from schemas.dead_letters import read_dead_letter_headers
from schemas.events import Entry, LedgerEvent
from schemas.topics import INTERNAL_COMMANDS, TRANSACTION_REQUESTS
from streams.machine import Message
from tests.ledger.audit import audit, audit_fold
from tests.ledger.bad_input import encode
from tests.ledger.commands import Json, command, credit, debit, open_wallet, release, set_state, transfer
from tests.ledger.world import World

Decide = Callable[..., LedgerEvent]


class Poisoned(Exception):
    """A bug whose message holds a secret."""


def world_of(*names: str) -> World:
    """A world of two partitions with wallets `<name>` in partition 0, or `<name>@1` in partition 1, holding 100 EUR."""
    world = World(2)
    for name in names:
        wallet_id = place(world, name)
        assert world.submit(open_wallet(wallet_id))["code"] == "ok"
        assert world.submit(credit(wallet_id, 100))["code"] == "ok"
    return world


def place(world: World, name: str) -> str:
    """The wallet id of a name as `world_of` takes it."""
    plain, _, partition = name.partition("@")
    return world.name_in(int(partition or 0), plain)


@pytest.fixture
def poison(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str, Callable[[LedgerEvent], LedgerEvent]], None]:
    """Break an operation for one wallet: what it posts is changed by a function, which may raise."""

    def break_(operation: str, wallet_id: str, change: Callable[[LedgerEvent], LedgerEvent]) -> None:
        sound: Decide = OPERATIONS[operation]

        def broken(state: Any, wallet: Any, asked: Any, *rest: Any) -> LedgerEvent:
            event = sound(state, wallet, asked, *rest)
            return change(event) if asked.wallet_id == wallet_id and event.entries else event

        monkeypatch.setitem(OPERATIONS, operation, broken)

    return break_


def _raise(_event: LedgerEvent) -> LedgerEvent:
    raise Poisoned("top secret")


def _unbalanced(event: LedgerEvent) -> LedgerEvent:
    """Money from nowhere: one minor unit more is credited than debited."""
    debited, credited = event.entries
    more = Entry(credited.account, credited.asset, credit_minor=credited.credit_minor + 1)
    return msgspec.structs.replace(event, entries=(debited, more))


def _other_asset(event: LedgerEvent) -> LedgerEvent:
    """The sums are equal, but of two assets."""
    debited, credited = event.entries
    return msgspec.structs.replace(event, entries=(debited, msgspec.structs.replace(credited, asset="JPY")))


def _unwritable(event: LedgerEvent) -> LedgerEvent:
    """Applied already when writing it fails."""
    return msgspec.structs.replace(event, message=object())


@pytest.mark.parametrize(
    ("change", "error"),
    [
        pytest.param(_raise, "Poisoned", id="exception"),
        pytest.param(_unbalanced, "UnbalancedJournal", id="unbalanced journal"),
        pytest.param(_other_asset, "UnbalancedJournal", id="journal of two assets"),
        pytest.param(_unwritable, "TypeError", id="event that cannot be written"),
    ],
)
def test_a_bug_hits_one_wallet(poison: Any, change: Callable[[LedgerEvent], LedgerEvent], error: str) -> None:
    world = world_of("alice", "bob")
    alice, bob = place(world, "alice"), place(world, "bob")
    poison("debit", alice, change)
    poisoned = debit(alice, 10, request_id="r-1")
    records = [credit(alice, 1), poisoned, debit(bob, 10), debit(alice, 10)]
    before, bad, other, again = [world.put(record) for record in records]
    world.settle()
    assert world.answer(before)["code"] == "ok", "what came before in the same batch stands"
    answer = world.answer(bad)
    assert (answer["code"], answer["status"], answer["request_id"]) == ("internal_error", "rejected", "r-1")
    assert error in answer["message"]
    assert "top secret" not in json.dumps(world.outcomes, default=str) + json.dumps(world.events, default=str)
    assert "state" not in answer
    assert world.answer(other)["code"] == "ok"
    assert world.answer(again)["code"] == "wallet_quarantined"
    (event,) = world.events_of(bad)
    assert (event["type"], event["wallet_id"], event["code"]) == ("wallet.quarantined", alice, "internal_error")
    (letter,) = world.dead_letters
    assert letter.value == encode(poisoned)
    said = read_dead_letter_headers(letter.headers)
    assert (said.reason, said.stage, said.original_topic) == ("internal_error", "decide", TRANSACTION_REQUESTS)
    assert world.balance(f"{alice}/main/available", "EUR") == 101
    assert world.balance("system/rail:instant", "EUR", 0) == -191
    audit(world, bugs=1)
    audit_fold(world)


def test_the_same_key_is_decided_anew_after_the_release(poison: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    world = world_of("alice")
    alice = place(world, "alice")
    poison("debit", alice, _raise)
    asked = debit(alice, 10)
    assert world.submit(asked)["code"] == "internal_error"
    assert world.submit(asked)["code"] == "wallet_quarantined"
    monkeypatch.undo()
    assert world.submit(release(alice))["code"] == "ok"
    assert world.submit(asked)["code"] == "ok"
    assert world.submit(asked)["replayed"]
    audit(world, bugs=1)


def test_a_bug_in_opening_a_wallet_quarantines_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(1)
    monkeypatch.setattr("agents.ledger.requests.decide_open_wallet", _raising)
    answer = world.submit(open_wallet("alice"))
    assert answer["code"] == "internal_error"
    assert world.events[0]["type"] == "request.dead_lettered"
    monkeypatch.undo()
    assert world.submit(open_wallet("alice"))["code"] == "ok"


def _raising(*_: Any) -> LedgerEvent:
    raise Poisoned


def test_a_bug_on_a_wallet_of_another_partition_quarantines_nothing() -> None:
    """The fault hits while the record is forwarded: it is answered here, and its owner knows nothing of it."""
    world = world_of("alice")
    alice = place(world, "alice")
    world.machine.fails = lambda _record, context: context.partition == 1
    answer = world.submit(credit(alice, 1), partition=1)
    assert (answer["code"], answer["_partition"]) == ("internal_error", 1)
    assert not world.under_way[1, 0]
    assert world.submit(credit(alice, 1))["code"] == "ok"
    audit(world, bugs=1)


def test_a_bug_on_a_forwarded_record_is_answered_to_its_source() -> None:
    world = world_of("alice")
    alice = place(world, "alice")
    world.machine.fails = lambda _record, context: context.topic == INTERNAL_COMMANDS
    at = world.put(credit(alice, 1), partition=1)
    world.settle()
    answer = world.answer(at)
    assert (answer["code"], answer["_partition"], answer["source"]) == ("internal_error", 0, at._asdict())
    world.machine.fails = lambda _record, _context: False
    assert world.submit(credit(alice, 1))["code"] == "wallet_quarantined"
    (letter,) = world.dead_letters
    assert json.loads(letter.value or b"")["operation"] == "forward"
    audit(world, bugs=1)
    audit_fold(world)


# ---- what is owed to a quarantined wallet waits ----------------------------------------------------------


def quarantined(world: World, wallet_id: str) -> None:
    """Put a wallet under quarantine."""
    world.machine.fails = lambda _record, context: context.topic == TRANSACTION_REQUESTS
    assert world.submit(debit(wallet_id, 1))["code"] == "internal_error"
    world.machine.fails = lambda _record, _context: False


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


def test_every_operation_that_is_new_is_refused_and_every_operator_command_works() -> None:
    world = world_of("alice", "bob")
    alice, bob = place(world, "alice"), place(world, "bob")
    quarantined(world, alice)
    new: list[Json] = [
        credit(alice, 1),
        debit(alice, 1),
        transfer(alice, bob, 1),
        command("enable_asset", alice, asset="USD"),
        command("open_sub_wallet", alice, sub_wallet="s", kind="savings"),
    ]
    assert {world.submit(asked)["code"] for asked in new} == {"wallet_quarantined"}
    for state in ("locked", "disabled", "active"):
        assert world.submit(set_state(alice, state))["code"] == "ok"
    assert world.submit(release(alice))["code"] == "ok"
    assert {world.submit(asked)["code"] for asked in new} == {"ok"}, "refusals for a quarantine are not frozen"


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
