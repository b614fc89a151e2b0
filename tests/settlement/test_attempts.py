"""When a batch goes to its rail: only what the ledger has submitted, once for each attempt, again after failures."""

from __future__ import annotations

from typing import Any

import pytest

from agents.settlement.batching import close_due
from agents.settlement.terms import next_attempt_ms
from agents.settlement.turn import Limits, Turn
from schemas.rail_batches import RailBatch
from schemas.rails import Rail
from tests.settlement.world import SEPA, World

RETRY = {"first_ms": 1_000, "longest_ms": 8_000, "breaker_failures": 3, "breaker_open_ms": 20_000}


def ready(*amounts_minor: int, count: int = 1, **terms: Any) -> tuple[World, list[RailBatch]]:
    """A world with so many batches ready, each of these payouts."""
    world = World(
        {**SEPA, "batches": {"max_transactions": len(amounts_minor), "max_age_s": 60}, "retry": RETRY, **terms}
    )
    world.open_wallet("w1", 10_000)
    world.fund(10_000)
    world.run()
    for _ in range(count):
        for minor in amounts_minor:
            world.payout("w1", minor)
            world.run()
    return world, world.to_send()


# ---- what the ledger says ------------------------------------------------------------------------------


def closed(*amounts_minor: int) -> tuple[World, list[str]]:
    """A batch that the ledger was asked for, and has not answered: it has not even read the questions."""
    world = World(limits=Limits(answers_wait_ms=30_000))
    world.open_wallet("w1", 1_000)
    world.fund(1_000)
    world.run()
    for minor in amounts_minor:
        world.payout("w1", minor)
        world.run()
    world.now_ms += 61_000
    world.run(roles="settlement")
    (record,) = world.batches().values()
    assert (record.state, len(world.updates("submit"))) == ("closed", len(amounts_minor))
    return world, list(world.transactions())


def test_a_cancel_that_the_ledger_reads_first_falls_out_of_the_batch() -> None:
    world, (first, second) = closed(10, 20)
    # Requests are taken after settlement's updates: have the cancel read before them.
    world.cancel("w1", first)
    for partition in world.ledger:
        updates, partition.taken["settlement-updates"] = partition.taken["settlement-updates"], 10**6
        while world.topics["transaction-requests", partition.number][partition.taken["transaction-requests"] :]:
            partition.run(100)
        partition.taken["settlement-updates"] = updates
    world.run()
    (batch,) = world.to_send()
    assert [one.transaction_ids for one in batch.instructions] == [(second,)]
    assert world.transactions()[first] == "canceled"
    assert world.position().committed_minor == 20
    (left,) = world.events("payout.left")
    assert left.reason in ("canceled", "refused")


def test_a_batch_of_which_all_is_canceled_is_empty() -> None:
    world = World()
    world.open_wallet("w1", 100)
    world.fund(100)
    world.payout("w1", 10)
    world.run()
    world.cancel("w1", next(iter(world.transactions())))
    world.run()
    world.later(61)
    (record,) = world.batches().values()
    assert (record.state, record.is_final, record.transactions) == ("empty", True, 0)
    assert (world.position().committed_minor, world.position().free_minor) == (0, 100)


def test_what_the_ledger_has_not_answered_goes_with_a_later_batch() -> None:
    world, (first, second) = closed(10, 20)
    world.now_ms += 31_000
    for partition in world.settlement:
        partition.tick()
    world.run(roles="settlement")
    (record,) = world.batches().values()
    assert (record.state, world.position().committed_minor) == ("empty", 0)
    world.run()
    world.later(61)
    (batch,) = world.to_send()
    assert sorted(one.transaction_ids[0] for one in batch.instructions) == sorted((first, second))
    # They were submitted once, in the batch that went without them.
    assert len(world.updates("submit")) == 2
    world.answer(batch, "settled")
    world.run()
    assert set(world.transactions().values()) == {"settled"}


