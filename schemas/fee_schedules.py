"""Fee schedules: what an operation costs. Reference data of the `fee-schedules` topic."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import Annotated, Final, Literal, Self, get_args

from pydantic import ConfigDict, Field, model_validator

from schemas.assets import ReferenceAssetCode
from schemas.contract import Contract
from schemas.money import INT64_MAX

#: Operations that may cost something. Of disputes only one of a credit does: who was paid bears it.
ChargedOperation = Literal["credit", "debit", "transfer", "authorize", "capture", "convert", "refund", "dispute"]
WalletKind = Literal["customer", "merchant", "partner"]

WALLET_KINDS: Final[tuple[str, ...]] = get_args(WalletKind)
#: What a fee is asked for by: operation, kind of the wallet that pays it, asset.
FeeKey = tuple[str, str, str]

_Minor = Annotated[int, Field(ge=0, le=INT64_MAX)]


class FeeBand(Contract):
    """What amounts within one band cost: the flat part and the part of the whole amount, together."""

    model_config = ConfigDict(frozen=True)

    up_to_minor: Annotated[
        Annotated[int, Field(ge=1, le=INT64_MAX)] | None,
        Field(description="Largest amount of the band, in minor units; none in the last band, which takes the rest."),
    ] = None
    flat_minor: Annotated[_Minor, Field(description="Flat part in minor units.")]
    basis_points: Annotated[
        int, Field(ge=0, le=10_000, description="Part of the whole amount in hundredths of a percent.")
    ]


class FeeSchedule(Contract):
    """What one operation costs wallets of one kind, or of any kind, in one asset.

    A flat fee, or a percentage, is a single band.
    """

    model_config = ConfigDict(frozen=True)

    name: Annotated[str, Field(pattern=r"^[a-z0-9_-]{1,64}$", description="Name of the schedule; the record's key.")]
    version: Annotated[int, Field(ge=1, le=INT64_MAX, description="Higher with every change.")]
    operation: Annotated[ChargedOperation, Field(description="Operation that costs it.")]
    wallet_kind: Annotated[
        WalletKind | None, Field(description="Kind of the wallets that pay it; none: every kind without its own.")
    ] = None
    asset: Annotated[ReferenceAssetCode, Field(description="Asset of the amount, and of the fee.")]
    tiers: Annotated[
        tuple[FeeBand, ...],
        Field(min_length=1, max_length=100, description="Bands from small to large amounts; one is chosen by amount."),
    ]
    min_minor: Annotated[_Minor | None, Field(description="Least fee in minor units.")] = None
    max_minor: Annotated[_Minor | None, Field(description="Largest fee in minor units.")] = None
    refundable: Annotated[bool, Field(description="Whether a refund gives the fee back.")]

    @model_validator(mode="after")
    def _fits_itself(self) -> Self:
        *bounds, last = [band.up_to_minor for band in self.tiers]
        if last is not None:
            raise ValueError("the last of the tiers must have no up_to_minor, or larger amounts have no fee")
        limits = [bound for bound in bounds if bound is not None]
        if len(limits) < len(bounds):
            raise ValueError("only the last of the tiers may be without up_to_minor")
        if any(above <= below for below, above in pairwise(limits)):
            raise ValueError("the up_to_minor of the tiers must ascend")
        if self.min_minor is not None and self.max_minor is not None and self.min_minor > self.max_minor:
            raise ValueError("min_minor must not be above max_minor")
        if self.operation == "dispute" and self.refundable:
            raise ValueError("what a dispute costs is kept however it ends: refundable must be false")
        return self


def by_what_is_charged(schedules: Iterable[FeeSchedule]) -> dict[FeeKey, FeeSchedule]:
    """The schedule that counts for each operation, kind of wallet and asset.

    One of the wallet's own kind counts more than one of any kind; of several of the same sort the first by name
    counts, so that which one does not depend on the order in which they were written.
    """
    chosen: dict[FeeKey, FeeSchedule] = {}
    in_order = sorted(schedules, key=lambda schedule: schedule.name, reverse=True)
    for schedule in sorted(in_order, key=lambda schedule: schedule.wallet_kind is not None):
        for kind in WALLET_KINDS if schedule.wallet_kind is None else (schedule.wallet_kind,):
            chosen[schedule.operation, kind, schedule.asset] = schedule
    return chosen
