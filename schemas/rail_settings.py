"""How a deferred rail is settled: parts of a rail's record."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import ConfigDict, Field, field_validator, model_validator

from schemas.assets import ReferenceAssetCode
from schemas.contract import Contract
from schemas.money import INT64_MAX

Minor = Annotated[int, Field(ge=0, le=INT64_MAX)]
#: At least one minor unit.
SomeMinor = Annotated[int, Field(ge=1, le=INT64_MAX)]
TimeOfDay = Annotated[str, Field(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]
BasisPoints = Annotated[int, Field(ge=0, le=10_000)]
#: Values by asset.
ByAsset = dict[ReferenceAssetCode, Minor]
#: How instructions are made of a batch's transactions.
Netting = Literal["gross", "beneficiary"]

_YEAR_S = 366 * 86_400
_DAY_MS = 86_400_000


class Adapter(Contract):
    """What speaks to the rail: its kind, and the settings that this kind knows."""

    model_config = ConfigDict(frozen=True)

    kind: Annotated[
        str,
        Field(
            pattern=r"^[a-z0-9_]{1,32}$", description="Kind of the adapter, such as `iso20022`, `csv` or `simulated`."
        ),
    ]
    settings: Annotated[
        dict[str, Any], Field(max_length=100, description="Settings of an adapter of this kind; no secrets, no paths.")
    ] = Field(default_factory=dict)


class CutOffs(Contract):
    """When what is to go on a business day has to be handed over; what comes later goes with the next one."""

    model_config = ConfigDict(frozen=True)

    time_zone: Annotated[
        str, Field(min_length=1, max_length=64, description="Time zone of the times, such as `Europe/Berlin`.")
    ] = "UTC"
    times: Annotated[
        tuple[TimeOfDay, ...],
        Field(
            min_length=1, max_length=48, description="Times of a business day at which batches close, such as 15:30."
        ),
    ]

    @field_validator("time_zone")
    @classmethod
    def _is_one(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (KeyError, ValueError, OSError):  # none, or a path that leads out of the database
            raise ValueError(f"{name!r} is no time zone; names are those of the IANA, such as Europe/Berlin") from None
        return name


class BatchLimits(Contract):
    """When an open batch closes before its cut-off."""

    model_config = ConfigDict(frozen=True)

    max_transactions: Annotated[
        int, Field(ge=1, le=2_000, description="It closes with so many transactions in it.")
    ] = 1_000
    max_age_s: Annotated[
        Annotated[int, Field(ge=1, le=_YEAR_S)] | None,
        Field(description="It closes so long after it was opened; none: only cut-offs and size close it."),
    ] = None


class PayoutLimits(Contract):
    """Most that may go out over a rail in one asset, in minor units; none: as much as there is."""

    model_config = ConfigDict(frozen=True)

    transaction_minor: Annotated[SomeMinor | None, Field(description="Most of a single transaction.")] = None
    batch_minor: Annotated[SomeMinor | None, Field(description="Most of one batch; more goes with the next.")] = None
    day_minor: Annotated[SomeMinor | None, Field(description="Most of a UTC day; more waits for the next.")] = None

    @model_validator(mode="after")
    def _ascends(self) -> Self:
        limits = [one for one in (self.transaction_minor, self.batch_minor, self.day_minor) if one is not None]
        if limits != sorted(limits):
            raise ValueError("transaction_minor must not be above batch_minor, nor either above day_minor")
        return self


class MerchantReserve(Contract):
    """Part of what merchants receive over the rail that is kept back for some time."""

    model_config = ConfigDict(frozen=True)

    basis_points: Annotated[BasisPoints, Field(description="Part kept back, in hundredths of a percent; floored.")]
    days: Annotated[int, Field(ge=1, le=540, description="Days of 24 hours after which it is released.")]


class RailFee(Contract):
    """What the rail itself is expected to charge in one asset: all parts together."""

    model_config = ConfigDict(frozen=True)

    batch_minor: Annotated[Minor, Field(description="For each batch, in minor units.")] = 0
    instruction_minor: Annotated[Minor, Field(description="For each instruction, in minor units.")] = 0
    basis_points: Annotated[
        BasisPoints, Field(description="Part of an instruction's amount, in hundredths of a percent; floored.")
    ] = 0


class Retry(Contract):
    """How the rail is called: how long to wait for it, and what to do when it does not answer."""

    model_config = ConfigDict(frozen=True)

    timeout_ms: Annotated[
        int, Field(ge=10, le=600_000, description="A call that takes longer has an unknown result.")
    ] = 30_000
    first_ms: Annotated[int, Field(ge=1, le=_DAY_MS, description="Pause after the first failure; it doubles.")] = 1_000
    longest_ms: Annotated[int, Field(ge=1, le=_DAY_MS, description="Longest pause.")] = 300_000
    breaker_failures: Annotated[
        int, Field(ge=1, le=1_000, description="Failures in a row after which the rail is left alone for some time.")
    ] = 5
    breaker_open_ms: Annotated[
        int, Field(ge=1, le=_DAY_MS, description="How long; then a single call tries whether it is back.")
    ] = 60_000
    poll_ms: Annotated[int, Field(ge=1, le=_DAY_MS, description="How often answers are looked for.")] = 5_000
    max_parallel: Annotated[int, Field(ge=1, le=64, description="Batches handed over at the same time.")] = 4

    @model_validator(mode="after")
    def _first_below_longest(self) -> Self:
        if self.first_ms > self.longest_ms:
            raise ValueError("first_ms must not be above longest_ms")
        return self
