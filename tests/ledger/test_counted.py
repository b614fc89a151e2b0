"""What acts on a transaction is counted on it while it lasts, and nothing that it has not done."""

from __future__ import annotations

import pytest

from agents.ledger.state import LedgerState
from agents.ledger.transaction import Counter, Transaction
from schemas.events import LedgerEvent, RailFacts, WalletFacts
from tests.ledger.folding import AT_MS, empty_state, event, fold


@pytest.fixture
def state() -> LedgerState:
    """A wallet `w` with a settled debit `x` of 100, of which the refund `y` has given back 30."""
    state = empty_state()
    fold(state, event("wallet.opened", wallet=WalletFacts(owner_ref="o", assets=("EUR",), state="active")))
    fold(state, event(operation="debit", to_state="settled", amount_minor=100, asset="EUR", rail="sepa"))
    fold(state, refund("transaction.settled", to_state="settled", amount_minor=30))
    return state


def refund(type_: str, **fields: object) -> LedgerEvent:
    """An event of the refund `y` of `x`."""
    acts = {"transaction_id": "y", "operation": "refund", "parent_transaction_id": "x", "asset": "EUR", "rail": "sepa"}
    return event(type_, **acts, **fields)


def debit_in(state: LedgerState) -> Transaction:
    """The debit as it is kept."""
    found = state.transaction("x", AT_MS)
    assert found is not None
    return found


def test_a_refund_that_its_rail_returns_is_refunded_no_more(state: LedgerState) -> None:
    facts = RailFacts(rail_reference="back", returned_minor=30)
    moved = {"from_state": "settled", "to_state": "reversed", "command": "return"}
    assert debit_in(state).counter == Counter(100, refunded_minor=30)
    fold(state, refund("transaction.returned", rail_facts=facts, **moved))
    assert debit_in(state).counter == Counter(100)
    assert debit_in(state).open_children == 0


def test_a_refund_that_its_rail_contradicts_counts_as_before(state: LedgerState) -> None:
    facts = RailFacts(rail_reference="there")
    fold(state, refund("transaction.contradicted", to_state="settled", command="settle", rail_facts=facts))
    assert debit_in(state).counter == Counter(100, refunded_minor=30)
    assert debit_in(state).open_children == 0


def test_what_is_left_is_what_was_settled_less_all_that_was_taken_back_or_is_contested() -> None:
    assert Counter(100, 1, 2, 4, 8, 16).remaining_minor == 69
