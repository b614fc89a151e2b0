"""A ledger that exchanges and charges, gives rewards, does batches and what was asked for ahead of its time."""

from __future__ import annotations

from functools import cache
from typing import Any

import orjson

from schemas import topics
from schemas.clock import rfc3339
from schemas.reference import Reference
from tests.ops.verify.honest import START_MS, Ledger
from tests.ops.verify.operations import ALICE, BERT, BOB, CAROL, DORA, EUR, EVE, FRED, NOBODY, SEPA, rails
from tests.ops.verify.story import PARTITIONS, UNLUCKY_MINOR, UnluckyMachine, copied
from tests.ops.verify.teller import Teller

POINTS: dict[str, Any] = {"asset": "POINTS"}
_DAY_MS = 86_400_000
_CHARGED = ("credit", "debit", "transfer", "authorize", "capture", "convert", "refund")
#: Charged only from merchants, so that most of the story costs nothing.
_MERCHANTS = (DORA, FRED)


def _priced() -> Reference:
    """A rate, and a fee for each operation that may cost something; refunds give it back."""
    rate = {"rate_id": "r1", "base": "EUR", "quote": "USD", "bid": "1.0837", "ask": "1.0913", "source": "desk"}
    rate |= {"valid_from": rfc3339(START_MS - _DAY_MS), "valid_until": rfc3339(START_MS + 400 * _DAY_MS)}
    points = {"code": "POINTS", "exponent": 0, "kind": "points"}
    reference = rails().with_record(topics.FX_RATES, "r1", orjson.dumps(rate))
    reference = reference.with_record(topics.ASSETS, "POINTS", orjson.dumps(points))
    for operation in _CHARGED:
        fee = {"name": operation, "version": 1, "operation": operation, "wallet_kind": "merchant", "asset": "EUR"}
        fee |= {"tiers": [{"flat_minor": 7, "basis_points": 0}], "refundable": operation != "credit"}
        reference = reference.with_record(topics.FEE_SCHEDULES, operation, orjson.dumps(fee))
    return reference


def telling_services() -> Teller:
    """The ledger after all of it, to go on with."""
    do = Teller(Ledger(PARTITIONS, UnluckyMachine(_priced())))
    for wallet in (ALICE, BERT, CAROL, DORA, BOB, EVE, FRED):
        kind = "merchant" if wallet in _MERCHANTS else "customer"
        do("open_wallet", wallet, owner_ref="o", kind=kind, assets=["EUR", "USD", "POINTS"])
        do("credit", wallet, amount_minor=100_000, **EUR)
    _exchanges(do)
    _fees(do)
    _rewards(do)
    _batches(do)
    _scheduled(do)
    _agreements(do)
    _failed_tick(do)
    return do


@cache
def _told() -> Ledger:
    return telling_services().ledger


def services() -> Ledger:
    """The topics after all of it, which a test may tamper with; it cannot go on."""
    return copied(_told())


def _exchanges(do: Teller) -> None:
    """Within a wallet and on the way to another one, here and elsewhere; taken back in parts, or refused there."""
    do("convert", ALICE, amount_minor=1_000, to_asset="USD", rate_id="r1", min_to_amount_minor=1_083, **EUR)
    do("convert", ALICE, amount_minor=1_000, to_asset="USD", min_to_amount_minor=2_000, **EUR)
    do("convert", ALICE, amount_minor=333, asset="USD", to_asset="EUR")
    do("reverse", ALICE, do("convert", ALICE, amount_minor=777, to_asset="USD", **EUR))
    for receiver in (BERT, BOB):
        moved = do("transfer", ALICE, amount_minor=997, to_wallet_id=receiver, to_asset="USD", **EUR)
        for amount_minor in (333, 334):
            do("refund", receiver, moved, amount_minor=amount_minor)
        do("refund", receiver, moved)
        do("reverse", receiver, do("transfer", ALICE, amount_minor=501, to_wallet_id=receiver, to_asset="USD", **EUR))
    do("transfer", ALICE, amount_minor=501, to_wallet_id=NOBODY, to_asset="USD", **EUR)
    do("transfer", ALICE, amount_minor=502, to_wallet_id=ALICE, to_asset="USD", **EUR)


