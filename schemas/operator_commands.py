"""Commands of operators: each asked for by one person and approved by another."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from schemas.assets import ReferenceAssetCode
from schemas.contract import AmountMinor, AssetCode, OnTransaction, OperatorCommand, Text
from schemas.money import INT64_MAX
from schemas.tiers import AssetLimits


class SetWalletState(OperatorCommand):
    """Activate, lock, disable or close a wallet with all its sub-wallets; `sub_wallet` is `main` or left out."""

    operation: Literal["set_wallet_state"]
    state: Annotated[Literal["active", "locked", "disabled", "closed"], Field(description="State that it shall have.")]


class ReleaseQuarantine(OperatorCommand):
    """Take a wallet out of quarantine and apply what was parked, in order.

    Accepted at once. Of more than 200 parked records the rest is applied in portions of so many; the wallet stays under
    quarantine until the last one.
    """

    operation: Literal["release_quarantine"]


class OperatorCommandOnTransaction(OnTransaction, OperatorCommand):
    """What an operator command on a transaction carries."""


class OwnLimits(AssetLimits):
    """What is agreed with one wallet about one asset. What is left out is as its tier says."""

    credit_limit_minor: Annotated[
        Annotated[int, Field(ge=0, le=INT64_MAX)] | None,
        Field(description="How far below zero all sub-wallets together may go, in minor units."),
    ] = None


class SetLimits(OperatorCommand):
    """Agree limits and policies with a wallet, in place of all that were agreed before."""

    operation: Literal["set_limits"]
    limits: Annotated[
        dict[ReferenceAssetCode, OwnLimits], Field(max_length=64, description="Limits by the code of the asset.")
    ]
    over_capture_bps: Annotated[
        int, Field(ge=0, le=10_000, description="How much more than authorized may be captured, in basis points of it.")
    ] = 0
    refunds_below_zero: Annotated[
        bool, Field(description="Whether its refunds may take what is available below zero.")
    ] = False


class SetTier(OperatorCommand):
    """Put a wallet into a tier: its limits count where the wallet has none of its own."""

    operation: Literal["set_tier"]
    tier: Annotated[str, Field(pattern=r"^[a-z0-9_-]{1,64}$", description="Name of the tier.")]


class Reverse(OperatorCommandOnTransaction):
    """Take back what is left of a settled transaction, even where the wallet has not enough: then it owes it.

    Money that went to or came from a rail is set against `system/adjustments`, or against the rail itself where its
    reference proves that it was returned. Of a transfer it is asked for under the payee's wallet.
    """

    operation: Literal["reverse"]
    rail_reference: Annotated[
        Text | None, Field(description="The rail's reference of the return, where it was returned there.")
    ] = None


AccountName = Annotated[
    str,
    Field(
        pattern=r"^([A-Za-z0-9_-]{1,64}/[a-z0-9_-]{1,32}/[a-z]{1,16}|system/[a-z]{1,16}(:[a-z0-9_-]{1,64})?)$",
        description="`wallet/sub-wallet/available`, or `system/<name>` in the partition of the command's wallet.",
    ),
]


class Adjust(OperatorCommand):
    """Move money between two accounts of the wallet's partition, to put right what nothing else can."""

    operation: Literal["adjust"]
    from_account: AccountName
    to_account: AccountName
    amount_minor: AmountMinor
    asset: AssetCode
    exception_id: Annotated[Text | None, Field(description="The exception that it puts right.")] = None


class ResolveDispute(OperatorCommandOnTransaction):
    """End a dispute: won or lost from the view of the wallet named."""

    operation: Literal["resolve_dispute"]
    won: Annotated[bool, Field(description="Whether the wallet keeps, or gets, the money.")]
