"""Shipped rules beside the real ledger: they fire at what their text says, and not at what operators put right."""

from __future__ import annotations

import pytest

from ops.fraud.library.shipped import library
from schemas.topics import LEDGER_EVENTS
from tests.fraud.role import RoleWorld
from tests.ledger.commands import Json, credit, open_wallet, operator, transfer
from tests.ledger.world import World

#: Those that look at what comes in and goes out of a party.
BY_PARTY = (
    *("chargeback-ratio", "deposit-quick-exit", "dormant-reactivation", "idle-then-active", "mule-ratio"),
    *("pass-through", "refund-abuse", "structuring", "structuring-sum", "uniform-amounts", "velocity-in"),
)


def alerts_of(ledger: World) -> set[tuple[str, str]]:
    """Rule and subject of what these rules say of all that the ledger has done."""
    rules = [library()[name].with_values({"state": "active"}) for name in BY_PARTY]
    role = RoleWorld([each.model_dump(mode="json", by_alias=True, exclude_unset=True) for each in rules])
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
