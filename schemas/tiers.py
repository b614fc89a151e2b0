"""Tiers: how much a wallet of a tier may move and hold. Reference data of the `tiers` topic."""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field

from schemas.assets import ReferenceAssetCode
from schemas.contract import Contract
from schemas.money import INT64_MAX

_Minor = Annotated[int, Field(ge=0, le=INT64_MAX)]


class WindowLimit(Contract):
    """How much a wallet may move within one calendar hour, day or month of partition time, in UTC."""

    model_config = ConfigDict(frozen=True)

    count: Annotated[
        Annotated[int, Field(ge=0, le=INT64_MAX)] | None, Field(description="Most transactions; none: any number.")
    ] = None
    sum_minor: Annotated[_Minor | None, Field(description="Most minor units in all; none: any sum.")] = None


class AssetLimits(Contract):
    """Limits in one asset. What is left out is not limited."""

    model_config = ConfigDict(frozen=True)

    single_max_minor: Annotated[_Minor | None, Field(description="Most minor units of one transaction.")] = None
    hour: Annotated[WindowLimit | None, Field(description="Limit of each calendar hour.")] = None
    day: Annotated[WindowLimit | None, Field(description="Limit of each calendar day.")] = None
    month: Annotated[WindowLimit | None, Field(description="Limit of each calendar month.")] = None
    balance_cap_minor: Annotated[_Minor | None, Field(description="Most minor units that a wallet may hold.")] = None


class Tier(Contract):
    """One tier. A wallet of it has these limits, asset by asset; an asset that is not named has none."""

    model_config = ConfigDict(frozen=True)

    name: Annotated[
        str, Field(pattern=r"^[a-z0-9_-]{1,64}$", description="Name that `set_tier` gives; the record's key.")
    ]
    version: Annotated[int, Field(ge=1, le=INT64_MAX, description="Higher with every change.")]
    limits: Annotated[
        dict[ReferenceAssetCode, AssetLimits], Field(max_length=1_000, description="Limits by the code of the asset.")
    ]
