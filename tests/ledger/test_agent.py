"""The ledger as a role: the order of its inputs, and what each is guaranteed of a batch."""

from __future__ import annotations

from agents.ledger.agent import LEDGER
from schemas import topics


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
