"""A bug in an operation: its record gets `internal_error`, its wallet is quarantined, everything else goes on."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from agents.ledger.operations import OPERATIONS
from schemas.dead_letters import read_dead_letter_headers
from schemas.events import Entry, LedgerEvent
from schemas.topics import INTERNAL_COMMANDS, TRANSACTION_REQUESTS
from tests.ledger.audit import audit, audit_fold
from tests.ledger.bad_input import encode
from tests.ledger.commands import Json, command, credit, debit, fraud, open_wallet, release, set_state, transfer
from tests.ledger.ward import Poisoned, place, quarantined, world_of
from tests.ledger.world import World

Decide = Callable[..., LedgerEvent]


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
    monkeypatch.setitem(OPERATIONS, "open_wallet", _raising)
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
    assert {world.submit(fraud(operation, alice))["code"] for operation in ("lock", "require_step_up")} == {"ok"}
    for state in ("locked", "disabled", "active"):
        assert world.submit(set_state(alice, state))["code"] == "ok"
    assert world.submit(release(alice))["code"] == "ok"
    assert {world.submit(asked)["code"] for asked in new} == {"ok"}, "refusals for a quarantine are not frozen"