def test_a_wallet_under_quarantine_holds_up_nobody_else() -> None:
    world = World(limits=Limits(answers_wait_ms=30_000))
    for wallet in ("w1", "w2"):
        world.open_wallet(wallet, 100)
        world.payout(wallet, 10)
    world.fund(100)
    world.run()
    for partition in world.ledger:
        wallet = partition.overlay.typed.state.wallets.get("w1")
        if wallet is not None:
            wallet_after = type(wallet)(**{**_fields(wallet), "quarantined": True})
            partition.overlay.typed.state.wallets.put("w1", wallet_after)
    world.later(61)
    assert world.to_send() == []
    world.later(31)
    (batch,) = world.to_send()
    assert [one.beneficiary for one in batch.instructions] == ["w2"]


def _fields(struct: Any) -> dict[str, Any]:
    return {name: getattr(struct, name) for name in struct.__struct_fields__}


def test_what_somebody_else_submits_is_left_to_them() -> None:
    world = World()
    world.open_wallet("w1", 100)
    world.fund(100)
    world.payout("w1", 10)
    world.payout("w1", 20)
    world.run()
    theirs = next(iter(world.transactions()))
    world.request("w1", "settlement-updates", operation="submit", transaction_id=theirs, batch_id="theirs")
    world.run()
    world.later(61)
    (batch,) = world.to_send()
    assert theirs not in [one.transaction_ids[0] for one in batch.instructions]


# ---- attempts ------------------------------------------------------------------------------------------


def test_an_attempt_that_fails_is_made_again_after_a_pause_that_doubles() -> None:
    world, (batch,) = ready(10)
    pauses = []
    for attempt in (1, 2):
        assert batch.attempt == attempt
        world.fail_attempt(batch)
        world.run()
        assert world.to_send() == []
        (record,) = world.batches().values()
        assert record.message == "down"
        began_ms = world.now_ms
        while not world.to_send():
            world.later(0.1)
        pauses.append(world.now_ms - began_ms)
        (batch,) = world.to_send()
    assert 500 <= pauses[0] <= 1_100
    assert 1_000 <= pauses[1] <= 2_100


def test_pauses_have_jitter_that_everybody_draws_alike() -> None:
    rail = Rail.model_validate_json(
        '{"name":"sepa","settlement":"deferred","retry":{"first_ms":1000,"longest_ms":8000}}'
    )
    pauses = {next_attempt_ms(rail, f"b{number}", 3, 0) for number in range(50)}
    assert min(pauses) >= 2_000
    assert max(pauses) <= 4_000
    assert len(pauses) > 40
    assert next_attempt_ms(rail, "b", 60, 0) <= 8_000
    assert next_attempt_ms(rail, "b", 1, 5) == next_attempt_ms(rail, "b", 1, 5)


def test_each_attempt_is_answered_once() -> None:
    world, (batch,) = ready(10)
    for _ in range(3):
        world.fail_attempt(batch)
    world.run()
    assert len(world.events("attempt.failed")) == 1
    world.later(2)
    world.answer(batch, "received")
    world.fail_attempt(world.to_send()[0] if world.to_send() else batch)
    world.run()
    (record,) = world.batches().values()
    assert record.state == "submitted"


def test_a_rail_that_keeps_failing_is_left_alone_and_then_tried_by_one_batch() -> None:
    world, batches = ready(10, count=4)
    for batch in batches[:3]:
        world.fail_attempt(batch)
    world.run()
    assert world.alerts()["rail_unavailable sepa"].state == "open"
    world.answer(batches[3], "unknown")
    world.run()
    for _ in range(19):
        world.later(1)
        # Two failed before it was clear: their next attempt may be due meanwhile.
        assert len(world.to_send()) <= 2
        for batch in world.to_send():
            world.fail_attempt(batch)
        world.run()
    while not world.to_send():
        world.later(1)
    (probe,) = world.to_send()
    world.later(5)
    assert world.to_send() == [probe]
    world.answer(probe, "settled")
    world.run()
    assert world.alerts() == {}
    for _ in range(60):
        world.later(1)
        for batch in world.to_send():
            world.answer(batch, "settled")
        world.run()
    assert {record.state for record in world.batches().values()} == {"settled"}


