"""Rewards, batches, schedules and agreements: honest ones are found whole, and whatever is forged is found."""

from __future__ import annotations

from typing import Any

import pytest

from ops.verify.findings import Check
from schemas.topics import OPERATOR_COMMANDS
from tests.ops.verify.agreed_traffic import AgreedTraffic
from tests.ops.verify.agreement_cases import AGREEMENT_CASES, DUE, EXPIRED, ITEM, spent_first, swapped
from tests.ops.verify.agreements import agreements
from tests.ops.verify.forger import make_fit
from tests.ops.verify.frauds import edit_event
from tests.ops.verify.honest import Ledger
from tests.ops.verify.operation_cases import more
from tests.ops.verify.story import HERE, audit
from tests.ops.verify.tamper import Tamper

#: What is not the item that must follow is left out, unfounded, and acts on nothing.
_WRONG_ITEM = (Check.MOVE_MISSING, Check.MOVE_UNFOUNDED, Check.ORIGINAL_WRONG)


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
        (more({**ITEM, "amount_minor": 21}, 2), dict.fromkeys(_WRONG_ITEM, 1)),
        (swapped(*DUE), {Check.EXPIRY_WRONG: 2}),
    ],
    ids=["later before sooner", "nothing expires", "an item of twice its amount", "the later one first"],
)
def test_is_the_one_thing_found(tamper: Tamper, found: dict[Check, int]) -> None:
    """Even where all balances and answers are made to fit."""
    ledger = agreements()
    tamper(ledger)
    make_fit(ledger)
    assert dict(audit(ledger).counts) == found


def test_an_escrow_has_no_credit() -> None:
    ledger, (payer, payee, *_) = Ledger(2), HERE
    for wallet in (payer, payee):
        ledger.send(operation="open_wallet", wallet_id=wallet, owner_ref="o", assets=["EUR"])
    ledger.send(operation="open_sub_wallet", wallet_id=payer, sub_wallet="deposit", kind="savings")
    ledger.run()
    signed: dict[str, Any] = {"requested_by": "o", "approved_by": "p", "reason_code": "x"}
    agreed = {"EUR": {"credit_limit_minor": 50}}
    ledger.send(OPERATOR_COMMANDS, operation="set_limits", wallet_id=payer, limits=agreed, **signed)
    ledger.run()
    money: dict[str, Any] = {"amount_minor": 30, "asset": "EUR", "to_wallet_id": payee}
    ledger.send(operation="transfer", wallet_id=payer, sub_wallet="deposit", **money)
    ledger.run()
    assert audit(ledger).counts == {}
    kept = {"sub_wallet": "deposit", "sub_wallet_kind": "escrow", "payee_wallet_id": payee}
    edit_event({"type": "wallet.sub_wallet_opened"}, wallet=kept)(ledger)
    assert Check.NEGATIVE_BALANCE in audit(ledger).counts
