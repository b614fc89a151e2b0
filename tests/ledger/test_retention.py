"""What is open, and what something open acts on, is never forgotten; all else is, bucket by bucket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

import pytest

from agents.ledger.machine import LedgerMachine
from agents.ledger.state import UNDER_WAY, UNFINISHED
from agents.ledger.transaction import Transaction
from schemas.clock import rfc3339, unix_ms
from schemas.lifecycle import Verb
from streams.errors import Refused
from streams.ports import Bounds
from streams.restore import Restorer
from streams.rocks import RocksStore
from streams.rocks_memory import StoreMemory
from streams.rocks_stores import RocksStores
from streams.seal import is_seal
from tests.ledger.audit import audit, audit_fold
from tests.ledger.commands import Json, command, credit, debit, release, transfer
from tests.ledger.lifecycle.stage import HOLD_S, REFERENCE, Seen, Stage
from tests.ledger.lifecycle.verbs import asked, by
from tests.ledger.ward import quarantined
from tests.ledger.world import DAY_MS, World

#: A finished transaction is forgotten by then: after 540 days and one bucket of 60.
LATE_MS = 620 * DAY_MS
HOUR_MS = 3_600_000
ZERO = UNDER_WAY.encode(0)


def available(stage: Stage, wallet_id: str | None = None) -> int:
    return stage.world.balance(f"{wallet_id or stage.alice}/main/available", "EUR")


def tick(stage: Stage, partition: int = 0) -> None:
    """Partition time is what the clock says, and buckets that are past it are dropped."""
    told = stage.world.machine.tick(stage.world.now_ms, partition)
    stage.world.append(told.topic, told.value, key=told.key, partition=partition)
    stage.world.settle()


def wait(stage: Stage, ms: int) -> None:
    stage.world.wait(ms)
    for partition in range(2):
        tick(stage, partition)


def unfinished(stage: Stage) -> int:
    return sum(len(shard.store.rows.get(UNFINISHED.name, ())) for shard in stage.world.shards)


def finished(world: World) -> dict[str, bytes]:
    tables = [rows for shard in world.shards for name, rows in shard.store.rows.items() if name.startswith("transac")]
    return {key: row for rows in tables for key, row in rows.items()}


def ends(stage: Stage) -> None:
    """The books are right, the fold is the state, and nothing is left of what has ended but in buckets."""
    audit(stage.world)
    audit_fold(stage.world)
    assert unfinished(stage) == 0
    for shard in stage.world.shards:
        assert set(shard.store.rows.get(UNDER_WAY.name, {}).values()) <= {ZERO}


# ---- what is open -------------------------------------------------------------------------------------


def test_a_dispute_is_resolved_after_its_original_is_past_its_retention() -> None:
    stage = Stage()
    paid = stage.begin(credit(stage.alice, 60))
    stage.world.wait(530 * DAY_MS)
    by(Verb.DISPUTE)(stage, paid)
    wait(stage, 80 * DAY_MS)
    stage.do(asked(Verb.RESOLVE, stage.disputes[paid.transaction_id]))
    assert stage.state_of(paid, stage.alice) == "settled"
    ends(stage)


def test_a_dispute_stays_open_however_long() -> None:
    stage = Stage()
    paid = stage.begin(credit(stage.alice, 60))
    by(Verb.DISPUTE)(stage, paid)
    wait(stage, LATE_MS)
    assert stage.world.submit(asked(Verb.DISPUTE, paid, amount_minor=51))["code"] == "exceeds_remaining"
    stage.do(asked(Verb.RESOLVE, stage.disputes[paid.transaction_id], won=False))
    assert stage.state_of(paid, stage.alice) == "settled"
    ends(stage)


@pytest.mark.parametrize(("verb", "gained"), [(Verb.SETTLE, 60), (Verb.FAIL, 0), (Verb.CANCEL, 0)])
def test_what_is_under_way_is_ended_however_late(verb: Verb, gained: int) -> None:
    stage = Stage()
    announced = stage.begin(credit(stage.alice, 60, rail="sepa"))
    wait(stage, LATE_MS)
    stage.do(asked(verb, announced))
    assert available(stage) == 1_000 + gained
    ends(stage)


def test_a_debit_that_fails_late_gives_back_what_it_has_set_aside() -> None:
    stage = Stage()
    paid = stage.begin(debit(stage.alice, 60, rail="sepa"))
    by(Verb.SUBMIT)(stage, paid)
    wait(stage, LATE_MS)
    by(Verb.FAIL)(stage, paid)
    assert available(stage) == 1_000
    ends(stage)


def test_a_payee_answers_however_late() -> None:
    stage = Stage()
    stage.begin(transfer(stage.alice, stage.bob, 60), stage.bob, deliver=False)
    stage.world.wait(LATE_MS)
    stage.world.settle()
    assert (available(stage), available(stage, stage.bob)) == (940, 60)
    ends(stage)


def test_a_hold_waits_for_the_end_of_a_quarantine_however_long() -> None:
    stage = Stage()
    stage.authorize()
    quarantined(stage.world, stage.alice)
    wait(stage, LATE_MS)
    stage.do(release(stage.alice))
    tick(stage)
    assert (available(stage), unfinished(stage)) == (1_000, 0)


# ---- what something open acts on ----------------------------------------------------------------------


@pytest.mark.parametrize(("verb", "left"), [(Verb.SETTLE, 50), (Verb.FAIL, 60), (Verb.CANCEL, 60)])
def test_a_refund_ends_after_its_original_is_past_its_retention(verb: Verb, left: int) -> None:
    stage = Stage()
    paid = stage.begin(debit(stage.alice, 60, rail="sepa"))
    by(Verb.SETTLE)(stage, paid)
    refund = stage.begin(asked(Verb.REFUND, paid))
    wait(stage, LATE_MS)
    stage.do(asked(verb, refund))
    # The original has ended with what acted on it, so that it is known for its retention from here.
    assert stage.world.submit(asked(Verb.REFUND, paid, amount_minor=left + 1))["code"] == "exceeds_remaining"
    stage.do(asked(Verb.SETTLE, stage.begin(asked(Verb.REFUND, paid, amount_minor=left))))
    ends(stage)


def test_a_refund_is_returned_as_long_as_it_is_known() -> None:
    stage = Stage()
    paid = stage.begin(debit(stage.alice, 60, rail="sepa"))
    by(Verb.SETTLE)(stage, paid)
    refund = stage.begin(asked(Verb.REFUND, paid))
    stage.world.wait(200 * DAY_MS)
    by(Verb.SETTLE)(stage, refund)
    for days in (400, 400):
        wait(stage, days * DAY_MS)
        # The rail says once more that it has settled, under another reference.
        stage.do(asked(Verb.SETTLE, refund, rail_reference=f"again-{stage.world.now_ms}"))
    stage.do(asked(Verb.RETURN, refund, amount_minor=10))
    assert stage.world.submit(asked(Verb.REFUND, paid, amount_minor=61))["code"] == "exceeds_remaining"
    audit_fold(stage.world)


def test_a_capture_fails_after_its_authorization_is_past_its_retention() -> None:
    stage = Stage()
    held = stage.authorize()
    captured = stage.begin(asked(Verb.CAPTURE, held, rail="sepa"))
    wait(stage, LATE_MS)
    by(Verb.FAIL)(stage, captured)
    assert available(stage) == 1_000
    ends(stage)


def test_a_reversal_is_accepted_after_its_original_is_past_its_retention() -> None:
    stage = Stage()
    paid = stage.begin(transfer(stage.alice, stage.bob, 60), stage.bob)
    stage.do(asked(Verb.REVERSE, paid), deliver=False)
    stage.world.wait(LATE_MS)
    stage.world.settle()
    assert stage.state_of(paid, stage.bob) == "reversed"
    assert (available(stage), available(stage, stage.bob)) == (1_000, 0)
    ends(stage)


# ---- what is finished ---------------------------------------------------------------------------------


def test_what_is_finished_is_forgotten_in_time() -> None:
    stage = Stage()
    paid = stage.begin(credit(stage.alice, 60))
    disputed = stage.begin(credit(stage.alice, 60))
    by(Verb.DISPUTE)(stage, disputed)
    by(Verb.RESOLVE)(stage, stage.disputes[disputed.transaction_id])
    wait(stage, 540 * DAY_MS)
    assert finished(stage.world)
    stage.do(asked(Verb.REVERSE, paid))
    wait(stage, 60 * DAY_MS)
    assert stage.world.submit(asked(Verb.REVERSE, disputed))["code"] == "transaction_not_found"
    # Only what was changed since is still there: the original, and its reversal.
    assert len(finished(stage.world)) == 2
    wait(stage, 600 * DAY_MS)
    assert finished(stage.world) == {}
    ends(stage)


def test_what_is_open_takes_no_more_room_than_there_is_of_it() -> None:
    stage = Stage()
    rows = []
    for _ in range(20):
        begun = [stage.begin(debit(stage.alice, 1, rail="sepa")) for _ in range(10)]
        rows.append(unfinished(stage))
        for paid in begun:
            by(Verb.SETTLE)(stage, paid)
        wait(stage, 60 * DAY_MS)
    assert set(rows) == {10}
    assert len(finished(stage.world)) <= 10 * 10
    ends(stage)


# ---- a short retention --------------------------------------------------------------------------------


def briefly() -> Stage:
    """A stage on which transactions are forgotten an hour after the end of their bucket."""
    return Stage(retained_ms=HOUR_MS, transactions_retained_ms=HOUR_MS)


def authorized(stage: Stage) -> Seen:
    fields: Json = {"amount_minor": 60, "asset": "EUR", "expires_in_s": 300 * 86_400}
    return stage.begin(command("authorize", stage.alice, **fields))


def test_what_is_due_long_after_a_short_retention_is_done() -> None:
    stage = briefly()
    authorized(stage)
    # A moment after the reward has ended: what is due in the same millisecond is done in the order of ids, and a
    # transfer before it would spend the reward.
    at = rfc3339(stage.world.now_ms + 300 * DAY_MS + 1)
    stage.do(transfer(stage.alice, stage.bert, 60, execute_at=at))
    stage.do(command("reward", stage.alice, amount_minor=7, asset="EUR", code="points", expires_in_s=300 * 86_400))
    wait(stage, 200 * DAY_MS)
    assert (available(stage), unfinished(stage)) == (947, 3)
    wait(stage, 100 * DAY_MS + 1)
    assert (available(stage), available(stage, stage.bert)) == (940, 60)
    ends(stage)


def test_a_hold_that_outlives_a_short_retention_is_captured() -> None:
    stage = briefly()
    held = authorized(stage)
    wait(stage, 200 * DAY_MS)
    stage.do(asked(Verb.CAPTURE, held, amount_minor=50))
    stage.do(asked(Verb.RELEASE, held))
    assert available(stage) == 950
    ends(stage)


def test_a_log_is_not_folded_with_a_retention_that_its_events_outlive() -> None:
    stage = Stage()
    paid = stage.begin(credit(stage.alice, 60))
    stage.world.wait(500 * DAY_MS)
    by(Verb.DISPUTE)(stage, paid)
    log, machine = stage.world.shards[0].log, LedgerMachine(REFERENCE, 40 * DAY_MS, 100 * DAY_MS)
    said = f"{paid.transaction_id}, which is past .*: the log was written with a longer retention, set it back"
    with pytest.raises(Refused, match=said):
        _fold(machine, log)


def _fold(machine: LedgerMachine, log: list[bytes]) -> None:
    world = World(1)
    state = type(world.shards[0].overlay)(machine.tables, world.shards[0].store)
    for value in log:
        if not is_seal(value):
            machine.fold(state, value)


# ---- on disk ------------------------------------------------------------------------------------------


class _Log(NamedTuple):
    """The event log of one partition, as it is read to restore."""

    values: list[bytes]

    async def bounds(self) -> Bounds:
        return Bounds(0, len(self.values))

    async def high_watermark(self) -> int:
        return len(self.values)

    async def record_at(self, offset: int) -> bytes | None:
        return self.values[offset]

    async def read(self, start: int, end: int) -> AsyncIterator[list[tuple[int, bytes]]]:
        for at in range(start, end):
            yield [(at, self.values[at])]

    async def close(self) -> None:
        """Nothing to close."""


def _restored(stage: Stage, folder: Path, values: list[bytes]) -> dict[str, dict[str, bytes]]:
    """What RocksDB holds of partition 0 once all that it misses was folded from the log."""
    restorer = Restorer(stage.world.machine, 0, 2, unix_ms, 100)
    stores = RocksStores(folder, "worker", StoreMemory(8, 8))
    store = asyncio.run(restorer.restore(stores, _Log(values))).store
    assert isinstance(store, RocksStore)
    rows = {table: dict(store.scan(table)) for table in store.tables()}
    store.close()
    return {table: found for table, found in rows.items() if found}


def test_what_is_restored_is_what_there_was(tmp_path: Path) -> None:
    stage = Stage()
    paid, other = stage.begin(debit(stage.alice, 60, rail="sepa")), stage.begin(credit(stage.alice, 60))
    by(Verb.SETTLE)(stage, paid)
    refund = stage.begin(asked(Verb.REFUND, paid))
    announced = stage.begin(credit(stage.alice, 60, rail="sepa"))
    wait(stage, 300 * DAY_MS)
    by(Verb.DISPUTE)(stage, other)
    half = list(stage.world.shards[0].log)
    wait(stage, 400 * DAY_MS)
    by(Verb.SETTLE)(stage, refund)
    stage.authorize()
    stage.world.wait(HOLD_S * 1_000)
    tick(stage)
    by(Verb.FAIL)(stage, announced)
    shard = stage.world.shards[0]
    rows = {table: found for table, found in shard.store.rows.items() if found}
    assert rows[UNFINISHED.name].keys() == {other.transaction_id, stage.disputes[other.transaction_id].transaction_id}
    assert _restored(stage, tmp_path / "whole", shard.log) == rows
    _restored(stage, tmp_path / "parts", half)
    assert _restored(stage, tmp_path / "parts", shard.log) == rows


def test_a_transaction_is_unfinished_as_long_as_anything_is_to_come() -> None:
    fields = ("alice", "main", "EUR", 60, 0, "t", 0, 0)

    def is_unfinished(operation: str, state: str, **more: int) -> bool:
        return Transaction(operation, state, "ok", *fields, **more).is_unfinished  # type: ignore[arg-type]

    assert [is_unfinished("credit", state) for state in ("initiated", "processed", "settled", "failed")] == [
        *(True, True, False, False)
    ]
    assert is_unfinished("dispute", "disputed")
    assert not is_unfinished("dispute", "settled")
    assert not is_unfinished("credit", "disputed")
    assert is_unfinished("credit", "disputed", open_children=1)
    assert is_unfinished("reward", "settled", due_at_ms=1)
