"""A ledger of which payments wait for screening: allowed, denied, canceled, too late, left to a person."""

from __future__ import annotations

from functools import cache
from typing import Any

import orjson

from schemas import topics
from schemas.rails import INSTANT, Rail
from schemas.reference import Reference
from tests.ops.verify.honest import Ledger
from tests.ops.verify.operations import ALICE, BOB, EUR
from tests.ops.verify.story import PARTITIONS, UnluckyMachine, copied
from tests.ops.verify.teller import Teller

WIRE = Rail(name="wire", settlement="deferred", screening=True, screening_deadline_s=60)
CARD = Rail(name="card", settlement="instant", screening=True, screening_deadline_s=90, screening_silence="review")
_FEE: dict[str, Any] = {"name": "d", "version": 1, "operation": "debit", "asset": "EUR"}
_FEE |= {"tiers": [{"flat_minor": 7, "basis_points": 0}], "refundable": True}
_POINTS: dict[str, Any] = {"code": "POINTS", "exponent": 0, "kind": "points"}


def _told() -> Ledger:
    reference = Reference(rails={rail.name: rail for rail in (INSTANT, WIRE, CARD)})
    reference = reference.with_record(topics.FEE_SCHEDULES, "d", orjson.dumps(_FEE))
    reference = reference.with_record(topics.ASSETS, "POINTS", orjson.dumps(_POINTS))
    do = Teller(Ledger(PARTITIONS, UnluckyMachine(reference)))
    for wallet in (ALICE, BOB):
        do("open_wallet", wallet, owner_ref="o", assets=["EUR", "POINTS"])
        do("credit", wallet, amount_minor=1_000, **EUR)
        do("reward", wallet, amount_minor=50, asset="POINTS", code="spring", expires_in_s=600)
        _judged(do, wallet)
        _silent(do, wallet)
    return do.ledger


def _judged(do: Teller, wallet: str) -> None:
    """Allowed, and settled then; denied; refused by what counts when it is allowed; canceled."""
    paid = do("debit", wallet, amount_minor=60, rail="wire", **EUR)
    do("screening_verdict", wallet, paid, verdict="allow", rule_ids=[])
    do("screening_verdict", wallet, paid, verdict="deny", rule_ids=["late"])
    do("settle", wallet, paid, rail_reference="r1")
    for amount_minor, rail, verdict in ((61, "wire", "deny"), (62, "card", "allow")):
        asked = do("debit", wallet, amount_minor=amount_minor, rail=rail, **EUR)
        do("screening_verdict", wallet, asked, verdict=verdict, rule_ids=["x"])
    stopped = do("debit", wallet, amount_minor=63, rail="card", **EUR)
    do("lock", wallet, rule_ids=["x"])
    do("screening_verdict", wallet, stopped, verdict="allow", rule_ids=[])
    do("set_wallet_state", wallet, state="active")
    do("cancel", wallet, do("debit", wallet, amount_minor=64, rail="wire", **EUR))
    for verdict in ("allow", "deny"):
        spent = do("debit", wallet, amount_minor=20, rail="wire", asset="POINTS")
        do("screening_verdict", wallet, spent, verdict=verdict, rule_ids=["x"])


def _silent(do: Teller, wallet: str) -> None:
    """Too late, by a command and by a tick; left to a person, who allows, denies, cancels, or is still to come."""
    do("debit", wallet, amount_minor=65, rail="wire", **EUR)
    left = [do("debit", wallet, amount_minor=66, rail="card", **EUR) for _ in range(4)]
    do.ledger.now_ms += 61_000
    do("debit", wallet, amount_minor=1, **EUR)
    do("debit", wallet, amount_minor=67, rail="wire", **EUR)
    do.ledger.now_ms += 31_000
    partition = 0 if wallet == ALICE else 1
    do.tick(partition)
    do.tick(partition)
    do("screening_verdict", wallet, left[0], verdict="allow", rule_ids=[])
    do("screening_verdict", wallet, left[1], verdict="deny", rule_ids=["analyst"])
    do("cancel", wallet, left[2])


_once = cache(_told)


def screened() -> Ledger:
    """The topics after all of it, which a test may tamper with; it cannot go on."""
    return copied(_once())
