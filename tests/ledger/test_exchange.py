"""Exchange: exact, floored once, and no way to gain by it."""

from __future__ import annotations

from decimal import ROUND_FLOOR, Decimal, localcontext
from fractions import Fraction
from math import gcd
from typing import Any

import msgspec
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.ledger.exchange import converted, minor_for_minor
from schemas.assets import ISO_4217, Asset
from schemas.events import Exchange
from schemas.fx_rates import FxRate
from schemas.money import INT64_MAX
from tests.schemas.reference_records import RATE

EUR, USD, JPY, KWD = (ISO_4217[code] for code in ("EUR", "USD", "JPY", "KWD"))
MILES = Asset(code="MILES", exponent=0, kind="points")
WEI = Asset(code="ETH", exponent=18)


def rate(base: Asset, quote: Asset, bid: str, ask: str | None = None, **more: Any) -> FxRate:
    prices = {"base": base.code, "quote": quote.code, "bid": bid, "ask": ask or bid}
    return FxRate.model_validate_json(orjson.dumps(RATE | prices | more))


@pytest.mark.parametrize(
    ("base", "quote", "bid", "ask", "given", "received", "from_minor", "to_minor"),
    [
        # 10.00 EUR sold at 1.08345 is 10.8345 USD.
        (EUR, USD, "1.08345", "1.08375", EUR, USD, 1_000, 1_083),
        # 10.00 USD buys 10 / 1.08375 = 9.2272... EUR.
        (EUR, USD, "1.08345", "1.08375", USD, EUR, 1_000, 922),
        # Exponents: 10.00 EUR at 163.2 is 1632 JPY, 1632 JPY at 163.2 is 10.00 EUR.
        (EUR, JPY, "163.2", "163.2", EUR, JPY, 1_000, 1_632),
        (EUR, JPY, "163.2", "163.2", JPY, EUR, 1_632, 1_000),
        (EUR, JPY, "163.2", "163.2", JPY, EUR, 1_631, 999),
        # 1.000 KWD at 3.25 is 3.25 USD; 3.25 USD is 1.000 KWD.
        (KWD, USD, "3.25", "3.25", KWD, USD, 1_000, 325),
        (KWD, USD, "3.25", "3.25", USD, KWD, 325, 1_000),
        # 250 miles at 0.004 are 1.00 EUR; 1.00 EUR buys 100 miles at 0.01.
        (MILES, EUR, "0.004", "0.01", MILES, EUR, 250, 100),
        (MILES, EUR, "0.004", "0.01", EUR, MILES, 100, 100),
        # Eighteen decimals: 3456.78 EUR are one ether, to the last wei.
        (WEI, EUR, "3456.78", "3456.78", EUR, WEI, 345_678, 10**18),
        (WEI, EUR, "3456.78", "3456.78", WEI, EUR, 10**18 - 1, 345_677),
    ],
)
def test_selling_the_base_gives_the_bid_and_buying_it_costs_the_ask(
    base: Asset, quote: Asset, bid: str, ask: str, given: Asset, received: Asset, from_minor: int, to_minor: int
) -> None:
    done = converted(rate(base, quote, bid, ask), given, received, from_minor)
    assert done is not None
    assert (done.from_asset, done.from_minor) == (given.code, from_minor)
    assert (done.to_asset, done.to_minor) == (received.code, to_minor)
    assert (done.rate_id, done.source) == ("EURUSD", "ecb")


def test_the_event_holds_the_fraction_in_lowest_terms() -> None:
    done = converted(rate(EUR, USD, "1.08345", "1.08375"), USD, EUR, 1_000)
    assert done == Exchange("EURUSD", "ecb", "USD", 1_000, "EUR", 922, 800, 867)


