"""What is due: whose it is, when it is, and what becomes of it where the ledger fails on it."""

from __future__ import annotations

from typing import Any

import pytest

from agents.ledger import due
from agents.ledger.draft import Named
from agents.ledger.holds import end_hold
from agents.ledger.keys import due_key
from agents.ledger.state import DUE
from agents.ledger.turn import Turn
from schemas.clock import rfc3339
from schemas.topics import INTERNAL_COMMANDS, TRANSACTION_REQUESTS
from tests.ledger.audit import audit, audit_fold
from tests.ledger.bank import Bank
from tests.ledger.commands import command, credit, debit, release
from tests.ledger.lifecycle.stage import Stage
from tests.ledger.test_holds import hold, is_held, tick
from tests.ledger.ward import quarantined
from tests.ledger.world import START_MS, InjectedFault, Json, World


def is_due_ms(world: World) -> int:
    """When something is due in the first partition, since the start."""
    due_at_ms = world.machine.due_at_ms(world.shards[0].overlay)
    assert due_at_ms is not None
    return due_at_ms - START_MS


def fails_on(monkeypatch: pytest.MonkeyPatch, *wallet_ids: str) -> None:
    """The ledger fails on holds of these wallets that end."""

    def fails(turn: Turn, named: Named, *arguments: Any) -> None:
        if named.transaction.wallet_id in wallet_ids:
            raise InjectedFault
        end_hold(turn, named, *arguments)

    monkeypatch.setattr(due, "end_hold", fails)


def clock(world: World) -> list[Json]:
    """Let a tick of the first partition be decided; returns its events, its own first."""
    message = world.machine.tick(world.now_ms, 0)
    at = world.append(message.topic, message.value, key=message.key, partition=0)
    world.settle()
    return world.events_of(at)


def quarantines(world: World) -> list[str]:
    """Wallets that were put under quarantine, in order."""
    return [event["wallet_id"] for event in world.events if event["type"] == "wallet.quarantined"]


def test_a_command_ends_what_is_due_of_its_own_wallet_alone() -> None:
    stage = Stage()
    stage.do(credit(stage.bert, 5))
    for wallet_id in (stage.alice, stage.bert):
        hold(stage, 1, wallet_id)
    stage.world.wait(1_000)
    stage.do(debit(stage.alice, 1))
    assert is_held(stage) == 0
    assert stage.world.balance(f"{stage.bert}/main/held", "EUR") == 1
    audit(stage.world)


# ---- ticks -------------------------------------------------------------------------------------------


def test_however_much_is_due_a_millisecond_later_no_other_tick_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(due, "TICK_PORTION", 1)
    stage = Stage()
    for _ in range(3):
        hold(stage, 2)
    stage.world.wait(1_999)
    message = stage.world.machine.tick(stage.world.now_ms, 0)
    at = stage.world.append(message.topic, message.value, key=message.key, partition=0)
    stage.world.decide(0)
    assert [event["type"] for event in stage.world.events_of(at)] == ["clock.ticked"]
    assert not stage.world.under_way[0, 0]


