"""A ledger in which everything costs something and money is exchanged: here, between partitions, and back."""

from __future__ import annotations

from functools import cache
from typing import Any

import orjson

from schemas import topics
from schemas.clock import rfc3339
from schemas.reference import Reference
from tests.ops.verify.honest import START_MS, Ledger
from tests.ops.verify.operations import ALICE, BERT, BOB, CAROL, DORA, EUR, EVE, FRED, GUS, NOBODY, SEPA, rails
from tests.ops.verify.story import PARTITIONS, UnluckyMachine, copied
from tests.ops.verify.teller import Teller

EVERYBODY = (ALICE, BERT, CAROL, DORA, BOB, EVE, FRED, GUS)
_USD: dict[str, Any] = {"to_asset": "USD"}
_CHARGED = ("credit", "debit", "transfer", "authorize", "capture", "convert", "refund", "dispute")


def prices() -> Reference:
    """A rate of euros for dollars, and a schedule for all that may cost something."""
    reference = rails()
    rate = {"rate_id": "r1", "base": "EUR", "quote": "USD", "bid": "1.10", "ask": "1.12", "source": "desk"}
    rate |= {"valid_from": rfc3339(0), "valid_until": rfc3339(START_MS + 400 * 86_400_000)}
    reference = reference.with_record(topics.FX_RATES, "r1", orjson.dumps(rate))
    for number, operation in enumerate(_CHARGED):
        schedule = {"name": operation, "version": 1, "operation": operation, "asset": "EUR"}
        schedule |= {"refundable": operation not in ("credit", "authorize", "refund", "dispute")}
        schedule |= {"tiers": [{"flat_minor": number + 1, "basis_points": 100}]}
        reference = reference.with_record(topics.FEE_SCHEDULES, operation, orjson.dumps(schedule))
    return reference


def telling_priced() -> Teller:
    """The ledger after all of it, to go on with."""
    ledger = Ledger(PARTITIONS, UnluckyMachine(prices()))
    do = Teller(ledger)
    for wallet in EVERYBODY:
        do.send("open_wallet", wallet, owner_ref="o", assets=["EUR", "JPY", "USD"])
        do.send("credit", wallet, amount_minor=100_000, **EUR)
        do.send("credit", wallet, amount_minor=50_000, asset="USD")
    ledger.run()
    _within_a_wallet(do)
    _over_rails(do)
    for payee in (BERT, BOB):
        _to_a_payee(do, payee)
    _captured(do)
    return do


@cache
def _told() -> Ledger:
    return telling_priced().ledger


def priced() -> Ledger:
    """The topics after all of it, which a test may tamper with; it cannot go on."""
    return copied(_told())


def _within_a_wallet(do: Teller) -> None:
    do("convert", CAROL, amount_minor=333, **EUR, **_USD, rate_id="r1", min_to_amount_minor=1)
    do("convert", CAROL, amount_minor=77, asset="USD", to_asset="EUR")
    do("convert", CAROL, amount_minor=77, **EUR, **_USD, min_to_amount_minor=999)
    do("reverse", CAROL, do("convert", CAROL, amount_minor=101, **EUR, **_USD))
    do("fee", CAROL, amount_minor=9, code="monthly", **EUR)
    do("reverse", CAROL, do("fee", CAROL, amount_minor=11, code="monthly", **EUR))


def _over_rails(do: Teller) -> None:
    paid = do("debit", DORA, amount_minor=333, **EUR)
    for amount_minor in (100, 1, 99):
        do("refund", DORA, paid, amount_minor=amount_minor)
    do("refund", DORA, paid)
    part = do("debit", DORA, amount_minor=100, **EUR)
    do("refund", DORA, part, amount_minor=33)
    do("reverse", DORA, part)
    do("reverse", DORA, do("credit", DORA, amount_minor=100, **EUR))
    do("fail", DORA, do("debit", DORA, amount_minor=100, **SEPA), code="AC04")
    do("cancel", DORA, do("debit", DORA, amount_minor=100, **SEPA))
    settled = do("debit", DORA, amount_minor=200, **SEPA)
    do("settle", DORA, settled, rail_reference="r1", settled_minor=150)
    do("fail", DORA, do("refund", DORA, settled, amount_minor=40), code="AC04")
    do("settle", DORA, do("refund", DORA, settled, amount_minor=40), rail_reference="r1")
    do("settle", DORA, do("refund", DORA, settled), rail_reference="r1")
    disputed = do("debit", DORA, amount_minor=90, **EUR)
    do("resolve_dispute", DORA, do("dispute", DORA, disputed, amount_minor=30, reason="fraud"), won=False)
    do("refund", DORA, disputed)
    contested = do("dispute", DORA, do("credit", DORA, amount_minor=70, **EUR), amount_minor=20, reason="fraud")
    do("resolve_dispute", DORA, contested, won=True)
    do("settle", DORA, do("credit", DORA, amount_minor=60, **SEPA), rail_reference="r1")


def _to_a_payee(do: Teller, payee: str) -> None:
    """Plain and exchanged, refunded in parts and to the end, refused, and reversed."""
    gone: dict[str, Any] = {"to_wallet_id": payee, "to_sub_wallet": "gone"}
    ways: list[dict[str, Any]] = [{}, _USD]
    for exchanged in ways:
        moved = do("transfer", ALICE, amount_minor=333, to_wallet_id=payee, **EUR, **exchanged)
        for amount_minor in (1, 100, 37):
            do("refund", payee, moved, amount_minor=amount_minor)
        do("set_wallet_state", ALICE, state="disabled")
        do("refund", payee, moved, amount_minor=50)
        do("set_wallet_state", ALICE, state="active")
        do("refund", payee, moved)
        do("transfer", ALICE, amount_minor=100, **gone, **EUR, **exchanged)
        do("transfer", ALICE, amount_minor=100, to_wallet_id=NOBODY, **EUR, **exchanged)
        moved = do("transfer", ALICE, amount_minor=101, to_wallet_id=payee, **EUR, **exchanged)
        do("refund", payee, moved, amount_minor=10)
        do("reverse", payee, moved)


def _captured(do: Teller) -> None:
    hold = do("authorize", FRED, amount_minor=900, expires_in_s=3600, **EUR)
    to_alice: dict[str, Any] = {"to_wallet_id": ALICE}
    payees: list[dict[str, Any]] = [{}, {"to_wallet_id": GUS}, to_alice, {**to_alice, "to_sub_wallet": "gone"}]
    for fields in payees:
        taken = do("capture", FRED, hold, amount_minor=100, **fields)
        do("refund", fields.get("to_wallet_id", FRED), taken, amount_minor=33)
        do("refund", fields.get("to_wallet_id", FRED), taken)
    do("cancel", FRED, do("capture", FRED, hold, amount_minor=100, rail="sepa"))
    late = do("capture", FRED, hold, amount_minor=100, rail="sepa")
    do("capture", FRED, hold, amount_minor=100, to_wallet_id=ALICE, to_sub_wallet="gone", final=True)
    do("fail", FRED, late, code="AC04")
    do("cancel", FRED, do("authorize", FRED, amount_minor=50, expires_in_s=3600, **EUR))
