"""What is reversed stays so, whatever comes back of what had been given back of it before."""

from __future__ import annotations

import pytest

from tests.ledger.bank import Bank
from tests.ledger.commands import command, debit, operator
from tests.ledger.world import Json


@pytest.mark.parametrize("operation", ["debit", "capture"])
def test_a_return_of_what_is_reversed_leaves_it_so(operation: str) -> None:
    """A refund that its rail returns leaves something of the original again: that is no reason for it to be settled."""
    bank = Bank()
    if operation == "debit":
        paid = bank.ask(debit(bank.anna, 100, rail="card"))
    else:
        hold = bank.ask(command("authorize", bank.anna, amount_minor=100, asset="EUR", expires_in_s=60))
        paid = bank.on("capture", hold, rail="card")
    back = bank.on("refund", paid, amount_minor=60)
    signed: Json = operator("reverse", bank.anna, transaction_id=paid)
    bank.ask(signed)
    bank.on("return", back, rail_reference="r1", amount_minor=20, code="AC04")
    bank.on("return", paid, rail_reference="r2", amount_minor=5, code="AC04")
    bank.on("return", paid, rail_reference="r3", amount_minor=15, code="AC04")
    states = [e["to_state"] for e in bank.world.events if e.get("transaction_id") == paid and "to_state" in e]
    assert states == ["settled", "reversed", "reversed", "reversed"]
    assert (bank.has(), bank.of_system("rail:card")) == (10_000, 40)
    bank.on("return", paid, rail_reference="r4", amount_minor=1, code="AC04")
    assert (bank.has(), bank.of_system("suspense")) == (10_000, 1), "nothing more is left of it"
    bank.audit()