def _fees(do: Teller) -> None:
    """By command, reversed; within whatever may cost something, given back with refunds, or with all the rest."""
    do("reverse", ALICE, do("fee", ALICE, amount_minor=11, code="card", **EUR))
    for merchant, receiver in ((DORA, EVE), (FRED, CAROL)):
        paid = do("debit", merchant, amount_minor=90, **EUR)
        for _ in range(3):
            do("refund", merchant, paid, amount_minor=30)
        for to in (BERT, BOB, NOBODY):
            moved = do("transfer", merchant, amount_minor=45, to_wallet_id=to, **EUR)
            do("refund", to, moved, amount_minor=20)
            do("reverse", to, moved)
        do("reverse", merchant, do("convert", merchant, amount_minor=300, to_asset="USD", **EUR))
        hold = do("authorize", merchant, amount_minor=80, expires_in_s=900, **EUR)
        do("capture", merchant, hold, amount_minor=20)
        do("capture", merchant, hold, amount_minor=20, rail="sepa")
        do("refund", receiver, do("capture", merchant, hold, amount_minor=20, to_wallet_id=receiver))
        do("release", merchant, hold)
        later = do("debit", merchant, amount_minor=40, **SEPA)
        do("settle", merchant, later, rail_reference="r1")
        do("cancel", merchant, do("refund", merchant, later, amount_minor=10))
        do("settle", merchant, do("refund", merchant, later, amount_minor=15), rail_reference="r2")
        do("cancel", merchant, do("debit", merchant, amount_minor=40, **SEPA))
        do("fail", merchant, do("credit", merchant, amount_minor=40, **SEPA), code="AC04")


def _rewards(do: Teller) -> None:
    """Spent soonest first, given back, reversed; what is left expires, by a command or by a tick."""
    for wallet in (ALICE, BOB):
        do("reward", wallet, amount_minor=50, code="welcome", expires_in_s=60, **POINTS)
        late = do("reward", wallet, amount_minor=60, code="spring", expires_in_s=600, **POINTS)
        do("reward", wallet, amount_minor=5, code="for good", **POINTS)
        paid = do("debit", wallet, amount_minor=70, **POINTS)
        do("refund", wallet, paid, amount_minor=30)
        do("release", wallet, do("authorize", wallet, amount_minor=20, expires_in_s=30, **POINTS))
        do("reverse", wallet, late)
        do("reward", wallet, amount_minor=40, code="summer", expires_in_s=1, **POINTS)
        do("debit", wallet, amount_minor=25, **POINTS)
        do.ledger.now_ms += 2_000
        do("debit", wallet, amount_minor=1, **EUR)
        do.ledger.now_ms += 8 * _DAY_MS
    for partition in range(PARTITIONS):
        do.tick(partition)


def _batches(do: Teller) -> None:
    """All or none."""
    items = [
        {"operation": "credit", "amount_minor": 10, **EUR},
        {"operation": "fee", "amount_minor": 3, "code": "card", **EUR},
        {"operation": "convert", "amount_minor": 100, "to_asset": "USD", **EUR},
        {"operation": "transfer", "amount_minor": 5, "to_wallet_id": ALICE, **EUR},
        {"operation": "debit", "amount_minor": 4, **EUR},
    ]
    do("open_sub_wallet", ALICE, sub_wallet="savings", kind="savings")
    items[3] |= {"to_sub_wallet": "savings"}
    do("batch", ALICE, items=items)
    do("batch", ALICE, items=[*items, {"operation": "debit", "amount_minor": 10**9, **EUR}])
    do("batch", BOB, items=[items[0], items[4]], partition=0)
    do("batch", DORA, items=[items[4]])


