"""A short log with an event of every type, and every field that events have somewhere in it."""

from __future__ import annotations

from functools import cache
from typing import Any
from unittest.mock import patch

import orjson

from agents.ledger.operations import release_quarantine
from schemas import topics
from schemas.clock import rfc3339
from schemas.rails import INSTANT, Rail
from schemas.reference import Reference
from tests.ops.verify.honest import START_MS, Ledger
from tests.ops.verify.operations import ALICE, BOB, EUR, SEPA
from tests.ops.verify.story import PARTITIONS, UNLUCKY_MINOR, UnluckyMachine, copied
from tests.ops.verify.teller import Teller

_DAY_MS = 86_400_000
_WIRE = Rail(name="wire", settlement="deferred", screening=True, screening_deadline_s=60, screening_silence="review")
#: What a requester says beside a command.
_SAID: dict[str, Any] = {
    "occurred_at": "2026-11-23T04:00:00.000Z",
    "device": {"ip": "::1"},
    "references": {"merchant": "m1", "order": "o1"},
    "metadata": {"colour": "red"},
    "request_id": "r-1",
}


def _reference() -> Reference:
    rate = {"rate_id": "r1", "base": "EUR", "quote": "USD", "bid": "1.0837", "ask": "1.0913", "source": "desk"}
    rate |= {"valid_from": rfc3339(START_MS - _DAY_MS), "valid_until": rfc3339(START_MS + 400 * _DAY_MS)}
    fee = {"name": "t", "version": 1, "operation": "transfer", "asset": "EUR", "refundable": True}
    fee |= {"tiers": [{"flat_minor": 7, "basis_points": 0}]}
    tier = {"name": "basic", "version": 3, "limits": {"EUR": {"single_max_minor": 100_000}}}
    rails = {rail.name: rail for rail in (INSTANT, Rail(name="sepa", settlement="deferred"), _WIRE)}
    reference = Reference(rails=rails).with_record(topics.FX_RATES, "r1", orjson.dumps(rate))
    reference = reference.with_record(topics.FEE_SCHEDULES, "t", orjson.dumps(fee))
    return reference.with_record(topics.TIERS, "basic", orjson.dumps(tier))


def _told() -> Ledger:
    do = Teller(Ledger(PARTITIONS, UnluckyMachine(_reference())))
    _wallets(do)
    _payments(do)
    _over_a_rail(do)
    _by_time(do)
    _under_quarantine(do)
    return do.ledger


def _wallets(do: Teller) -> None:
    for wallet in (ALICE, BOB):
        do("open_wallet", wallet, owner_ref="o", assets=["EUR", "JPY"], **_SAID)
        do("credit", wallet, amount_minor=9_000, **EUR, **_SAID)
    do("enable_asset", ALICE, asset="USD")
    do("open_sub_wallet", ALICE, sub_wallet="kept", kind="escrow", payee_wallet_id=BOB)
    window: dict[str, Any] = {"count": 90, "sum_minor": 9_000}
    terms: dict[str, Any] = dict.fromkeys(("day", "month"), window)
    terms |= {
        "hour": {"count": 90, "sum_minor": 4_000},
        "single_max_minor": 8_000,
        "balance_cap_minor": 90_000,
        "credit_limit_minor": 50,
    }
    do("set_limits", ALICE, limits={"EUR": terms}, over_capture_bps=1_500, refunds_below_zero=True)
    do("set_tier", BOB, tier="basic")
    do("require_step_up", BOB, rule_ids=["velocity-out"])
    do("lock", BOB, rule_ids=["velocity-out"])
    do("set_wallet_state", BOB, state="active")


