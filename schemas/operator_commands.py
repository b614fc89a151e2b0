"""Commands of operators: each asked for by one person and approved by another."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from schemas.contract import AmountMinor, AssetCode, OnTransaction, OperatorCommand, Text


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
