"""What the ledger has forgotten it does not move on, and is not asked to."""

from __future__ import annotations

import pytest

from tests.ledger.bank import Bank
from tests.ledger.commands import command, operator, set_state, transfer
from tests.ledger.world import DAY_MS


@pytest.mark.parametrize(("is_refused", "state"), [(True, "settled"), (False, "reversed")])
def test_a_reversal_of_what_its_payer_has_forgotten(is_refused: bool, state: str) -> None:
    """A refund that was refused is in the payee's partition alone a change of what was paid."""
    bank = Bank()
    paid = bank.ask(transfer(bank.anna, bank.bert, 100))
    bank.world.wait(400 * DAY_MS)
    bank.ask(set_state(bank.anna, "disabled" if is_refused else "active"))
    bank.ask(command("refund", bank.bert, transaction_id=paid, amount_minor=40))
    bank.ask(set_state(bank.anna, "active"))
    bank.world.wait(300 * DAY_MS)
    bank.ask(operator("reverse", bank.bert, transaction_id=paid))
    assert bank.has() == 10_000
    states = [event["to_state"] for event in bank.world.events if event.get("transaction_id") == paid]
    assert states[-1] == "reversed", "in the payee's partition"
    own = [e["to_state"] for e in bank.world.events if e.get("transaction_id") == paid and "leg" not in e]
    assert own[-1] == state
    bank.audit()