def _payments(do: Teller) -> None:
    for amount_minor in (10, 4_500):
        do("debit", ALICE, amount_minor=amount_minor, **EUR, **_SAID)
    do("debit", ALICE, amount_minor=100, **SEPA, occurred_at="yesterday")
    do("debit", BOB, amount_minor=100_001, **EUR)
    do("convert", ALICE, amount_minor=500, to_asset="USD", **EUR)
    moved = do("transfer", ALICE, amount_minor=997, to_wallet_id=BOB, to_sub_wallet="main", **EUR, **_SAID)
    do("refund", BOB, moved, amount_minor=497, partition=0)
    do("transfer", ALICE, amount_minor=12, to_wallet_id=BOB, to_sub_wallet="gone", **EUR)
    hold = do("authorize", ALICE, amount_minor=60, expires_in_s=3_600, **EUR)
    do("capture", ALICE, hold, amount_minor=25)
    do("release", ALICE, hold)
    for _ in range(2):
        do("batch", BOB, items=[{"operation": "credit", "amount_minor": 5, **EUR}], idempotency_key="b")
    won = do("dispute", BOB, do("credit", BOB, amount_minor=70, **EUR), amount_minor=20, reason="fraud")
    do("resolve_dispute", BOB, won, won=False)
    do("reverse", ALICE, do("credit", ALICE, amount_minor=30, **EUR), rail_reference="r7")
    do("adjust", ALICE, amount_minor=5, from_account="system/suspense", to_account=f"{ALICE}/main/available", **EUR)


def _over_a_rail(do: Teller) -> None:
    paid, failed, canceled = (do("debit", ALICE, amount_minor=20, **SEPA) for _ in range(3))
    do("submit", ALICE, paid, batch_id="b1")
    said: dict[str, Any] = {"settled_minor": 15, "rail_fee_minor": 2, "value_date": "2026-01-02"}
    for reference in ("r1", "r1", "r2"):
        do("settle", ALICE, paid, rail_reference=reference, **said)
    do("return", ALICE, paid, amount_minor=4, rail_reference="r3", code="MD06")
    do("fail", ALICE, failed, code="AC04")
    do("cancel", ALICE, canceled)
    returned = do("credit", BOB, amount_minor=8_000, **EUR)
    do("debit", BOB, amount_minor=15_000, **EUR)
    do("return", BOB, returned, amount_minor=8_000, rail_reference="r1", code="MD06")
    do("credit", BOB, amount_minor=9_000, **EUR)


def _by_time(do: Teller) -> None:
    judged = do("debit", ALICE, amount_minor=60, rail="wire", **EUR)
    do("screening_verdict", ALICE, judged, verdict="allow", rule_ids=["x"])
    do("debit", ALICE, amount_minor=61, rail="wire", **EUR)
    do("reward", ALICE, amount_minor=9, code="spring", expires_in_s=600, **EUR)
    do("debit", ALICE, amount_minor=3, execute_at=rfc3339(do.ledger.now_ms + 61_000), **EUR, **_SAID)
    for wait_ms in (61_000, 1_000, 600_000):
        do.ledger.now_ms += wait_ms
        do.tick(0)


def _under_quarantine(do: Teller) -> None:
    machine = do.ledger.machine
    assert isinstance(machine, UnluckyMachine)
    announced = do("credit", BOB, amount_minor=31, **SEPA)
    machine.is_unlucky = True
    do("credit", BOB, amount_minor=UNLUCKY_MINOR, **EUR)
    machine.is_unlucky = False
    for amount_minor in (3, 4):
        do("transfer", ALICE, amount_minor=amount_minor, to_wallet_id=BOB, **EUR)
    settle = {"operation": "settle", "wallet_id": BOB, "transaction_id": announced, "rail_reference": "r1"}
    settle["idempotency_key"] = "s"
    do.ledger.append(topics.SETTLEMENT_UPDATES, 1, BOB.encode(), orjson.dumps(settle), (("ce_id", b"1"),))
    do.ledger.run()
    with patch.object(release_quarantine, "PORTION", 2):
        do("release_quarantine", BOB)
    do.ledger.append(topics.FRAUD_COMMANDS, 0, ALICE.encode(), b'{"operation":"lock","idempotency_key":"f"}')
    do.ledger.run()


_once = cache(_told)


def every_type() -> Ledger:
    """The topics after all of it, which a test may tamper with; it cannot go on."""
    return copied(_once())
