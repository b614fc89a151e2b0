"""What things cost and what they are worth: fee schedules and exchange rates, as their records say it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from fractions import Fraction
from math import floor
from typing import Any

Json = dict[str, Any]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
#: Minor units have so many decimals.
DECIMALS = {"EUR": 2, "USD": 2, "JPY": 0}


def ms_of(text: str) -> int:
    """A time in Unix milliseconds."""
    return (datetime.fromisoformat(text) - _EPOCH) // timedelta(milliseconds=1)


def time_of(ms: int) -> datetime:
    """The same the other way round."""
    return _EPOCH + timedelta(milliseconds=ms)


class Prices:
    """Rates and fee schedules."""

    def __init__(self, rates: list[Json], schedules: list[Json]):
        self.rates, self.schedules = rates, schedules

    def fee(self, kind: str, operation: str, asset: str, amount: int) -> tuple[int, int]:
        """What an operation costs a wallet of a kind, and how much of that refunds give back."""
        for s in self.schedules:
            if (s["operation"], s["asset"], s["wallet_kind"]) == (operation, asset, kind):
                band = next(one for one in s["tiers"] if amount <= one.get("up_to_minor", amount))
                fee = band["flat_minor"] + floor(Fraction(amount * band["basis_points"], 10_000))
                fee = min(max(fee, s.get("min_minor", 0)), s.get("max_minor", 2**63 - 1))
                return fee, fee if s["refundable"] else 0
        return 0, 0

    def exchanged(self, now: int, from_: str, to: str, amount: int, rate_id: str | None) -> int | None:
        """What an amount gives of another asset, floored; None where there is no rate now."""
        valid = [r for r in self.rates if {r["base"], r["quote"]} == {from_, to} and rate_id in (None, r["rate_id"])]
        valid = [r for r in valid if ms_of(r["valid_from"]) <= now < ms_of(r["valid_until"])]
        if not valid:
            return None
        rate = max(valid, key=lambda r: (r["valid_from"], r["rate_id"]))
        price = Fraction(rate["bid"]) if rate["base"] == from_ else 1 / Fraction(rate["ask"])
        return floor(amount * price * Fraction(10) ** (DECIMALS[to] - DECIMALS[from_]))
