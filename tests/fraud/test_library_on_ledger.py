"""Shipped rules beside the real ledger: they fire at what their text says, and not at what operators put right."""

from __future__ import annotations

import json

import pytest

from agents.fraud.turn import Limits
from ops.fraud.library.shipped import library
from schemas.reference import Reference
from schemas.topics import ASSETS, LEDGER_EVENTS
from tests.fraud.role import RoleWorld
from tests.ledger.commands import Json, command, credit, debit, open_wallet, operator, transfer
from tests.ledger.world import World

#: Those that look at what comes in and goes out of a party.
BY_PARTY = (
    *("chargeback-ratio", "deposit-quick-exit", "dormant-reactivation", "idle-then-active", "mule-ratio"),
    *("pass-through", "refund-abuse", "structuring", "structuring-sum", "uniform-amounts", "velocity-in"),
)


def alerts_of(ledger: World) -> set[tuple[str, str]]:
    """Rule and subject of what these rules say of all that the ledger has done."""
    rules = [library()[name].with_values({"state": "active"}) for name in BY_PARTY]
    written = [each.model_dump(mode="json", by_alias=True, exclude_unset=True) for each in rules]
    # One partition after the other, however far they are apart.
    role = RoleWorld(written, limits=Limits(partition_lag_ms=1 << 50))
    for shard in ledger.shards:
        for value in shard.log:
            role.send(LEDGER_EVENTS, shard.index, b"", value)
    role.run()
    assert not role.bugs
    return {(alert.rule_id, alert.subject) for alert in role.alerts().values()}


def done(ledger: World, asked: Json) -> Json:
    answer = ledger.submit(asked)
    assert answer["code"] == "ok", answer
    ledger.wait(1_000)
    return answer


def opened(ledger: World) -> tuple[str, str]:
    """A payer with money, and a payee of another partition."""
    payer, payee = ledger.name_in(0, "payer"), ledger.name_in(1, "payee")
    done(ledger, open_wallet(payer))
    done(ledger, open_wallet(payee))
    done(ledger, credit(payer, 10_000_000))
    ledger.wait(2 * 86_400_000)
    return payer, payee


@pytest.mark.parametrize("amount_minor", [60_000, 950_000])
def test_payments_that_operators_reverse_are_no_money_that_passes_through(amount_minor: int) -> None:
    """Nor do they come in: neither the payer nor the payee has done anything but pay and be paid."""
    ledger = World(2)
    payer, payee = opened(ledger)
    paid = [done(ledger, transfer(payer, payee, amount_minor))["transaction_id"] for _ in range(2)]
    before = alerts_of(ledger)
    for transaction_id in paid:
        done(ledger, operator("reverse", payee, transaction_id=transaction_id))
    done(ledger, transfer(payer, payee, amount_minor))
    done(ledger, transfer(payer, payee, 1_000))
    assert alerts_of(ledger) - before <= {("structuring", payee), ("structuring-sum", payee)}


def test_payments_that_are_paid_on_are() -> None:
    ledger = World(2)
    payer, payee = opened(ledger)
    done(ledger, transfer(payer, payee, 120_000))
    done(ledger, transfer(payee, payer, 118_000))
    assert {("pass-through", payee), ("deposit-quick-exit", payee)} <= alerts_of(ledger)


@pytest.mark.parametrize("paid_before", [True, False])
def test_a_wallet_sleeps_on_whatever_is_tried_charged_or_given(paid_before: bool) -> None:
    """Whoever has taken it over tries first what it yields; and fees are taken of those that sleep too."""
    points = json.dumps({"code": "POINTS", "exponent": 0, "kind": "points"}).encode()
    ledger = World(2, reference=Reference().with_record(ASSETS, "POINTS", points))
    sleeper, other = ledger.name_in(0, "sleeper"), ledger.name_in(1, "other")
    for name in (sleeper, other):
        done(ledger, open_wallet(name, "EUR", "POINTS"))
    if paid_before:
        done(ledger, credit(sleeper, 100_000))
    else:
        done(ledger, operator("adjust", sleeper, **_suspense(sleeper, 100_000)))
    for _ in range(7 if not paid_before else 4):
        ledger.wait(30 * 86_400_000)
        done(ledger, command("fee", sleeper, amount_minor=10, asset="EUR", code="monthly"))
        done(ledger, command("reward", sleeper, amount_minor=10, asset="POINTS", code="loyal"))
    assert ledger.submit(debit(sleeper, 900_000))["code"] == "insufficient_funds"
    ledger.wait(60_000)
    assert not alerts_of(ledger)
    done(ledger, transfer(sleeper, other, 90_000))
    done(ledger, transfer(sleeper, other, 5_000))
    found = alerts_of(ledger)
    assert ("dormant-reactivation" if paid_before else "idle-then-active", sleeper) in found
    assert {subject for _, subject in found} == {sleeper}


def test_a_wallet_that_is_used_does_not_sleep() -> None:
    ledger = World(2)
    payer, payee = opened(ledger)
    for _ in range(7):
        ledger.wait(30 * 86_400_000)
        done(ledger, transfer(payee, payer, 10_000) if ledger.now_ms % 2 else transfer(payer, payee, 10_000))
    done(ledger, transfer(payer, payee, 90_000))
    assert not {rule_id for rule_id, _ in alerts_of(ledger)} & {"dormant-reactivation", "idle-then-active"}


def _suspense(wallet_id: str, amount_minor: int) -> Json:
    """What an operator puts into a wallet."""
    accounts = {"from_account": "system/suspense", "to_account": f"{wallet_id}/main/available"}
    return {**accounts, "amount_minor": amount_minor, "asset": "EUR"}
