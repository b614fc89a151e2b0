"""Returns of rails, and reversals that operators prove by them: what a rail has done is booked once."""

from __future__ import annotations

import pytest

from schemas.topics import LEDGER_EVENTS
from tests.ledger.bank import Bank
from tests.ledger.commands import command, operator


@pytest.mark.parametrize("operation", ["credit", "debit"])
def test_a_return_that_is_booked_proves_no_reversal_of_the_rest(operation: str) -> None:
    bank = Bank()
    moved = bank.ask(command(operation, bank.anna, amount_minor=100, asset="EUR", rail="card"))
    bank.on("return", moved, amount_minor=40, rail_reference="back", code="x")
    refused = operator("reverse", bank.anna, transaction_id=moved, rail_reference="back", approved_by="olga")
    answer = bank.world.submit(refused)
    assert (answer["code"], answer["field"]) == ("illegal_transition", "rail_reference")
    assert abs(bank.of_system("rail:card")) == 60
    bank.ask(operator("reverse", bank.anna, transaction_id=moved, rail_reference="another"))
    assert (bank.of_system("rail:card"), bank.has()) == (0, 10_000)
    bank.audit()


def test_the_auditor_finds_a_reversal_that_a_booked_return_proves() -> None:
    bank = Bank()
    moved = bank.ask(command("debit", bank.anna, amount_minor=100, asset="EUR", rail="card"))
    bank.on("return", moved, amount_minor=40, rail_reference="back", code="x")
    bank.ask(operator("reverse", bank.anna, transaction_id=moved, rail_reference="another"))
    log = bank.world.written[LEDGER_EVENTS, 0]
    log[:] = [one._replace(value=(one.value or b"").replace(b'"another"', b'"back"')) for one in log]
    with pytest.raises(AssertionError, match="reference_twice"):
        bank.world.verify()