def test_a_rail_that_does_not_know_is_asked_again() -> None:
    world, (batch,) = ready(10)
    world.answer(batch, "unknown", message="timeout")
    world.run()
    (record,) = world.batches().values()
    assert (record.state, record.to_send) == ("ready", None)
    world.later(2)
    (again,) = world.to_send()
    assert (again.attempt, again.instructions) == (2, batch.instructions)
    # It says so again, under the very same id.
    world.answer(again, "unknown", answer_id="a3")
    world.run()
    world.answer(again, "unknown", answer_id="a3")
    world.later(5)
    assert world.to_send()[0].attempt == 3


# ---- what operators order ------------------------------------------------------------------------------


def test_an_operator_tries_again_at_once() -> None:
    world, (batch,) = ready(10)
    world.fail_attempt(batch)
    world.run()
    world.order(kind="retry", batch_id=batch.batch_id)
    world.run()
    (again,) = world.to_send()
    assert again.attempt == 2


def test_a_batch_that_no_rail_has_can_be_given_up() -> None:
    world, (batch,) = ready(10, 20)
    world.order(kind="abandon", batch_id=batch.batch_id)
    world.run()
    assert "may have" in (world.events("command.refused")[0].message or "")
    world.fail_attempt(batch)
    world.run()
    world.order(kind="abandon", batch_id=batch.batch_id)
    world.run()
    (record,) = world.batches().values()
    assert (record.state, record.failed_minor, record.is_final) == ("failed", 30, True)
    assert set(world.transactions().values()) == {"failed"}
    assert (world.position().free_minor, world.position().committed_minor) == (10_000, 0)
    world.later(60)
    assert world.to_send() == []


def test_a_batch_that_the_rail_may_have_cannot() -> None:
    world, (batch,) = ready(10)
    world.fail_attempt(batch, may_have_been_sent=True)
    world.run()
    world.order(kind="abandon", batch_id=batch.batch_id)
    world.run()
    assert len(world.events("command.refused")) == 1
    assert set(world.transactions().values()) == {"processed"}


def test_funds_are_counted_once_and_taken_back_as_far_as_they_are_free() -> None:
    world, _ = ready(100)
    for _ in range(2):
        world.fund(500, command_id="one")
    world.order(kind="withdraw", asset="EUR", amount_minor=10_401)
    world.run()
    assert world.position().funded_minor == 10_500
    world.order(kind="withdraw", asset="EUR", amount_minor=10_400)
    world.run()
    assert (world.position().funded_minor, world.position().free_minor) == (100, 0)
    assert [event.message for event in world.events("command.refused")] == [
        "a command of this id was done before",
        "10400 EUR are free; batches and the reserve need the rest",
    ]


def test_what_cannot_be_done_says_why() -> None:
    world, (batch,) = ready(10)
    world.order(kind="retry", batch_id="0" * 24)
    world.order(kind="abandon", batch_id="0" * 24)
    world.answer(batch, "settled")
    world.run()
    world.order(kind="retry", batch_id=batch.batch_id)
    world.order(kind="abandon", batch_id=batch.batch_id)
    world.order(kind="release", transaction_id=batch.instructions[0].transaction_ids[0])
    world.fund(2**63 - 1)
    world.run()
    assert len(world.events("command.refused")) == 6


def test_a_command_in_a_wrong_partition_is_sent_on_and_a_bad_one_is_dead_lettered() -> None:
    world = World(partitions=3)
    for partition in range(3):
        world.fund(10, partition=partition)
    world.order(kind="fund", asset="EUR", amount_minor=0)
    world.order(kind="fund", asset="EUR", amount_minor=1, more="x")
    world.order(kind="burn")
    world.run()
    assert world.position().funded_minor == 30
    assert len(world.records("dead-letters")) == 3
    assert world.bugs == []


