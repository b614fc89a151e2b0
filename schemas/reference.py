"""Reference data: what a decision may ask beside the state. One immutable value; news makes another one.

A decision writes what it took from here into its event, so that folding the log never needs any of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final, TypeVar

from pydantic import ValidationError

from schemas import topics
from schemas.assets import Asset, AssetRegistry
from schemas.contract import Contract
from schemas.fee_schedules import FeeKey, FeeSchedule, by_what_is_charged
from schemas.fraud_lists import FraudList
from schemas.fx_rates import FxRate, Rates
from schemas.rails import INSTANT, Rail
from schemas.tiers import Tier

#: Topic of reference data -> the contract of its records.
REFERENCE_CONTRACTS: Final[Mapping[str, type[Contract]]] = {
    topics.ASSETS: Asset,
    topics.RAILS: Rail,
    topics.TIERS: Tier,
    topics.FEE_SCHEDULES: FeeSchedule,
    topics.FX_RATES: FxRate,
    topics.LISTS: FraudList,
}
#: Topic -> the field that is the record's key.
KEY_FIELDS: Final[Mapping[str, str]] = {
    topics.ASSETS: "code",
    topics.RAILS: "name",
    topics.TIERS: "name",
    topics.FEE_SCHEDULES: "name",
    topics.FX_RATES: "rate_id",
    topics.LISTS: "name",
}

_V = TypeVar("_V")
_Versioned = Tier | FeeSchedule | FraudList


@dataclass(frozen=True, slots=True)
class Reference:
    """What the compacted topics of reference data say at one moment."""

    assets: AssetRegistry = field(default_factory=AssetRegistry)
    #: By name; `instant` is always there.
    rails: Mapping[str, Rail] = field(default_factory=lambda: MappingProxyType({INSTANT.name: INSTANT}))
    #: By name.
    tiers: Mapping[str, Tier] = field(default_factory=lambda: MappingProxyType({}))
    #: By name. Decisions ask `fees`.
    fee_schedules: Mapping[str, FeeSchedule] = field(default_factory=lambda: MappingProxyType({}))
    #: The schedule that counts, by operation, kind of wallet and asset; free where there is none.
    fees: Mapping[FeeKey, FeeSchedule] = field(default_factory=lambda: MappingProxyType({}))
    rates: Rates = field(default_factory=Rates)
    #: By name.
    lists: Mapping[str, FraudList] = field(default_factory=lambda: MappingProxyType({}))

    def with_record(self, topic: str, key: str, value: bytes | None) -> Reference:
        """What it says after one more record of a topic (its short name); None is a tombstone, which removes.

        Raises:
            ValueError: the record does not fit its contract, its key or what is known; the message says why.
        """
        if value is None:
            return self._without(topic, key)
        record = read_record(topic, value)
        named = getattr(record, KEY_FIELDS[topic])
        if named != key:
            raise ValueError(f"the record's key is {key!r}, but its {KEY_FIELDS[topic]} is {named!r}: they must agree")
        match record:
            case Asset():
                return replace(self, assets=self.assets.with_registered(record))
            case Rail():
                if key == INSTANT.name and record != INSTANT:
                    raise ValueError(f"the rail {key} is built in and cannot be changed; give the rail another name")
                return replace(self, rails=_with(self.rails, key, record))
            case Tier():
                _check_version(self.tiers.get(key), record)
                return replace(self, tiers=_with(self.tiers, key, record))
            case FeeSchedule():
                _check_version(self.fee_schedules.get(key), record)
                return self._charging(_with(self.fee_schedules, key, record))
            case FxRate():
                return replace(self, rates=self.rates.with_rate(record))
            case FraudList():
                _check_version(self.lists.get(key), record)
                return replace(self, lists=_with(self.lists, key, record))
        raise TypeError(f"nothing is done with a {type(record).__name__}")

    def _without(self, topic: str, key: str) -> Reference:
        match topic:
            case topics.ASSETS:
                return replace(self, assets=self.assets.without(key))
            case topics.RAILS:
                if key == INSTANT.name:
                    raise ValueError(f"the rail {key} is built in and cannot be removed")
                return replace(self, rails=_without(self.rails, key))
            case topics.TIERS:
                return replace(self, tiers=_without(self.tiers, key))
            case topics.FEE_SCHEDULES:
                return self._charging(_without(self.fee_schedules, key))
            case topics.FX_RATES:
                return replace(self, rates=self.rates.without(key))
            case topics.LISTS:
                return replace(self, lists=_without(self.lists, key))
        raise _no_such_topic(topic)

    def _charging(self, schedules: Mapping[str, FeeSchedule]) -> Reference:
        fees = MappingProxyType(by_what_is_charged(schedules.values()))
        return replace(self, fee_schedules=schedules, fees=fees)


@lru_cache(maxsize=16_384)
def read_record(topic: str, value: bytes) -> Contract:
    """The record of a topic of reference data (its short name), by its contract.

    The machines of a worker read the same records one after the other, and share them.

    Raises:
        ValueError: it does not fit the contract; the message names each field that is wrong.
    """
    contract = REFERENCE_CONTRACTS.get(topic)
    if contract is None:
        raise _no_such_topic(topic)
    try:
        return contract.model_validate_json(value)
    except ValidationError as error:
        raise ValueError("; ".join(map(_told, error.errors(include_url=False, include_input=False)))) from None


def _told(error: Any) -> str:
    """One error of pydantic: the field, then what is wrong with it."""
    said = error["msg"].removeprefix("Value error, ")
    where = ".".join(map(str, error["loc"]))
    return f"{where}: {said}" if where else said


def _no_such_topic(topic: str) -> ValueError:
    return ValueError(f"{topic!r} is no topic of reference data; there are {', '.join(REFERENCE_CONTRACTS)}")


def _check_version(known: _Versioned | None, record: _Versioned) -> None:
    """Events name the version that was used: two that differ must not have the same.

    Raises:
        ValueError: the record changes what is known without a higher version.
    """
    if known is not None and known != record and record.version <= known.version:
        raise ValueError(
            f"version: {record.name} is at version {known.version}; a change needs a higher one than {record.version}"
        )


def _with(known: Mapping[str, _V], key: str, record: _V) -> Mapping[str, _V]:
    return MappingProxyType({**known, key: record})


def _without(known: Mapping[str, _V], key: str) -> Mapping[str, _V]:
    return MappingProxyType({name: record for name, record in known.items() if name != key})
