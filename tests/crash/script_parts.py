"""What the scripts have in common: accounts, amounts, and the reference data that they go by."""

from __future__ import annotations

from typing import Any, Final

from schemas.topics import FEE_SCHEDULES, FX_RATES, RAILS

#: USD cents for EUR cents, and what a transfer costs, flat: see `REFERENCE`.
GETS, GIVES = 11, 10
FEE_MINOR: Final = 7
INSTANT, SEPA = "system/rail:instant", "system/rail:sepa"
LONG_S: Final = 30 * 86_400

#: Topic -> what there must be before any worker starts.
REFERENCE: Final[dict[str, dict[str, Any]]] = {
    RAILS: {"name": "sepa", "settlement": "deferred"},
    FX_RATES: {
        "rate_id": "eurusd",
        "base": "EUR",
        "quote": "USD",
        "bid": "1.1",
        "ask": "1.1",
        "source": "test",
        "valid_from": "2020-01-01T00:00:00.000Z",
        "valid_until": "2100-01-01T00:00:00.000Z",
    },
    FEE_SCHEDULES: {
        "name": "merchants",
        "version": 1,
        "operation": "transfer",
        "wallet_kind": "merchant",
        "asset": "EUR",
        "tiers": [{"flat_minor": FEE_MINOR, "basis_points": 0}],
        "refundable": True,
    },
}


def own(wallet_id: str, bucket: str = "available") -> str:
    """An account of a wallet's main sub-wallet."""
    return f"{wallet_id}/main/{bucket}"


def eur(minor: int) -> dict[str, Any]:
    """An amount in EUR, as a command has it."""
    return {"amount_minor": minor, "asset": "EUR"}
