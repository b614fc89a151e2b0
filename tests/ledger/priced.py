"""Rates, fees, tiers and rails of the ledger that is held against its model: the same records for both."""

from __future__ import annotations

import json
from typing import Any, Final

from schemas.clock import rfc3339
from schemas.rails import INSTANT, Rail
from schemas.reference import Reference
from schemas.topics import FEE_SCHEDULES, FX_RATES, TIERS
from tests.ledger.commands import Json
from tests.ledger.world import DAY_MS, START_MS


def _rate(rate_id: str, quote: str, bid: str, ask: str, days: tuple[int, int]) -> Json:
    from_, until = (rfc3339(START_MS + day * DAY_MS) for day in days)
    said = {"rate_id": rate_id, "base": "EUR", "quote": quote, "bid": bid, "ask": ask, "source": "desk"}
    return {**said, "valid_from": from_, "valid_until": until}


def _fee(operation: str, *tiers: Json, refundable: bool = True, asset: str = "EUR", **least_and_most: int) -> Json:
    name = f"{operation}-{asset.lower()}"
    said: Json = {"name": name, "version": 1, "operation": operation, "asset": asset, "wallet_kind": "merchant"}
    return {**said, "tiers": list(tiers), "refundable": refundable, **least_and_most}


def _flat(minor: int, basis_points: int = 0, **up_to: int) -> Json:
    return {"flat_minor": minor, "basis_points": basis_points, **up_to}


#: One pair has a second rate on the second day only, another has none after it.
RATES: Final = [
    _rate("r1", "USD", "1.10", "1.12", (0, 1_000)),
    _rate("r2", "USD", "1.3", "1.5", (1, 2)),
    _rate("yen", "JPY", "161.07", "163", (0, 2)),
]
#: Merchants pay, others do not.
SCHEDULES: Final = [
    _fee("credit", _flat(0, up_to_minor=20), _flat(3)),
    _fee("debit", _flat(1, 1_000)),
    _fee("transfer", _flat(2, 333), refundable=True),
    _fee("authorize", _flat(1), refundable=False),
    _fee("capture", _flat(0, 2_500), min_minor=1, max_minor=4),
    _fee("convert", _flat(1)),
    _fee("refund", _flat(1), refundable=False),
    _fee("dispute", _flat(1, 500), refundable=False),
    _fee("transfer", _flat(1, 100), refundable=False, asset="USD"),
]
BASIC: Final[Json] = {
    "name": "basic",
    "version": 1,
    "limits": {"EUR": {"day": {"count": 4, "sum_minor": 90}, "month": {"sum_minor": 150}, "balance_cap_minor": 160}},
}
RAILS: Final = {
    INSTANT.name: INSTANT,
    "sepa": Rail(name="sepa", settlement="deferred"),
    "wire": Rail(name="wire", settlement="deferred", screening=True, screening_deadline_s=2),
    "giro": Rail(
        name="giro", settlement="deferred", screening=True, screening_deadline_s=3_600, screening_silence="review"
    ),
}


def _reference() -> Reference:
    reference = Reference(rails=RAILS)
    keyed: list[tuple[str, str, Json]] = [(FX_RATES, rate["rate_id"], rate) for rate in RATES]
    keyed += [(FEE_SCHEDULES, one["name"], one) for one in SCHEDULES]
    for topic, key, record in [*keyed, (TIERS, "basic", BASIC)]:
        reference = reference.with_record(topic, key, json.dumps(record).encode())
    return reference


REFERENCE: Final = _reference()
#: The same, as the model takes it.
FOR_MODEL: Final[dict[str, Any]] = {
    "rails": {name: rail.settlement for name, rail in RAILS.items()},
    "screened": {n: (r.screening_deadline_s, r.screening_silence) for n, r in RAILS.items() if r.screening},
    "tiers": {"basic": BASIC["limits"]},
    "rates": RATES,
    "schedules": SCHEDULES,
}