def test_a_record_that_nobody_can_read_is_dead_lettered_and_the_others_go_on() -> None:
    world = World()
    for value in (b"", b"{}", b'{"kind":"payout"}', b"\xff"):
        world.send("settlement-internal", 0, None, value)
    world.send("ledger-events", 0, None, b"[]")
    world.fund(10)
    world.run()
    assert len(world.events("record.failed")) == 5
    assert len(world.records("dead-letters")) == 5
    assert world.position().funded_minor == 10


def test_a_scheduled_payout_knows_whom_it_is_for() -> None:
    world = World()
    world.open_wallet("w1", 100)
    world.fund(100)
    world.run()
    world.payout("w1", 10, instrument_ref="iban", execute_at="2026-11-23T05:00:00Z")
    world.run()
    assert not world.events("payout.batched")
    world.later(601)
    world.later(61)
    (batch,) = world.to_send()
    assert batch.instructions[0].beneficiary == "iban"


def test_a_capture_and_a_refund_go_over_the_rail() -> None:
    world = World()
    world.open_wallet("w1", 100)
    world.fund(100)
    world.request("w1", operation="authorize", amount_minor=40, asset="EUR", expires_in_s=600)
    world.run()
    held = world.ledger_events("transaction.processed")[-1].transaction_id
    world.request(
        "w1", operation="capture", transaction_id=held, rail="sepa", references={"merchant": "shop", "order": "7"}
    )
    world.run()
    world.later(61)
    (batch,) = world.to_send()
    assert (batch.instructions[0].beneficiary, batch.instructions[0].remittance) == ("shop", "7")
    world.answer(batch, "settled")
    world.run()
    captured = batch.instructions[0].transaction_ids[0]
    world.request("w1", operation="refund", transaction_id=captured, amount_minor=15)
    world.run()
    world.later(61)
    (back,) = world.to_send()
    assert (back.direction, back.amount_minor) == ("in", 15)
    world.answer(back, "settled")
    world.run()
    assert world.balance_minor("w1/main/available") == 75
    assert world.position().funded_minor == 75


def test_a_batch_that_the_role_fails_on_holds_up_no_other_rail(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(SEPA, {**SEPA, "name": "ach"}, partitions=1)
    world.open_wallet("w1", 100)
    for rail in ("sepa", "ach"):
        world.fund(100, rail)
        world.payout("w1", 10, rail)
    world.run()

    def close_but_one(turn: Turn, batch_id: str) -> None:
        if turn.state.batch(batch_id).rail == "sepa":
            raise ZeroDivisionError
        close_due(turn, batch_id)

    monkeypatch.setattr("agents.settlement.ticking.close_due", close_but_one)
    world.later(61)
    assert [batch.rail for batch in world.to_send("ach")] == ["ach"]
    (failed,) = world.events("due.failed")
    assert failed.message == "ZeroDivisionError"
    assert {record.rail: record.state for record in world.batches().values()} == {"sepa": "open", "ach": "ready"}
    for partition in world.settlement:
        partition.restart()


def test_a_screened_payout_goes_once_it_is_allowed_and_knows_whom_it_is_for() -> None:
    world = World({**SEPA, "screening": True})
    for wallet in ("w1", "w2"):
        world.open_wallet(wallet, 100)
    world.fund(200)
    world.run()
    for wallet in ("w1", "w2"):
        world.payout(wallet, 10, instrument_ref="iban")
    world.run()
    assert not world.events("payout.batched")
    waiting = {event.wallet_id: event.transaction_id for event in world.ledger_events("transaction.initiated")}
    for wallet, verdict in (("w1", "allow"), ("w2", "deny")):
        fields = {"operation": "screening_verdict", "transaction_id": waiting[wallet], "verdict": verdict}
        world.request(wallet, "fraud-commands", rule_ids=["r"], **fields)
    world.run()
    world.later(61)
    (batch,) = world.to_send()
    assert [one.beneficiary for one in batch.instructions] == ["iban"]
    world.answer(batch, "settled")
    world.run()
    assert world.transactions() == {waiting["w1"]: "settled"}
