"""What rails say of transactions, as the settlement role tells the ledger."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from schemas.contract import AmountMinor, OnTransaction, Text

RailReference = Annotated[Text, Field(description="The rail's own reference: one for each thing that it did.")]
RailCode = Annotated[Text, Field(description="The rail's own reason.")]
BusinessDate = Annotated[
    str,
    Field(pattern=r"^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$", description="A day, such as `2026-11-28`."),
]


class Submit(OnTransaction):
    """The transaction goes to its rail in this batch: from now on it cannot be canceled."""

    operation: Literal["submit"]
    batch_id: Annotated[Text, Field(description="The settlement batch.")]


class Settle(OnTransaction):
    """The rail has settled the transaction, wholly or in part; what it has not settled goes back.

    One that contradicts the ledger - the transaction failed, was canceled or was settled under another reference - is
    kept between the rail and `system/suspense`.
    """

    operation: Literal["settle"]
    rail_reference: RailReference
    settled_minor: Annotated[
        int | None, Field(description="Integer of minor units; the whole amount if it is left out.")
    ] = None
    rail_fee_minor: Annotated[
        int | None, Field(description="What the rail keeps for itself, in minor units: we bear it.")
    ] = None
    value_date: BusinessDate | None = None


class Fail(OnTransaction):
    """The rail has refused the transaction: everything goes back."""

    operation: Literal["fail"]
    code: RailCode


class Return(OnTransaction):
    """The rail has taken a settled transaction back, wholly or in part. Never refused: the wallet may owe it.

    Of one that failed or was canceled it is kept between the rail and `system/suspense`.
    """

    operation: Literal["return"]
    amount_minor: AmountMinor
    rail_reference: RailReference
    code: RailCode
