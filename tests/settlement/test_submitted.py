"""What the ledger answers before a batch goes: only what it has submitted is in it."""

from __future__ import annotations

from typing import Any

from agents.settlement.turn import Limits
from tests.settlement.world import World


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
