"""Rails: the ways by which money enters and leaves. Reference data of the `rails` topic."""

from __future__ import annotations

import re
from typing import Annotated, Final, Literal, Self

from pydantic import ConfigDict, Field, field_validator, model_validator

from schemas.assets import ReferenceAssetCode
from schemas.contract import Contract, Text
from schemas.rail_settings import (
    Adapter,
    BatchLimits,
    ByAsset,
    CutOffs,
    MerchantReserve,
    Netting,
    PayoutLimits,
    RailFee,
    Retry,
)

#: Names of rails; accounts are named by them.
RAIL_NAME: Final = re.compile(r"^[a-z0-9_-]{1,64}$")


class Rail(Contract):
    """One rail. Money over an instant rail is settled when it is booked; over a deferred one when the rail says so.

    A deferred rail with an adapter is settled by the settlement role; without one by whoever writes
    `settlement-updates` for it.
    """

    model_config = ConfigDict(frozen=True)

    name: Annotated[str, Field(pattern=RAIL_NAME.pattern, description="Name that commands give as `rail`.")]
    settlement: Annotated[
        Literal["instant", "deferred"], Field(description="Whether booking settles or the rail settles later.")
    ]
    screening: Annotated[
        bool,
        Field(description="Whether money that leaves over it waits, held, until the fraud role says that it may go."),
    ] = False
    screening_deadline_s: Annotated[
        int, Field(ge=1, le=86_400, description="How long a verdict is waited for, in seconds.")
    ] = 900
    screening_silence: Annotated[
        Literal["fail", "review"],
        Field(description="Where none has come by then: the payment fails, or waits for a person's verdict."),
    ] = "fail"
    calendar: Annotated[
        Text | None,
        Field(
            description="Calendar of its business days: TARGET2, a country such as DE, a part of one such as DE-BY, a "
            "market such as XNYS, or several joined by `+`, all of which have to be open; none where every day is one."
        ),
    ] = None
    adapter: Annotated[
        Adapter | None, Field(description="What speaks to the rail; none: settlement does not care for it.")
    ] = None
    cut_offs: Annotated[CutOffs | None, Field(description="Times at which batches close on business days.")] = None
    netting: Annotated[
        Netting,
        Field(description="`gross`: an instruction for each transaction; `beneficiary`: one for each beneficiary."),
    ] = "gross"
    batches: Annotated[BatchLimits, Field(description="When batches close before their cut-off.")] = BatchLimits()
    payout_limits: Annotated[
        dict[ReferenceAssetCode, PayoutLimits], Field(description="Most that may go out, by asset.")
    ] = Field(default_factory=dict)
    prefunded: Annotated[
        bool,
        Field(
            description="Whether payouts go only as far as money lies with the rail; else it pays first and asks later."
        ),
    ] = True
    minimum_reserve_minor: Annotated[
        ByAsset, Field(description="What has to stay with the rail, by asset, in minor units; 0 where none is named.")
    ] = Field(default_factory=dict)
    merchant_reserve: Annotated[
        MerchantReserve | None, Field(description="What of merchants' money is kept back for some time.")
    ] = None
    fees: Annotated[
        dict[ReferenceAssetCode, RailFee], Field(description="What the rail is expected to charge, by asset.")
    ] = Field(default_factory=dict)
    retry: Annotated[Retry, Field(description="How it is called, and when it is left alone.")] = Retry()

    @field_validator("calendar")
    @classmethod
    def _calendar_is_known(cls, calendar: str | None) -> str | None:
        if calendar is not None:
            # Not above: `holidays` costs a start tens of milliseconds, and few records have a calendar.
            from schemas.business_days import check_calendar

            check_calendar(calendar)
        return calendar

    @model_validator(mode="after")
    def _can_be_settled(self) -> Self:
        if self.adapter is None:
            return self
        if self.settlement == "instant":
            raise ValueError(
                "an instant rail settles what it books and has no adapter; leave it out or make it deferred"
            )
        if self.cut_offs is None and self.batches.max_age_s is None:
            raise ValueError("nothing would close a batch that stays small: give cut_offs or batches.max_age_s")
        return self


#: The rail that is always there.
INSTANT: Final = Rail(name="instant", settlement="instant")
