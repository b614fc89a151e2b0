"""Who gets what is refunded of a transfer, and what he says to it."""

from __future__ import annotations

import pytest

from schemas.money import INT64_MAX
from tests.ledger.audit import audit, audit_fold
from tests.ledger.bank import FEE, Bank, limits
from tests.ledger.commands import command, credit, operator, set_state, transfer
from tests.ledger.ward import quarantined
from tests.ledger.world import Json


@pytest.fixture
def bank() -> Bank:
    return Bank()


@pytest.mark.parametrize("payee", ["carl", "bert"])
def test_it_goes_back_to_the_sub_wallet_that_has_paid(bank: Bank, payee: str) -> None:
    """In the same partition, and from another one."""
    to = getattr(bank, payee)
    bank.ask(command("open_sub_wallet", bank.anna, sub_wallet="savings", kind="savings"))
    bank.ask(transfer(bank.anna, bank.anna, 100, to_sub_wallet="savings"))
    paid = bank.ask(transfer(bank.anna, to, 100, sub_wallet="savings"))
    bank.on("refund", paid, wallet_id=to, amount_minor=60)
    assert bank.world.balance(f"{bank.anna}/savings/available", "EUR") == 60
    bank.ask(operator("reverse", to, transaction_id=paid))
    assert bank.world.balance(f"{bank.anna}/savings/available", "EUR") == 100
    assert bank.has() == 9_900
    bank.audit()


@pytest.mark.parametrize("payee", ["carl", "bert"])
@pytest.mark.parametrize(("minor", "fee_minor"), [(100, 7), (50, 3), (10, 0)])
def test_what_comes_back_of_the_fee_is_said_where_it_arrives(payee: str, minor: int, fee_minor: int) -> None:
    bank = Bank(FEE | {"name": "transfer-eur", "operation": "transfer"})
    to = getattr(bank, payee)
    paid = bank.ask(transfer(bank.anna, to, 100))
    refund = bank.on("refund", paid, wallet_id=to, amount_minor=minor)
    said: list[Json] = [event for event in bank.world.events if event.get("transaction_id") == refund]
    assert bank.has() == 10_000 - 107 + minor + fee_minor
    received = said[0] if payee == "carl" else said[1]
    assert received["type"] == ("transaction.settled" if payee == "carl" else "transfer.received")
    assert received.get("fee_returned_minor", 0) == fee_minor
    bank.audit()


@pytest.mark.parametrize("verb", ["refund", "reverse"])
@pytest.mark.parametrize("payee", ["carl", "bert"])
def test_no_cap_refuses_what_comes_back(bank: Bank, payee: str, verb: str) -> None:
    to = getattr(bank, payee)
    paid = bank.ask(transfer(bank.anna, to, 100))
    bank.ask(limits(bank.anna, balance_cap_minor=9_900))
    bank.ask(credit(bank.anna, 1), "limit_exceeded")
    make = operator if verb == "reverse" else command
    bank.ask(make(verb, to, transaction_id=paid))
    assert (bank.has(), bank.has(wallet_id=to)) == (10_000, 0)
    bank.audit()


def test_a_payer_in_the_same_partition_who_cannot_take_it_says_why(bank: Bank) -> None:
    paid = bank.ask(transfer(bank.anna, bank.carl, 100))
    bank.ask(set_state(bank.anna, "disabled"))
    asked = command("refund", bank.carl, transaction_id=paid)
    answer = bank.world.submit(asked)
    said = (answer["code"], answer["state"], answer["message"])
    assert said == ("payee_refused", "failed", "the payee's wallet answered wallet_disabled")
    bank.audit()


def test_one_that_fails_is_of_the_sub_wallet_that_has_the_money(bank: Bank) -> None:
    bank.ask(command("open_sub_wallet", bank.carl, sub_wallet="savings", kind="savings"))
    paid = bank.ask(transfer(bank.anna, bank.carl, 100, to_sub_wallet="savings"))
    bank.ask(set_state(bank.anna, "disabled"))
    bank.on("refund", paid, "payee_refused", wallet_id=bank.carl)
    failed = [event for event in bank.world.events if event["type"] == "transaction.failed"]
    assert [(event["operation"], event["sub_wallet"]) for event in failed] == [("refund", "savings")]
    bank.audit()


def test_more_on_its_way_than_the_books_can_hold_is_out_of_range(bank: Bank) -> None:
    bank.ask(credit(bank.bert, 100))
    paid = bank.ask(transfer(bank.bert, bank.carl, 100))
    bank.ask(credit(bank.anna, INT64_MAX - 10_000, rail="card"))
    bank.ask(credit(bank.carl, 1))
    # What came in has left 100 of room more than there is of int64.
    for asked in (transfer(bank.anna, bank.bert, INT64_MAX), transfer(bank.carl, bank.bert, 1)):
        bank.world.put(asked)
    at = bank.world.put(command("refund", bank.carl, transaction_id=paid))
    bank.world.decide(0)
    assert bank.world.answer(at)["code"] == "amount_out_of_range"
    bank.world.settle()
    assert (bank.has(), bank.has(wallet_id=bank.bert), bank.has(wallet_id=bank.carl)) == (0, INT64_MAX, 101)
    bank.audit()


def test_a_payer_under_quarantine_gets_no_refund_but_what_operators_reverse(bank: Bank) -> None:
    paid = bank.ask(transfer(bank.anna, bank.carl, 100))
    quarantined(bank.world, bank.anna)
    answer = bank.world.submit(command("refund", bank.carl, transaction_id=paid))
    said = (answer["code"], answer["state"], answer["message"])
    assert said == ("payee_refused", "failed", "the payee's wallet answered wallet_quarantined")
    assert bank.has(wallet_id=bank.carl) == 100
    bank.ask(operator("reverse", bank.carl, transaction_id=paid))
    assert (bank.has(), bank.has(wallet_id=bank.carl)) == (10_000, 0)
    audit(bank.world, bugs=1)
    audit_fold(bank.world)
    bank.world.verify()
