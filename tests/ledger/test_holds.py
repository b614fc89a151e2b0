"""Holds: they end at their millisecond, in portions where many do, and whatever happens to the worker."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest

from agents.ledger.state import DUE, DUE_OF_WALLET, LOTS
from schemas.clock import unix_ms
from schemas.lifecycle import Verb
from schemas.topics import INTERNAL_COMMANDS
from streams.overlay import Overlay
from streams.persist import changes_of, load_buckets
from streams.ports import Mark
from streams.seal import is_seal
from tests.ledger.audit import audit, audit_fold
from tests.ledger.commands import command, credit, debit
from tests.ledger.lifecycle.stage import HOLD_S, Seen, Stage
from tests.ledger.lifecycle.verbs import asked, by
from tests.ledger.store import DictStore
from tests.ledger.world import START_MS, Json

HOLD_MS = HOLD_S * 1_000


def hold(stage: Stage, seconds: int, wallet_id: str | None = None, amount_minor: int = 1) -> Seen:
    """An authorization that ends after so many seconds."""
    fields: Json = {"amount_minor": amount_minor, "asset": "EUR", "expires_in_s": seconds}
    return stage.begin(command("authorize", wallet_id or stage.alice, **fields))


def tick(stage: Stage) -> list[str]:
    """Let the clock of alice's partition go on until it asks for no more; what each tick has ended, in order."""
    message = stage.world.machine.tick(stage.world.now_ms, 0)
    stage.world.append(message.topic, message.value, key=message.key, partition=0)
    first = len(stage.world.events)
    stage.world.settle()
    return [event["transaction_id"] for event in stage.world.events[first:] if event.get("command") == "expire"]


def is_held(stage: Stage) -> int:
    return stage.world.balance(f"{stage.alice}/main/held", "EUR")


def due_rows(stage: Stage) -> list[str]:
    """Keys of all that is due in alice's partition."""
    rows = stage.world.shards[0].store.rows
    return [key for table in (DUE, DUE_OF_WALLET) for key in rows.get(table.name, {})]


# ---- the millisecond ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("late_ms", "code"), [(-1, "ok"), (0, "hold_expired"), (1, "hold_expired")])
def test_a_capture_is_in_time_until_the_millisecond_before(late_ms: int, code: str) -> None:
    stage = Stage()
    seen = hold(stage, HOLD_S, amount_minor=60)
    stage.world.wait(HOLD_MS + late_ms)
    assert stage.world.submit(asked(Verb.CAPTURE, seen))["code"] == code
    assert is_held(stage) == 0
    audit(stage.world)


@pytest.mark.parametrize(("late_ms", "ends"), [(-1, False), (0, True), (1, True)])
def test_a_tick_ends_what_is_due_at_its_own_millisecond(late_ms: int, ends: bool) -> None:
    stage = Stage()
    seen = hold(stage, HOLD_S, amount_minor=60)
    stage.world.wait(HOLD_MS + late_ms)
    assert tick(stage) == ([seen.transaction_id] if ends else [])
    assert is_held(stage) == (0 if ends else 60)


def test_the_event_says_when_it_is_due_and_the_machine_asks_for_a_tick_then() -> None:
    stage = Stage()
    shard = stage.world.shards[0]
    later, sooner = hold(stage, 20), hold(stage, 10)
    due = [event["due_at"] for event in stage.world.events if event["type"] == "transaction.processed"]
    assert [unix_ms(at) for at in due] == [START_MS + 20_000, START_MS + 10_000]
    assert stage.world.machine.due_at_ms(shard.overlay) == START_MS + 10_000
    by(Verb.RELEASE)(stage, sooner)
    assert stage.world.machine.due_at_ms(shard.overlay) == START_MS + 20_000
    by(Verb.CAPTURE)(stage, later)
    forgotten = stage.world.machine.due_at_ms(shard.overlay)
    assert forgotten is not None, "keys are forgotten in time"
    assert forgotten > START_MS + 30 * 86_400_000


@pytest.mark.parametrize("verb", [Verb.RELEASE, Verb.CANCEL, Verb.CAPTURE])
def test_what_has_ended_is_not_due_any_more(verb: Verb) -> None:
    stage = Stage()
    seen = hold(stage, HOLD_S)
    assert len(due_rows(stage)) == 2
    by(verb)(stage, seen)
    assert due_rows(stage) == []
    stage.world.wait(HOLD_MS)
    assert tick(stage) == []


def test_a_command_ends_only_what_is_due_of_its_own_wallet() -> None:
    stage = Stage()
    stage.do(credit(stage.bert, 5))
    hold(stage, 1), hold(stage, 1, stage.bert)
    stage.world.wait(1_000)
    stage.do(debit(stage.bert, 5))
    assert is_held(stage) == 1
    assert stage.world.balance(f"{stage.bert}/main/held", "EUR") == 0


@pytest.mark.parametrize("restarts", [False, True])
def test_rewards_are_spent_first_after_a_restart_too(restarts: bool) -> None:
    """What the partition knows of rewards is in its store: in which assets there ever were any."""
    stage = Stage()
    stage.do(command("reward", stage.alice, amount_minor=10, asset="EUR", code="welcome", expires_in_s=3_600))
    if restarts:
        for shard in stage.world.shards:
            shard.overlay = Overlay(stage.world.machine.tables, shard.store)
            load_buckets(shard.overlay, shard.store)
    stage.do(debit(stage.alice, 4))
    lots = LOTS.decode(stage.world.shards[0].store.rows[LOTS.name][f"{stage.alice}/main/available EUR"])
    assert [lot.remaining_minor for lot in lots] == [6]