def _scheduled(do: Teller) -> None:
    """Canceled, executed by a command, by a tick, or failed then."""
    for wallet, other in ((CAROL, BOB), (EVE, ALICE)):
        at = rfc3339(do.ledger.now_ms + 5_000)
        do("cancel", wallet, do("transfer", wallet, amount_minor=5, to_wallet_id=other, execute_at=at, **EUR))
        for operation, fields in (
            ("credit", SEPA),
            ("credit", EUR),
            ("debit", EUR),
            ("debit", SEPA),
            ("transfer", {"to_wallet_id": other, **EUR}),
            ("transfer", {"to_wallet_id": BERT, "to_asset": "USD", **EUR}),
            ("convert", {"to_asset": "USD", **EUR}),
            ("fee", {"code": "monthly", **EUR}),
        ):
            do(operation, wallet, amount_minor=50, execute_at=at, **fields)
            do("cancel", wallet, do(operation, wallet, amount_minor=51, execute_at=at, **fields))
        for operation, fields in (
            ("debit", {"amount_minor": 10**9}),
            ("credit", {"amount_minor": 2**63 - 1}),
            ("convert", {"amount_minor": 10**9, "to_asset": "USD"}),
            ("fee", {"amount_minor": 10**9, "code": "x"}),
            ("transfer", {"amount_minor": 10**9, "to_wallet_id": other}),
        ):
            do(operation, wallet, execute_at=at, **{**EUR, **fields})
        do("debit", wallet, amount_minor=1, execute_at=rfc3339(do.ledger.now_ms - 5_000), **EUR)
        do.ledger.now_ms += 6_000
        if wallet == CAROL:
            do("debit", wallet, amount_minor=1, **EUR)
        else:
            do.tick(1)


def _agreements(do: Teller) -> None:
    """Credit, more captured than authorized, refunds below zero, a wallet that closes."""
    limits = {"EUR": {"credit_limit_minor": 500, "day": {"sum_minor": 10**9}}}
    for wallet in (BERT, EVE):
        do("set_limits", wallet, limits=limits, over_capture_bps=1_000, refunds_below_zero=True)
        hold = do("authorize", wallet, amount_minor=100, expires_in_s=900, **EUR)
        do("capture", wallet, hold, amount_minor=110)
        hold = do("authorize", wallet, amount_minor=100, expires_in_s=900, **EUR)
        do("capture", wallet, hold, amount_minor=60)
        do("capture", wallet, hold, amount_minor=50, rail="sepa")
        given = do("transfer", CAROL, amount_minor=2_000, to_wallet_id=wallet, **EUR)
        do("debit", wallet, amount_minor=_all_of(do, wallet) + 300, **EUR)
        do("refund", wallet, given)
        do("set_limits", wallet, limits={})
        do("credit", wallet, amount_minor=5, **EUR)
    do("set_wallet_state", BERT, state="locked")
    _fraud(do)
    empty = "empty-1"
    do("open_wallet", empty, owner_ref="o", assets=["EUR"])
    do("close_wallet", empty)


def _fraud(do: Teller) -> None:
    """What the fraud role orders: of a wallet that is open, twice, and of the same once it is closed."""
    alert: dict[str, Any] = {"rule_ids": ["velocity-out"], "alert_id": "a-1", "reason": "Too much in an hour."}
    do("open_wallet", "locked-1", owner_ref="o", assets=["EUR"])
    for operation in ("require_step_up", "lock", "lock"):
        do(operation, "locked-1", **alert)
    do("set_wallet_state", "locked-1", state="closed")
    for operation in ("require_step_up", "lock"):
        do(operation, "locked-1", **alert)


def _all_of(do: Teller, wallet: str) -> int:
    """What a wallet has available, in minor units of the euro."""
    wanted = f"{wallet}/main/available"
    for records in do.ledger.topics[topics.WALLET_BALANCES]:
        for record in reversed(records):
            if record.key == wallet.encode():
                accounts = orjson.loads(record.value or b"")["accounts"]
                return sum(a["balance_minor"] for a in accounts if (a["account"], a["asset"]) == (wanted, "EUR"))
    raise LookupError(wallet)


def _failed_tick(do: Teller) -> None:
    """What waits for its time of a wallet under quarantine waits on, and is done once it is released."""
    machine = do.ledger.machine
    assert isinstance(machine, UnluckyMachine)
    at = rfc3339(do.ledger.now_ms + 5_000)
    do("debit", FRED, amount_minor=9, execute_at=at, **EUR)
    do("debit", BOB, amount_minor=8, execute_at=at, **EUR)
    machine.is_unlucky = True
    do("credit", FRED, amount_minor=UNLUCKY_MINOR, **EUR)
    machine.is_unlucky = False
    do.ledger.now_ms += 6_000
    do.tick(1)
    do("release_quarantine", FRED)
    do("credit", FRED, amount_minor=1, **EUR)
