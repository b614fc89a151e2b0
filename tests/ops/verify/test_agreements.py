"""Rewards, batches, schedules and agreements: honest ones are found whole, and whatever is forged is found."""

from __future__ import annotations

import pytest

from ops.verify.credit import Agreements
from ops.verify.findings import Check
from ops.verify.lots import Lot, Spending
from schemas.events import AssetTerms, LedgerEvent, WalletFacts
from tests.ops.verify.agreed_traffic import AgreedTraffic
from tests.ops.verify.agreement_cases import AGREEMENT_CASES, EXPIRED, ITEM, spent_first
from tests.ops.verify.agreements import agreements
from tests.ops.verify.forger import make_fit
from tests.ops.verify.frauds import edit_event
from tests.ops.verify.operation_cases import more
from tests.ops.verify.story import audit
from tests.ops.verify.tamper import Tamper


@pytest.mark.parametrize("chunk", [1, 7, 10_000])
def test_what_is_agreed_holds(chunk: int) -> None:
    report = audit(agreements(), chunk=chunk)
    assert report.counts == {}, report.findings
    assert report.is_idle


@pytest.mark.parametrize("seed", range(6))
def test_random_traffic_of_all_this_holds(seed: int) -> None:
    report = audit(AgreedTraffic(seed).run(400), chunk=50)
    assert report.counts == {}, report.findings
    assert report.events > 300


@pytest.mark.parametrize(
    ("check", "tamper"), [case[1:] for case in AGREEMENT_CASES], ids=[case[0] for case in AGREEMENT_CASES]
)
def test_is_found(check: Check, tamper: Tamper) -> None:
    ledger = agreements()
    tamper(ledger)
    assert check in audit(ledger, chunk=10_000).counts


@pytest.mark.parametrize(
    ("tamper", "found"),
    [
        (spent_first, {Check.WRONG_POSTING: 1}),
        (edit_event(EXPIRED, entries=None), {Check.WRONG_POSTING: 1}),
        (more({**ITEM, "amount_minor": 21}, 2), {Check.BATCH_WRONG: 1}),
    ],
    ids=["later before sooner", "nothing expires", "an item of twice its amount"],
)
def test_is_the_one_thing_found(tamper: Tamper, found: dict[Check, int]) -> None:
    """Even where all balances and answers are made to fit."""
    ledger = agreements()
    tamper(ledger)
    make_fit(ledger)
    assert dict(audit(ledger).counts) == found


def test_rewards_come_back_behind_all_else_the_latest_first() -> None:
    spending = Spending((Lot(1, "a", 10), Lot(2, "b", 20)), 50)
    assert list(spending.give_back(15)) == []
    assert list(spending.give_back(10)) == [Lot(2, "b", 5)]
    assert list(spending.give_back(17)) == [Lot(2, "b", 15), Lot(1, "a", 2)]
    assert list(spending.give_back(8)) == [Lot(1, "a", 8)]
    assert list(spending.give_back(9)) == []


def test_credit_is_of_what_is_available_and_not_of_adjustments() -> None:
    agreed = Agreements()
    agreed.agree("w", WalletFacts(limits={"EUR": AssetTerms(credit_limit_minor=50)}))
    debit, adjust = (LedgerEvent(type="t", operation=name, recorded_at="2026") for name in ("debit", "adjust"))
    assert agreed.lowest_minor("w/main/available", "EUR", debit) == -50
    assert agreed.lowest_minor("w/main/held", "EUR", debit) == 0
    assert agreed.lowest_minor("w/main/available", "USD", debit) == 0
    assert agreed.lowest_minor("v/main/available", "EUR", debit) == 0
    assert agreed.lowest_minor("w/main/available", "EUR", adjust) == 0
