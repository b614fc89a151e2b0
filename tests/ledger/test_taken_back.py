"""What is taken back of a refund that comes to nothing, and when it is too late to ask for that."""

from __future__ import annotations

from typing import Any

import pytest

from tests.ledger.bank import FEE, Bank, limits
from tests.ledger.commands import command, debit
from tests.ledger.world import Json

ENDS: list[tuple[str, Json]] = [("cancel", {}), ("fail", {"code": "AC04"})]


@pytest.mark.parametrize(("credit_minor", "is_forced"), [(6, True), (7, False)])
@pytest.mark.parametrize(("verb", "fields"), ENDS)
def test_a_fee_that_was_given_back_is_taken_again_whatever_the_wallet_has(
    verb: str, fields: dict[str, Any], credit_minor: int, is_forced: bool
) -> None:
    bank = Bank(FEE)
    bank.ask(limits(bank.anna, credit_limit_minor=credit_minor))
    bank.ask(command("open_sub_wallet", bank.anna, sub_wallet="savings", kind="savings"))
    paid = bank.ask(debit(bank.anna, 100, rail="sepa"))
    bank.on("settle", paid, rail_reference="there")
    back = bank.on("refund", paid)
    # With the fee on it all that there is, the 7 that came back among it.
    bank.ask(debit(bank.anna, 9_252))
    assert bank.has() == 10_000 - 100 - 9_252 - 647
    bank.ask(command("fee", bank.anna, amount_minor=1, asset="EUR", code="x"))
    bank.on(verb, back, **fields)
    ended = bank.world.events[-2]
    assert (ended["transaction_id"], ended.get("forced", False)) == (back, is_forced)
    assert bank.has() == -7
    bank.audit()


def test_what_is_too_late_to_cancel_says_why() -> None:
    bank = Bank()
    submitted = bank.ask(debit(bank.anna, 1, rail="sepa"))
    bank.on("submit", submitted, batch_id="b1")
    captured = bank.ask(command("authorize", bank.anna, amount_minor=2, asset="EUR", expires_in_s=9))
    bank.on("capture", captured, amount_minor=1)
    held = bank.ask(command("authorize", bank.anna, amount_minor=3, asset="EUR", expires_in_s=9))
    at = bank.world.put(command("capture", bank.anna, transaction_id=held, to_wallet_id=bank.bert))
    bank.world.decide(0)
    sent = str(bank.world.answer(at)["transaction_id"])
    why = {
        submitted: "it was submitted to its rail in batch b1",
        captured: "something of it was captured; release what is left",
        sent: "the money is on its way to the payee's partition",
    }
    for transaction_id, reason in why.items():
        at = bank.world.put(command("cancel", bank.anna, transaction_id=transaction_id))
        bank.world.decide(0)
        answer = bank.world.answer(at)
        assert (answer["code"], answer["field"]) == ("illegal_transition", "transaction_id")
        assert answer["message"] == f"cancel is not possible: {reason}"
    bank.world.settle()
    bank.audit()
