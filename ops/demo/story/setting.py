"""The reference data that the story is played with: assets, a rail, what a purchase costs, an exchange rate."""

from __future__ import annotations

from typing import Any, Final

from schemas.assets import Asset, AssetRegistry
from schemas.reference import KEY_FIELDS
from schemas.topics import ASSETS, FEE_SCHEDULES, FX_RATES, RAILS

_POINTS: Final = {"code": "POINTS", "exponent": 0, "kind": "points", "name": "loyalty points"}

#: Topic -> its records.
REFERENCE_DATA: Final[dict[str, list[dict[str, Any]]]] = {
    ASSETS: [_POINTS],
    RAILS: [{"name": "sepa", "settlement": "deferred"}],
    FEE_SCHEDULES: [
        {
            "name": "purchases",
            "version": 1,
            "operation": "transfer",
            "wallet_kind": "customer",
            "asset": "EUR",
            "tiers": [{"flat_minor": 10, "basis_points": 100}],
            "refundable": True,
        }
    ],
    FX_RATES: [
        {
            "rate_id": "eur-usd-1",
            "base": "EUR",
            "quote": "USD",
            "bid": "1.0950",
            "ask": "1.1050",
            "source": "the desk",
            "valid_from": "2020-01-01T00:00:00.000Z",
            "valid_until": "2100-01-01T00:00:00.000Z",
        }
    ],
}


def key_of(topic: str, record: dict[str, Any]) -> str:
    """The key of a record of reference data."""
    return str(record[KEY_FIELDS[topic]])


def registry() -> AssetRegistry:
    """The assets that the story knows."""
    return AssetRegistry().with_registered(Asset.model_validate(_POINTS))
