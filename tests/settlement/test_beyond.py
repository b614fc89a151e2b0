"""What a rail moves beyond an instruction, or once more: the ledger's account of the rail is what the rail says."""

from __future__ import annotations

import pytest

from schemas.rail_batches import InstructionAnswer, RailBatch
from tests.settlement.world import SEPA, World, rejected, returned, settled

FUNDED_MINOR = 10_000


def sent(*payouts_minor: int, operation: str = "debit", netting: str = "beneficiary") -> tuple[World, RailBatch]:
    """Payouts of one wallet each to the same beneficiary, in a batch that waits for its rail."""
    world = World({**SEPA, "netting": netting})
    world.fund(FUNDED_MINOR)
    for number, minor in enumerate(payouts_minor):
        world.open_wallet(f"w{number}", minor if operation == "debit" else 0)
    world.run()
    for number, minor in enumerate(payouts_minor):
        world.payout(f"w{number}", minor, operation=operation, instrument_ref="iban")
        world.run()
    world.later(61)
    (batch,) = world.to_send()
    return world, batch


def told(world: World, batch: RailBatch, *parts: InstructionAnswer) -> None:
    world.answer(batch, "partially_settled", *parts)
    world.run()
    assert world.bugs == []
    assert world.position().funded_minor - FUNDED_MINOR == -world.balance_minor("system/rail:sepa")
    assert not world.ledger_events("request.rejected")


@pytest.mark.parametrize(("operation", "sign"), [("debit", 1), ("credit", -1)])
def test_what_a_rail_moves_beyond_the_amount_is_in_suspense(operation: str, sign: int) -> None:
    world, batch = sent(60, operation=operation)
    told(world, batch, settled(batch, settled_minor=260, fee_minor=3, rail_reference="R" * 300))
    assert set(world.transactions().values()) == {"settled"}
    assert world.balance_minor("system/suspense") == -sign * 200
    assert world.balance_minor("system/fees") == -3
    told(world, batch, settled(batch, settled_minor=260, fee_minor=3, rail_reference="R" * 300))
    assert world.balance_minor("system/suspense") == -sign * 200
    (record,) = world.batches().values()
    assert record.contradictions == 1
    told(world, batch, returned(batch, settled_minor=200))
    told(world, batch, returned(batch, settled_minor=60, rail_reference="B1"))
    assert world.balance_minor("system/rail:sepa") == 3


def test_what_is_beyond_several_payments_to_a_beneficiary_is_told_of_the_first() -> None:
    world, batch = sent(60, 40)
    told(world, batch, settled(batch, settled_minor=130))
    updates = [(update["wallet_id"], update.get("settled_minor")) for update in world.updates("settle")]
    assert sorted(updates, key=str) == [("w0", 30), ("w0", None), ("w1", None)]
    assert world.balance_minor("system/suspense") == -30


def test_the_rest_of_a_part_that_was_settled_is_told_of_those_that_had_failed() -> None:
    world, batch = sent(60, 40)
    told(world, batch, settled(batch, settled_minor=70))
    assert [update["wallet_id"] for update in world.updates("settle")] == ["w0", "w1"]
    told(world, batch, settled(batch, settled_minor=30, rail_reference="rest"))
    (event,) = world.ledger_events("transaction.contradicted")
    assert (event.wallet_id, event.amount_minor) == ("w1", 30)


def test_a_second_settlement_refuses_none_of_what_the_first_has_settled() -> None:
    world, batch = sent(60, 40)
    told(world, batch, settled(batch))
    told(world, batch, settled(batch, settled_minor=60, rail_reference="again"))
    assert world.updates("fail") == []
    told(world, batch, settled(batch, settled_minor=250, rail_reference="and again"))
    assert world.balance_minor("system/suspense") == -310
    assert set(world.transactions().values()) == {"settled"}


@pytest.mark.parametrize("operation", ["debit", "credit"])
def test_what_was_refused_and_comes_back_all_the_same_is_in_suspense(operation: str) -> None:
    world, batch = sent(60, operation=operation)
    told(world, batch, rejected(batch))
    told(world, batch, returned(batch, settled_minor=60))
    assert abs(world.balance_minor("system/suspense")) == 60
    told(world, batch, settled(batch))
    assert world.balance_minor("system/suspense") == 0
    assert world.balance_minor("system/rail:sepa") == 0
    assert set(world.transactions().values()) == {"failed"}