def test_another_tick_has_no_key_either(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(due, "TICK_PORTION", 1)
    stage = Stage()
    for _ in range(3):
        hold(stage, 1)
    stage.world.wait(1_000)
    assert len(tick(stage)) == 3
    assert [record.key for record in stage.world.shards[0].inputs[INTERNAL_COMMANDS]] == [b""] * 3


def test_what_a_tick_has_ended_is_not_walked_over_again() -> None:
    stage = Stage()
    hold(stage, 1)
    hold(stage, 5)
    stage.world.wait(1_000)
    assert len(tick(stage)) == 1
    store, starts = stage.world.shards[0].store, []
    scan = store.scan

    def noted(table: str, start: str = "") -> Any:
        if table == DUE.name:
            starts.append(start)
        return scan(table, start)

    store.scan = noted  # type: ignore[method-assign]
    assert is_due_ms(stage.world) == 5_000
    assert starts == [due_key(START_MS + 1_000)]


def test_what_is_too_large_for_the_broker_changes_nothing_of_what_is_due() -> None:
    stage = Stage()
    hold(stage, 1)
    shard = stage.world.shards[0]
    for topic, value in ((TRANSACTION_REQUESTS, b"{}"), (INTERNAL_COMMANDS, b'{"operation":"tick","due_at_ms":1}')):
        shard.decider.oversized.add((topic, len(shard.inputs[topic])))
        stage.world.append(topic, value, key=b"", partition=0)
        stage.world.settle()
        assert is_due_ms(stage.world) == 1_000


def test_what_is_put_off_holds_nothing_up_that_is_due_behind_it() -> None:
    """A payment whose verdict does not come gives back the reward that it has taken, which expires later then."""
    bank = Bank()
    bank.ask(credit(bank.carl, 5))
    reward = command("reward", bank.anna, amount_minor=50, asset="EUR", code="welcome", expires_in_s=61)
    bank.ask(reward)
    bank.ask(debit(bank.anna, 10_050, rail="wire"))
    bank.ask(command("authorize", bank.carl, amount_minor=5, asset="EUR", expires_in_s=62))
    bank.world.wait(62_000)
    ended = [(event["wallet_id"], event["operation"]) for event in clock(bank.world)[1:]]
    assert ended == [(bank.anna, "debit"), (bank.carl, "authorize")]
    assert bank.has() == 10_050
    bank.audit()


# ---- under quarantine --------------------------------------------------------------------------------


@pytest.mark.parametrize(("holds", "due_ms"), [(2, 5_000), (3, 3_000), (4, 3_000)])
def test_what_is_due_of_wallets_under_quarantine_waits_unless_it_is_much(
    holds: int, due_ms: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(due, "_LOOKS", 3)
    stage = Stage()
    stage.do(credit(stage.bert, 5))
    for number in range(holds):
        hold(stage, 1 + number)
    hold(stage, 5, stage.bert)
    quarantined(stage.world, stage.alice)
    assert is_due_ms(stage.world) == due_ms


def test_the_wallet_on_which_the_ledger_fails_is_put_under_quarantine_and_the_next_tick_does_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stage = Stage()
    stage.do(credit(stage.bert, 5))
    for _ in range(2):
        hold(stage, 1)
    stage.do(debit(stage.bert, 5, execute_at=rfc3339(START_MS + 1_000)))
    fails_on(monkeypatch, stage.alice)
    stage.world.wait(1_000)
    ticked, event = clock(stage.world)
    assert (ticked["type"], event["type"]) == ("clock.ticked", "wallet.quarantined")
    assert (event["wallet_id"], event["_key"]) == (stage.alice, stage.alice.encode())
    assert (event["command"], event["code"]) == ("expire", "internal_error")
    assert event["message"] == "the ledger failed on what is due of this wallet (InjectedFault)"
    assert is_due_ms(stage.world) == 1_000
    clock(stage.world)
    assert stage.world.balance(f"{stage.bert}/main/available", "EUR") == 0
    assert is_due_ms(stage.world) > 1_000
    audit(stage.world, bugs=1)
    audit_fold(stage.world)


def test_no_more_than_a_portion_is_tried_for_what_the_ledger_fails_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(due, "TICK_PORTION", 1)
    stage = Stage()
    stage.do(credit(stage.bert, 5))
    hold(stage, 1)
    hold(stage, 2, stage.bert)
    fails_on(monkeypatch, stage.alice, stage.bert)
    stage.world.wait(2_000)
    for quarantined_so_far in ([stage.alice], [stage.alice, stage.bert]):
        clock(stage.world)
        assert quarantines(stage.world) == quarantined_so_far
    assert stage.world.submit(release(stage.alice))["code"] == "ok"
    audit(stage.world, bugs=2)
