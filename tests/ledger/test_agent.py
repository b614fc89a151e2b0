"""The ledger as a role: the order of its inputs, and what each is guaranteed of a batch."""

from __future__ import annotations

from agents.ledger.agent import LEDGER
from schemas import topics
from tests.ledger.commands import credit, open_wallet
from tests.ledger.world import World


def test_inputs_are_taken_in_order_and_each_has_a_share() -> None:
    order = [
        topics.INTERNAL_COMMANDS,
        topics.SETTLEMENT_UPDATES,
        topics.OPERATOR_COMMANDS,
        topics.FRAUD_COMMANDS,
        topics.TRANSACTION_REQUESTS,
    ]
    assert list(LEDGER.inputs) == list(topics.INPUTS) == order
    assert all(share > 0 for share in LEDGER.inputs.values())
    assert sum(LEDGER.inputs.values()) <= 1
    assert LEDGER.owner_input == topics.TRANSACTION_REQUESTS


def test_one_turn_serves_all_records_of_a_state() -> None:
    world = World(1)
    state = world.shards[0].overlay
    assert world.submit(open_wallet("alice"))["code"] == "ok"
    turn = state.typed
    assert world.submit(credit("alice", 1))["code"] == "ok"
    assert turn is not None
    assert state.typed is turn
