"""Who is refused by a limit is told which one it is, whose, how much of it is used, and when it frees up."""

from __future__ import annotations

import json
from typing import Any

import pytest

from schemas.topics import TIERS
from tests.ledger.bank import Bank, limits
from tests.ledger.commands import command, credit, debit, operator, set_state
from tests.ledger.world import Json

#: What is agreed -> what 51 more is told of it where 20 have left already; the wallet holds 9,980 of 10,000.
TOLD: list[tuple[Json, Json]] = [
    ({"single_max_minor": 50}, {"name": "single_max_minor", "limit": 50, "used": 51}),
    ({"hour": {"sum_minor": 70}}, {"name": "hour.sum_minor", "limit": 70, "used": 20, "at": "2026-01-01T01:00"}),
    ({"day": {"count": 1}}, {"name": "day.count", "limit": 1, "used": 1, "at": "2026-01-02T00:00"}),
    ({"month": {"sum_minor": 70}}, {"name": "month.sum_minor", "limit": 70, "used": 20, "at": "2026-02-01T00:00"}),
    ({"balance_cap_minor": 10_030}, {"name": "balance_cap_minor", "limit": 10_030, "used": 9_980}),
]


def put_tier(bank: Bank, agreed: Json) -> None:
    tier: Json = {"name": "basic", "version": 3, "limits": {"EUR": agreed}}
    bank.world.machine.refer(TIERS, "basic", json.dumps(tier).encode())


@pytest.mark.parametrize("whose", ["the wallet's", "the tier's", "the wallet's, in a tier"])
@pytest.mark.parametrize(("agreed", "told"), TOLD, ids=[told["name"] for _, told in TOLD])
def test_it_is_told_which_limit_it_is_and_whose(agreed: Json, told: Json, whose: str) -> None:
    bank = Bank()
    is_tiers = whose == "the tier's"
    if whose != "the wallet's":
        put_tier(bank, agreed if is_tiers else {"day": {"count": 0}, "balance_cap_minor": 0})
        bank.ask(operator("set_tier", bank.anna, tier="basic"))
    if not is_tiers:
        bank.ask(limits(bank.anna, **{"day": {"count": 9}, "balance_cap_minor": 20_000, **agreed}))
    bank.ask(debit(bank.anna, 20))
    refused = bank.world.submit((credit if told["name"] == "balance_cap_minor" else debit)(bank.anna, 51))
    expected: Json = {key: value for key, value in told.items() if key != "at"}
    message = f"{told['name']} is {told['limit']}, used {told['used']}"
    if told["name"] == "balance_cap_minor":
        message = "balance_cap_minor is 10030, the wallet holds 9980"
    if "at" in told:
        expected["frees_up_at"] = f"{told['at']}:00.000Z"
        message += f"; it frees up at {expected['frees_up_at']}"
    if is_tiers:
        expected["tier"] = "basic@3"
    said = (refused["code"], refused["field"], refused["message"], refused["limit"])
    assert said == ("limit_exceeded", "amount_minor", message, expected)
    bank.audit()


def asking_to_leave(bank: Bank) -> list[Json]:
    money: Json = {"amount_minor": 1, "asset": "EUR"}
    leaving: dict[str, Any] = {
        "debit": {},
        "transfer": {"to_wallet_id": bank.carl},
        "authorize": {"expires_in_s": 9},
    }
    return [command(operation, bank.anna, **money, **fields) for operation, fields in leaving.items()]


def test_nothing_leaves_a_wallet_whose_tier_is_not_configured_any_more() -> None:
    bank = Bank()
    put_tier(bank, {})
    bank.ask(operator("set_tier", bank.anna, tier="basic"))
    bank.world.machine.refer(TIERS, "basic", None)
    for asked in asking_to_leave(bank):
        refused = bank.world.submit(asked)
        said = "the tier 'basic' is not configured: nothing leaves a wallet whose limits are not known"
        assert (refused["code"], refused["message"]) == ("limit_exceeded", said)
        assert "field" not in refused
        assert "limit" not in refused
    taken = bank.ask(credit(bank.anna, 1))
    (event,) = [one for one in bank.world.events if one.get("transaction_id") == taken]
    assert "tier" not in event
    put_tier(bank, {})
    for asked in asking_to_leave(bank):
        bank.ask(asked)
    bank.world.wait(9_000)
    bank.ask(credit(bank.anna, 1))
    bank.audit()


@pytest.mark.parametrize("has_limits", [False, True])
@pytest.mark.parametrize("rail", ["instant", "card", "sepa", "none"])
def test_what_its_state_forbids_is_refused_before_any_limit(rail: str, has_limits: bool) -> None:
    bank = Bank()
    if has_limits:
        bank.ask(limits(bank.anna, balance_cap_minor=0, single_max_minor=0))
    bank.ask(set_state(bank.anna, "disabled"))
    for asked in (credit, debit):
        bank.ask(asked(bank.anna, 1, rail=rail), "wallet_disabled")
    bank.audit()


@pytest.mark.parametrize("rail", ["instant", "card", "sepa", None])
def test_no_more_comes_than_the_cap(rail: str | None) -> None:
    """Over a rail, or as a reward."""
    bank = Bank()
    bank.ask(limits(bank.anna, balance_cap_minor=10_050))
    for minor, code in ((51, "limit_exceeded"), (50, "ok"), (1, "limit_exceeded")):
        reward = command("reward", bank.anna, amount_minor=minor, asset="EUR", code="x")
        bank.ask(reward if rail is None else credit(bank.anna, minor, rail=rail), code)
    bank.audit()
