"""What operators order, what cannot be read, and payouts that come of something else."""

from __future__ import annotations

import pytest

from agents.settlement.batching import close_due
from agents.settlement.turn import Turn
from tests.settlement.ready import ready
from tests.settlement.world import SEPA, World


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


def test_a_batch_that_was_tried_again_under_an_attempt_that_nobody_has_answered_cannot() -> None:
    world, (batch,) = ready(10)
    world.order(kind="retry", batch_id=batch.batch_id)
    world.run()
    (again,) = world.to_send()
    # The first attempt may have reached the rail, and its report is no longer waited for; the second one has not.
    world.fail_attempt(batch, may_have_been_sent=True)
    world.fail_attempt(again)
    world.run()
    world.order(kind="abandon", batch_id=batch.batch_id)
    world.run()
    assert "may have" in (world.events("command.refused")[0].message or "")
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


def test_a_scheduled_payout_is_for_whom_it_names_and_not_for_a_merchant_that_it_refers_to() -> None:
    world, _ = ready(10)
    world.payout("w1", 10, instrument_ref="iban", references={"merchant": "m"}, execute_at="2026-11-23T05:00:00Z")
    world.later(3_600)
    (batch,) = world.to_send()[1:]
    assert batch.instructions[0].beneficiary == "iban"


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
        world.payout(wallet, 10, instrument_ref="iban", references={"merchant": "m"})
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


def test_a_payout_is_let_go_over_its_own_rail_alone() -> None:
    terms = {**SEPA, "prefunded": False, "payout_limits": {"EUR": {"transaction_minor": 99}}}
    world = World(terms, {**terms, "name": "other"}, partitions=1)
    world.open_wallet("w1", 100)
    world.payout("w1", 100)
    world.run()
    (alert,) = world.alerts().values()
    world.order("other", kind="release", transaction_id=alert.transaction_id)
    world.run()
    assert [event.message for event in world.events("command.refused")] == [
        f"rail other has no payout {alert.transaction_id}"
    ]
    assert list(world.alerts()) == [alert.alert_id]
    world.order(kind="release", transaction_id=alert.transaction_id)
    world.run()
    assert (world.alerts(), len(world.batches())) == ({}, 1)
