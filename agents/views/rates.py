"""Rates between assets, as whoever asks gives them, and what an amount comes to by one: exact, then floored. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple, Protocol


class Rate(NamedTuple):
    """Minor units of `to_asset` for one minor unit of `from_asset`, as a fraction."""

    from_asset: str
    to_asset: str
    numerator: int
    denominator: int
    rate_id: str


class Converted(NamedTuple):
    """An amount in the asset that was asked for, and the rate that led there."""

    amount_minor: int
    rate_id: str


class Converting(Protocol):
    """Whatever knows rates."""

    def convert(self, amount_minor: int, from_asset: str, to_asset: str) -> Converted | None:
        """The amount in `to_asset`, in minor units; None where there is no rate. The assets differ."""


class Rates:
    """A table of rates, each for one direction: nothing is inverted and nothing is chained."""

    def __init__(self, rates: Iterable[Rate] = ()):
        """
        Raises:
            ValueError: a fraction is not above 0, or two rates lead from one asset to the same other one.
        """
        found: dict[tuple[str, str], Rate] = {}
        for rate in rates:
            pair = rate.from_asset, rate.to_asset
            if rate.numerator <= 0 or rate.denominator <= 0:
                raise ValueError(f"rate {rate.rate_id!r}: {rate.numerator}/{rate.denominator} is not above 0")
            if pair in found:
                raise ValueError(
                    f"rates {found[pair].rate_id!r} and {rate.rate_id!r} both lead from {pair[0]} to {pair[1]}: leave "
                    "one of them out"
                )
            found[pair] = rate
        self._rates: Mapping[tuple[str, str], Rate] = found

    def convert(self, amount_minor: int, from_asset: str, to_asset: str) -> Converted | None:
        """The amount in `to_asset`, floored, a negative one away from zero; None where there is no rate."""
        rate = self._rates.get((from_asset, to_asset))
        if rate is None:
            return None
        return Converted(amount_minor * rate.numerator // rate.denominator, rate.rate_id)