def test_who_never_had_a_reward_that_expires_is_spared_the_looks_for_any() -> None:
    """Though others of its partition have: of its own wallet it is known."""
    stage = Stage()
    reward: Json = {"amount_minor": 1, "asset": "EUR", "code": "welcome", "expires_in_s": 3_600}
    stage.do(command("reward", stage.bert, **reward))
    store, looks = stage.world.shards[0].store, Counter[str]()
    get, scan = store.get, store.scan

    def counted_get(table: str, key: str) -> bytes | None:
        looks[table] += key.startswith(stage.alice)
        return get(table, key)

    def counted_scan(table: str, start: str = "") -> Iterator[tuple[str, bytes]]:
        looks[table] += start.startswith(stage.alice)
        return scan(table, start)

    store.get, store.scan = counted_get, counted_scan  # type: ignore[method-assign]
    by(Verb.CAPTURE)(stage, hold(stage, HOLD_S))
    stage.do(debit(stage.alice, 5))
    assert not looks[LOTS.name] + looks[DUE_OF_WALLET.name], looks
    stage.do(command("reward", stage.alice, **reward))
    by(Verb.CAPTURE)(stage, hold(stage, HOLD_S))
    assert looks[DUE_OF_WALLET.name], "a reward of its own may be due"


def test_a_tick_of_one_partition_ends_nothing_of_another() -> None:
    stage = Stage()
    stage.do(credit(stage.bob, 5))
    hold(stage, 1, stage.bob)
    stage.world.wait(1_000)
    assert tick(stage) == []
    assert stage.world.balance(f"{stage.bob}/main/held", "EUR") == 1


# ---- portions ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("holds", "ticks"), [(2, 1), (3, 1), (4, 2), (6, 2), (10, 4)])
def test_what_is_due_ends_in_portions_the_soonest_first(
    holds: int, ticks: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agents.ledger.due.TICK_PORTION", 3)
    stage = Stage()
    begun = [hold(stage, seconds) for seconds in range(holds, 0, -1)]
    stage.world.wait(holds * 1_000)
    assert tick(stage) == [seen.transaction_id for seen in reversed(begun)]
    clocks = [event for event in stage.world.events if event["type"] == "clock.ticked"]
    assert len(clocks) == ticks
    ended = [
        sum(event.get("command") == "expire" and event["cause"] == clock["cause"] for event in stage.world.events)
        for clock in clocks
    ]
    assert ended == [min(3, holds - 3 * number) for number in range(ticks)]
    assert due_rows(stage) == []
    audit(stage.world)
    audit_fold(stage.world)


def test_a_command_ends_a_portion_and_the_tick_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agents.ledger.due.COMMAND_PORTION", 2)
    stage = Stage()
    begun = [hold(stage, seconds) for seconds in range(5, 0, -1)]
    stage.world.wait(5_000)
    stage.do(debit(stage.alice, 1))
    assert is_held(stage) == 3
    stage.do(debit(stage.alice, 1))
    assert is_held(stage) == 1
    assert tick(stage) == [begun[0].transaction_id], "what was due soonest has ended first"
    audit(stage.world)
    audit_fold(stage.world)


# ---- after a restart ---------------------------------------------------------------------------------


def restarted(stage: Stage) -> None:
    """The worker starts again on the tables that it has."""
    shard = stage.world.shards[0]
    shard.overlay = Overlay(stage.world.machine.tables, shard.store)
    load_buckets(shard.overlay, shard.store)


def restored(stage: Stage) -> None:
    """The worker starts again without its tables: it folds the log from its beginning."""
    shard, store = stage.world.shards[0], DictStore()
    state = Overlay(stage.world.machine.tables, store)
    for value in shard.log:
        if not is_seal(value):
            stage.world.machine.fold(state, value)
    store.write(changes_of(state), Mark(0, b""))
    state.settle()
    shard.store = store
    restarted(stage)


@pytest.mark.parametrize("again", [restarted, restored])
def test_what_is_due_is_known_after_a_restart(again: object) -> None:
    stage = Stage()
    first, second = hold(stage, 1), hold(stage, 2)
    stage.world.wait(1_000)
    assert tick(stage) == [first.transaction_id]
    before = due_rows(stage)
    assert callable(again)
    again(stage)
    assert due_rows(stage) == before
    assert stage.world.machine.due_at_ms(stage.world.shards[0].overlay) == START_MS + 2_000
    stage.world.wait(1_000)
    assert tick(stage) == [second.transaction_id]
    assert is_held(stage) == 0
    audit(stage.world)


def test_a_tick_that_comes_twice_ends_nothing_twice() -> None:
    stage = Stage()
    hold(stage, 1, amount_minor=60)
    stage.world.wait(1_000)
    assert len(tick(stage)) == 1
    told = stage.world.shards[0].inputs[INTERNAL_COMMANDS][-1]
    stage.world.append(INTERNAL_COMMANDS, told.value, key=told.key, partition=0)
    stage.world.settle()
    assert stage.world.balance(f"{stage.alice}/main/available", "EUR") == 1_000
    audit(stage.world)