@pytest.mark.parametrize(
    ("base", "quote", "bid", "given", "received", "from_minor"),
    [
        # Less than one yen.
        (EUR, JPY, "163.2", JPY, EUR, 0),
        (EUR, JPY, "0.5", EUR, JPY, 199),
        (EUR, USD, "0.000000000001", EUR, USD, INT64_MAX // 10**7),
        # More than int64.
        (EUR, USD, "1.000001", EUR, USD, INT64_MAX),
        (WEI, EUR, "0.01", EUR, WEI, 10),
    ],
)
def test_what_cannot_be_booked_is_none(
    base: Asset, quote: Asset, bid: str, given: Asset, received: Asset, from_minor: int
) -> None:
    assert converted(rate(base, quote, bid), given, received, from_minor) is None


def test_the_bounds_of_what_can_be_booked() -> None:
    even = rate(EUR, USD, "1")
    for amount_minor in (1, INT64_MAX):
        done = converted(even, EUR, USD, amount_minor)
        assert done is not None
        assert done.to_minor == amount_minor
    done = converted(rate(EUR, JPY, "0.5"), EUR, JPY, 200)
    assert done is not None
    assert done.to_minor == 1


@pytest.mark.parametrize(("given", "received"), [(EUR, JPY), (USD, JPY), (EUR, EUR), (USD, USD)])
def test_a_rate_of_other_assets_is_a_bug_of_the_caller(given: Asset, received: Asset) -> None:
    with pytest.raises(ValueError, match=f"rate EURUSD is of EUR/USD, not of {given.code}/{received.code}"):
        converted(rate(EUR, USD, "1"), given, received, 1)


# ---- properties ----------------------------------------------------------------------------------

ASSETS = st.sampled_from([EUR, JPY, KWD, MILES, WEI, Asset(code="BTC", exponent=8)])
PRICES = st.decimals(Decimal("0.000001"), Decimal(999_999), places=6).map(lambda price: f"{price:f}")
AMOUNTS = st.integers(1, INT64_MAX) | st.integers(1, 10_000)


@st.composite
def quotes(draw: st.DrawFn) -> tuple[FxRate, Asset, Asset]:
    """A rate with its base and its quote."""
    base, quote = draw(st.tuples(ASSETS, ASSETS).filter(lambda pair: pair[0] is not pair[1]))
    bid, ask = sorted([draw(PRICES), draw(PRICES)], key=Decimal)
    return rate(base, quote, bid, ask), base, quote


@given(quotes(), st.booleans(), AMOUNTS)
def test_it_is_the_floor_of_the_exact_result(
    quoted: tuple[FxRate, Asset, Asset], sells_base: bool, from_minor: int
) -> None:
    """Beside the same computed in decimals with far more digits than can matter."""
    a_rate, base, quote = quoted
    given, received = (base, quote) if sells_base else (quote, base)
    with localcontext() as context:
        context.prec = 120
        whole = Decimal(from_minor).scaleb(-given.exponent)
        exact = whole * Decimal(a_rate.bid) if sells_base else whole / Decimal(a_rate.ask)
        # A division that does not end is rounded up at the 120th digit at worst: no integer is that near to one.
        expected = int(exact.scaleb(received.exponent).quantize(Decimal(1), ROUND_FLOOR))
    done = converted(a_rate, given, received, from_minor)
    if not 0 < expected <= INT64_MAX:
        assert done is None
        return
    assert done is not None
    assert done.to_minor == expected
    assert done.to_minor == from_minor * done.numerator // done.denominator
    assert gcd(done.numerator, done.denominator) == 1
    assert msgspec.json.decode(msgspec.json.encode(done), type=Exchange) == done, "whatever its fraction"


@given(quotes(), AMOUNTS)
def test_to_and_fro_never_yields_more(quoted: tuple[FxRate, Asset, Asset], from_minor: int) -> None:
    a_rate, base, quote = quoted
    for one, other in ((base, quote), (quote, base)):
        there = converted(a_rate, one, other, from_minor)
        back = there and converted(a_rate, other, one, there.to_minor)
        assert back is None or back.to_minor <= from_minor


@given(
    quotes(), st.integers(1, 10**12), st.integers(1, 10**12), st.lists(st.tuples(st.booleans(), st.integers(1, 100)))
)
def test_no_walk_of_conversions_gains(
    quoted: tuple[FxRate, Asset, Asset], base_minor: int, quote_minor: int, steps: list[tuple[bool, int]]
) -> None:
    """Whatever part of a holding is exchanged at each step: its worth at any price from bid to ask never grows."""
    a_rate, base, quote = quoted
    prices = [minor_for_minor(a_rate, base, quote), 1 / minor_for_minor(a_rate, quote, base)]

    def worths() -> list[Fraction]:
        return [base_minor * price + quote_minor for price in prices]

    for sells_base, percent in steps:
        before = worths()
        given = (base_minor if sells_base else quote_minor) * percent // 100
        done = converted(a_rate, base, quote, given) if sells_base else converted(a_rate, quote, base, given)
        if done is None:
            continue
        base_minor += -given if sells_base else done.to_minor
        quote_minor += done.to_minor if sells_base else -given
        assert all(now <= then for now, then in zip(worths(), before, strict=True))


@given(quotes(), AMOUNTS, st.integers(2, 5))
def test_parts_never_give_more_than_the_whole(quoted: tuple[FxRate, Asset, Asset], from_minor: int, parts: int) -> None:
    a_rate, base, quote = quoted
    whole = converted(a_rate, base, quote, from_minor)
    part = converted(a_rate, base, quote, from_minor // parts) if from_minor >= parts else None
    if part is not None and whole is not None:
        assert part.to_minor * parts <= whole.to_minor
