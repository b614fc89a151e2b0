"""What an amount of one asset is in another: exact, and rounded once, never in the customer's favour. Pure."""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache

from schemas.assets import Asset
from schemas.events import Exchange
from schemas.fx_rates import FxRate
from schemas.money import is_amount


def converted(rate: FxRate, from_asset: Asset, to_asset: Asset, from_minor: int) -> Exchange | None:
    """The exchange in which a customer gives `from_minor` minor units of one asset and receives the other.

    Selling the rate's base gives its bid, buying it costs its ask. The result is the floor of the exact rational
    number. None where that is 0 or beyond int64, so that nothing could be booked: `amount_out_of_range`.

    Raises:
        ValueError: the rate is of other assets.
    """
    fraction = minor_for_minor(rate, from_asset, to_asset)
    numerator, denominator = fraction.numerator, fraction.denominator
    to_minor = from_minor * numerator // denominator
    if not is_amount(to_minor):
        return None
    return Exchange(
        rate_id=rate.rate_id,
        source=rate.source,
        from_asset=from_asset.code,
        from_minor=from_minor,
        to_asset=to_asset.code,
        to_minor=to_minor,
        numerator=numerator,
        denominator=denominator,
    )


def minor_for_minor(rate: FxRate, from_asset: Asset, to_asset: Asset) -> Fraction:
    """Minor units of `to_asset` that one minor unit of `from_asset` gives, exactly.

    Raises:
        ValueError: the rate is of other assets.
    """
    pair = (from_asset.code, to_asset.code)
    if pair == (rate.base, rate.quote):
        return _in_minor(rate.bid, from_asset.exponent, to_asset.exponent)
    if pair == (rate.quote, rate.base):
        return 1 / _in_minor(rate.ask, to_asset.exponent, from_asset.exponent)
    raise ValueError(f"rate {rate.rate_id} is of {rate.base}/{rate.quote}, not of {pair[0]}/{pair[1]}")


@lru_cache(maxsize=1_024)
def _in_minor(whole_for_whole: str, from_exponent: int, to_exponent: int) -> Fraction:
    """A rate between whole units as one between minor units, of which 10^exponent make a whole one.

    Rates are few and exchanges many; reading the decimal takes longer than the exchange.
    """
    return Fraction(whole_for_whole) * Fraction(10**to_exponent, 10**from_exponent)
