"""Sums of more than 64 bits: amounts have 64, and a dozen of an asset with 18 decimals come to more together."""

from __future__ import annotations

from typing import Any

import pytest

from schemas.money import INT64_MAX
from tests.settlement.world import SEPA, World, settled

LARGE_MINOR = INT64_MAX // 2
WALLETS = 40


def world_of(operation: str, **terms: Any) -> World:
    """Payouts of many wallets, in more partitions than two: a rail's account has 64 bits in each."""
    rail = {**SEPA, "prefunded": False, "batches": {"max_transactions": 50, "max_age_s": 60}, **terms}
    world = World(rail, partitions=8)
    for number in range(WALLETS):
        world.open_wallet(f"w{number}", LARGE_MINOR if operation == "debit" else 0)
    world.run()
    for number in range(WALLETS):
        world.payout(f"w{number}", LARGE_MINOR, operation=operation, instrument_ref="iban")
    world.run()
    return world


@pytest.mark.parametrize("operation", ["credit", "debit"])
def test_batches_and_positions_of_more_than_64_bits_are_kept_as_all_others(operation: str) -> None:
    """What a partition cannot store it would read again for ever, and no rail in it would be settled any more."""
    world = world_of(operation)
    processed = len(world.transactions())
    assert processed * LARGE_MINOR > 2**64
    world.later(61)
    (batch,) = world.to_send()
    assert batch.amount_minor == processed * LARGE_MINOR
    world.answer(batch, "settled")
    world.run()
    assert set(world.transactions().values()) == {"settled"}
    sign = -1 if operation == "debit" else 1
    assert world.position().funded_minor == sign * batch.amount_minor
    assert (world.position().committed_minor, world.position().incoming_minor) == (0, 0)
    assert world.bugs == []
    for partition in world.settlement:
        partition.restart()


def test_what_waits_may_come_to_more_than_64_bits() -> None:
    world = world_of("debit", prefunded=True)
    assert world.position().waiting_minor > 2**64
    world.change_rail({**SEPA, "prefunded": False})
    world.run()
    assert world.position().waiting == 0
    assert world.bugs == []


def test_payments_of_a_beneficiary_are_netted_as_far_as_an_amount_has_64_bits() -> None:
    """No rail is given, and no ledger takes, an amount of more."""
    world = world_of("debit", netting="beneficiary")
    world.later(61)
    (batch,) = world.to_send()
    assert {one.amount_minor for one in batch.instructions} == {2 * LARGE_MINOR}
    assert sum(len(one.transaction_ids) for one in batch.instructions) == len(world.transactions())
    parts = [
        settled(batch, number, settled_minor=one.amount_minor, rail_reference=f"R{number}")
        for number, one in enumerate(batch.instructions)
    ]
    world.answer(batch, "partially_settled", *parts)
    world.run()
    assert world.batches()[batch.batch_id].state == "settled"
    assert set(world.transactions().values()) == {"settled"}
    assert world.bugs == []
