"""Exchange rates. Reference data of the `fx-rates` topic, and the lookup that decisions use."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Annotated, Final, NamedTuple, Self

from pydantic import ConfigDict, Field, model_validator

from schemas.assets import ReferenceAssetCode
from schemas.clock import unix_ms
from schemas.contract import Contract, Text, Timestamp

#: Units of the quote asset for one whole unit of the base asset, exact. Twelve digits before and after the point.
Price = Annotated[
    str,
    Field(
        pattern=r"^(0|[1-9][0-9]{0,11})(\.[0-9]{1,12})?$",
        description="Decimal number above 0, as text: units of `quote` for one whole unit of `base`.",
    ),
]


class FxRate(Contract):
    """One exchange rate, valid from `valid_from` until just before `valid_until` of partition time."""

    model_config = ConfigDict(frozen=True)

    rate_id: Annotated[
        str, Field(pattern=r"^[A-Za-z0-9._:-]{1,64}$", description="Id that commands may ask for; the record's key.")
    ]
    base: Annotated[ReferenceAssetCode, Field(description="Asset of which the price is.")]
    quote: Annotated[ReferenceAssetCode, Field(description="Asset in which the price is.")]
    bid: Annotated[Price, Field(description="What one whole unit of `base` is bought for, in `quote`.")]
    ask: Annotated[Price, Field(description="What one whole unit of `base` is sold for, in `quote`; not below `bid`.")]
    source: Annotated[Text, Field(description="Where the rate comes from, such as ecb.")]
    valid_from: Annotated[Timestamp, Field(description="First moment at which it may be used.")]
    valid_until: Annotated[Timestamp, Field(description="First moment at which it may not be used any more.")]

    @model_validator(mode="after")
    def _fits_itself(self) -> Self:
        if self.base == self.quote:
            raise ValueError("base and quote are the same asset")
        bid, ask = Fraction(self.bid), Fraction(self.ask)
        if bid <= 0:
            raise ValueError("bid must be above 0")
        if bid > ask:
            raise ValueError("bid must not be above ask, or every exchange to and fro would gain")
        if self.valid_from >= self.valid_until:
            raise ValueError("valid_until must be later than valid_from")
        return self


class _Dated(NamedTuple):
    """A rate in the order of its pair: the later its begin, the better; then by `rate_id`."""

    from_ms: int
    rate_id: str
    until_ms: int
    rate: FxRate


_Pair = tuple[str, str]
_NONE: Final[tuple[_Dated, ...]] = ()


class Rates:
    """The exchange rates that a ledger knows. Immutable; another rate makes another one."""

    __slots__ = ("_by_id", "_by_pair")

    def __init__(self) -> None:
        self._by_id: Mapping[str, _Dated] = {}
        #: Both assets in order of their codes -> the pair's rates, best first.
        self._by_pair: Mapping[_Pair, tuple[_Dated, ...]] = {}

    def get(self, rate_id: str) -> FxRate | None:
        """The rate of this id, valid or not; None where there is none."""
        found = self._by_id.get(rate_id)
        return None if found is None else found.rate

    def between(self, from_asset: str, to_asset: str, now_ms: int, rate_id: str | None = None) -> FxRate | None:
        """The rate at which `from_asset` is exchanged for `to_asset` at `now_ms`, partition time in Unix milliseconds.

        Either asset may be its base. Of several valid rates the one that became valid last is taken, of those the
        last by `rate_id`. A rate that is asked for by its id must be of this pair and valid too. None where there is
        no such rate.
        """
        for from_ms, an_id, until_ms, rate in self._by_pair.get(_pair(from_asset, to_asset), _NONE):
            if from_ms <= now_ms < until_ms and rate_id in (None, an_id):
                return rate
        return None

    def with_rate(self, rate: FxRate) -> Rates:
        """Rates that have this one too, in place of the one that had its id."""
        dated = _Dated(unix_ms(rate.valid_from), rate.rate_id, unix_ms(rate.valid_until), rate)
        by_id, by_pair = self._all_but(rate.rate_id)
        by_id[rate.rate_id] = dated
        pair = _pair(rate.base, rate.quote)
        by_pair[pair] = tuple(sorted((dated, *by_pair.get(pair, _NONE)), key=_best_first, reverse=True))
        return self._changed(by_id, by_pair)

    def without(self, rate_id: str) -> Rates:
        """Rates that do not have the one of this id; itself where there is none."""
        return self._changed(*self._all_but(rate_id)) if rate_id in self._by_id else self

    def _all_but(self, rate_id: str) -> tuple[dict[str, _Dated], dict[_Pair, tuple[_Dated, ...]]]:
        by_id, by_pair = dict(self._by_id), dict(self._by_pair)
        gone = by_id.pop(rate_id, None)
        if gone is not None:
            pair = _pair(gone.rate.base, gone.rate.quote)
            rest = tuple(dated for dated in by_pair.pop(pair) if dated.rate_id != rate_id)
            if rest:
                by_pair[pair] = rest
        return by_id, by_pair

    @staticmethod
    def _changed(by_id: Mapping[str, _Dated], by_pair: Mapping[_Pair, tuple[_Dated, ...]]) -> Rates:
        rates = Rates()
        rates._by_id, rates._by_pair = by_id, by_pair
        return rates


def _pair(one: str, other: str) -> _Pair:
    return (one, other) if one < other else (other, one)


def _best_first(dated: _Dated) -> tuple[int, str]:
    return dated.from_ms, dated.rate_id
