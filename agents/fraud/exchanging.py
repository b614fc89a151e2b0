"""What an amount is in another asset, for rules that add up several: the same on the stream and in a backtest. Pure."""

from __future__ import annotations

from collections.abc import Callable

from agents.ledger.exchange import minor_for_minor
from schemas.assets import Asset
from schemas.fx_rates import Rates
from schemas.money import INT64_MAX


def exchanged_minor(
    amount_minor: int, from_asset: str, to_asset: str, t_ms: int, rates: Rates, asset_of: Callable[[str], Asset | None]
) -> int | None:
    """An amount in minor units of another asset at the rate of an event time, floored; None where there is none.

    Nothing is booked by it, so it may come to 0; what is more than any amount comes to the largest one.

    Args:
        t_ms: event time in milliseconds since 1970.
        asset_of: the asset of a code; None for one that is not known and so not exchanged.
    """
    given, wanted, rate = asset_of(from_asset), asset_of(to_asset), rates.between(from_asset, to_asset, t_ms)
    if given is None or wanted is None or rate is None:
        return None
    fraction = minor_for_minor(rate, given, wanted)
    return max(-INT64_MAX, min(amount_minor * fraction.numerator // fraction.denominator, INT64_MAX))
