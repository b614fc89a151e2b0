"""Requesters are told what a rail has said of their transaction, and not only that it is over."""

from __future__ import annotations

import pytest

from tests.ledger.bank import Bank
from tests.ledger.commands import command


@pytest.mark.parametrize("operation", ["credit", "debit"])
def test_why_a_rail_has_refused_it(operation: str) -> None:
    bank = Bank()
    moved = bank.ask(command(operation, bank.anna, amount_minor=100, asset="EUR", rail="sepa"))
    answer = bank.world.submit(command("fail", bank.anna, transaction_id=moved, code="AC04"))
    (update,) = bank.world.updates(moved)
    for told in (answer, update):
        assert (told["state"], told["message"]) == ("failed", "refused by the rail: AC04")
    bank.audit()


@pytest.mark.parametrize("operation", ["credit", "debit"])
def test_how_much_a_rail_has_settled(operation: str) -> None:
    bank = Bank()
    moved = bank.ask(command(operation, bank.anna, amount_minor=100, asset="EUR", rail="sepa"))
    bank.on("settle", moved, rail_reference="R1", settled_minor=60)
    (update,) = bank.world.updates(moved)
    assert (update["state"], update["message"]) == ("settled", "the rail has settled 60 of 100")
    bank.audit()


def test_all_of_it_needs_no_words() -> None:
    bank = Bank()
    moved = bank.ask(command("debit", bank.anna, amount_minor=100, asset="EUR", rail="sepa"))
    bank.on("settle", moved, rail_reference="R1", settled_minor=100)
    (update,) = bank.world.updates(moved)
    assert "message" not in update


def test_that_it_has_failed_before() -> None:
    bank = Bank()
    paid = bank.payout(has_failed=True)
    answer = bank.world.submit(command("fail", bank.anna, transaction_id=paid, code="AC06"))
    said = (answer["code"], answer["state"], answer["transaction_id"], answer["message"])
    assert said == ("ok", "failed", paid, "it has failed before")
    assert bank.has() == 10_000
    bank.audit()


def test_what_has_failed_is_told_to_nobody_else() -> None:
    bank = Bank()
    paid = bank.payout(has_failed=True)
    bank.on("fail", paid, "transaction_not_found", wallet_id=bank.carl, code="AC04")
    bank.on("fail", paid, "malformed", sub_wallet="savings", code="AC04")
    bank.audit()
