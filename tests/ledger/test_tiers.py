"""Events name the version of the tier whose limits were seen to."""

from __future__ import annotations

import json

import pytest

from schemas.clock import rfc3339
from schemas.topics import TIERS
from tests.ledger.bank import Bank
from tests.ledger.commands import command, credit, debit, fraud, operator, transfer
from tests.ledger.world import Json


def put_tier(bank: Bank, version: int) -> None:
    tier: Json = {"name": "basic", "version": version, "limits": {"EUR": {"day": {"sum_minor": 10_000}}}}
    bank.world.machine.refer(TIERS, "basic", json.dumps(tier).encode())


@pytest.fixture
def bank() -> Bank:
    """Anna is in a tier."""
    bank = Bank()
    put_tier(bank, 1)
    bank.ask(operator("set_tier", bank.anna, tier="basic"))
    return bank


def named(bank: Bank, transaction_id: str) -> list[tuple[str, str | None]]:
    """Type and tier of each event of a transaction."""
    events = [event for event in bank.world.events if event.get("transaction_id") == transaction_id]
    return [(event["type"], event.get("tier")) for event in events]


def test_what_was_let_go_by_a_tier_names_its_version(bank: Bank) -> None:
    money: Json = {"amount_minor": 10, "asset": "EUR"}
    asked = [
        *(credit(bank.anna, 10), debit(bank.anna, 10), transfer(bank.anna, bank.carl, 10)),
        *(command("convert", bank.anna, **money, to_asset="USD"), command("reward", bank.anna, **money, code="x")),
    ]
    assert [named(bank, bank.ask(one)) for one in asked] == [[("transaction.settled", "basic@1")]] * len(asked)
    put_tier(bank, 2)
    assert named(bank, bank.ask(debit(bank.anna, 10, rail="sepa"))) == [("transaction.processed", "basic@2")]
    assert named(bank, bank.ask(command("authorize", bank.anna, **money, expires_in_s=9))) == [
        ("transaction.processed", "basic@2")
    ]
    assert named(bank, bank.ask(debit(bank.carl, 10))) == [("transaction.settled", None)]
    assert named(bank, bank.ask(command("fee", bank.anna, **money, code="x"))) == [("transaction.settled", None)]
    bank.audit()


def test_items_and_what_waits_name_the_version_of_their_time(bank: Bank) -> None:
    batch = bank.ask(command("batch", bank.anna, items=[{"operation": "debit", "amount_minor": 5, "asset": "EUR"}]))
    items = [event for event in bank.world.events if event.get("parent_transaction_id") == batch]
    assert [event.get("tier") for event in items] == ["basic@1"]
    screened = bank.ask(debit(bank.anna, 10, rail="wire"))
    later = bank.ask(debit(bank.anna, 10, execute_at=rfc3339(bank.world.now_ms + 9_000)))
    put_tier(bank, 2)
    bank.ask(fraud("screening_verdict", bank.anna, transaction_id=screened, verdict="allow"))
    bank.world.wait(9_000)
    bank.ask(credit(bank.anna, 1))
    kinds = ("initiated", "screened", "processed")
    assert named(bank, screened) == [
        (f"transaction.{kind}", tier) for kind, tier in zip(kinds, ("basic@1", None, "basic@2"), strict=True)
    ]
    assert named(bank, later) == [("transaction.initiated", None), ("transaction.settled", "basic@2")]


def test_a_leg_names_the_tier_of_its_payee_and_what_is_given_back_none(bank: Bank) -> None:
    bank.ask(credit(bank.bert, 100))
    paid = bank.ask(transfer(bank.bert, bank.anna, 50))
    assert named(bank, paid) == [
        ("transaction.processed", None),
        ("transfer.received", "basic@1"),
        ("transaction.settled", None),
    ]
    sent = bank.ask(transfer(bank.anna, bank.bert, 50))
    refund = bank.on("refund", sent, wallet_id=bank.bert)
    assert [tier for _, tier in named(bank, refund)] == [None] * 3
    bank.audit()


@pytest.mark.parametrize(("amount_minor", "tier"), [(40, None), (50, "basic@1")])
def test_a_capture_names_the_tier_where_it_takes_more_than_was_held(
    bank: Bank, amount_minor: int, tier: str | None
) -> None:
    bank.ask(operator("set_limits", bank.anna, limits={}, over_capture_bps=5_000))
    hold = bank.ask(command("authorize", bank.anna, amount_minor=40, asset="EUR", expires_in_s=60))
    taken = bank.on("capture", hold, amount_minor=amount_minor)
    assert named(bank, taken) == [("transaction.settled", tier)]
    bank.audit()
