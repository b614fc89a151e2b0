"""What somebody has and owes, by the ledger's own rates."""

from __future__ import annotations

from fractions import Fraction
from math import floor

from hypothesis import given
from hypothesis import strategies as st

from agents.views.rates import Converted
from ops.ledger_rates import LedgerRates
from schemas.assets import AssetRegistry
from schemas.clock import unix_ms
from schemas.fx_rates import FxRate, Rates

VALID_MS = unix_ms("2026-01-01T00:00:00.000Z")


def rate(rate_id: str = "r1", base: str = "EUR", quote: str = "JPY", bid: str = "160.5", ask: str = "164") -> FxRate:
    times = {"valid_from": "2026-01-01T00:00:00.000Z", "valid_until": "2026-02-01T00:00:00.000Z"}
    return FxRate(rate_id=rate_id, base=base, quote=quote, bid=bid, ask=ask, source="ecb", **times)


def at(at_ms: int, *rates: FxRate) -> LedgerRates:
    known = Rates()
    for one in rates:
        known = known.with_rate(one)
    return LedgerRates(AssetRegistry(), known, at_ms)


def test_what_one_has_gives_the_bid_and_what_one_owes_costs_the_ask() -> None:
    rates = at(VALID_MS, rate())
    assert rates.convert(10_000, "EUR", "JPY") == Converted(16_050, "r1")
    assert rates.convert(16_400, "JPY", "EUR") == Converted(10_000, "r1")
    assert rates.convert(-10_000, "EUR", "JPY") == Converted(-16_400, "r1")
    assert rates.convert(-16_050, "JPY", "EUR") == Converted(-10_000, "r1")


@given(amount_minor=st.integers(-(2**63), 2**63 - 1))
def test_nothing_is_rounded_but_down(amount_minor: int) -> None:
    converted = at(VALID_MS, rate()).convert(amount_minor, "EUR", "JPY")
    price = Fraction("164") if amount_minor < 0 else Fraction("160.5")
    assert converted == Converted(floor(amount_minor * price / 100), "r1")


def test_a_rate_counts_while_it_is_valid_and_leads_nowhere_else() -> None:
    until_ms = unix_ms("2026-02-01T00:00:00.000Z")
    assert at(VALID_MS - 1, rate()).convert(100, "EUR", "JPY") is None
    assert at(until_ms - 1, rate()).convert(100, "EUR", "JPY") == Converted(160, "r1")
    assert at(until_ms, rate()).convert(100, "EUR", "JPY") is None
    chained = at(VALID_MS, rate(), rate("r2", "USD", "EUR", "0.9", "0.91"))
    assert chained.convert(100, "USD", "JPY") is None
    assert at(VALID_MS, rate(base="MILES")).convert(100, "MILES", "JPY") is None, "an asset that is not registered"
