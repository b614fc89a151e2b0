"""What operators order of the settlement role: records of `settlement-commands`. Input contracts, strict and closed."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import Field, TypeAdapter

from schemas.contract import AssetCode, Contract, Text
from schemas.money import INT64_MAX

_RailKey = Annotated[str, Field(pattern=r"^[a-z0-9_-]{1,64}$", description="Name of the rail; the record's key.")]
_BatchId = Annotated[str, Field(pattern=r"^[0-9a-f]{24}$", description="The batch.")]
_PositiveMinor = Annotated[int, Field(ge=1, le=INT64_MAX, description="Integer of minor units.")]


class SettlementCommand(Contract):
    """What every command carries."""

    rail: _RailKey
    command_id: Annotated[Text, Field(description="One for each intent: what has it a second time does nothing.")]
    by: Annotated[Text, Field(description="Who orders it.")]
    reason: Annotated[Text, Field(description="Why.")]


class Fund(SettlementCommand):
    """Money was put at the rail's disposal: what waits for it goes on."""

    kind: Annotated[Literal["fund"], Field(description="What is ordered.")]
    asset: AssetCode
    amount_minor: _PositiveMinor
    reference: Annotated[Text | None, Field(description="Reference of the bank transfer.")] = None


class Withdraw(SettlementCommand):
    """Money was taken back from the rail; refused where batches under way or the minimum reserve need it."""

    kind: Annotated[Literal["withdraw"], Field(description="What is ordered.")]
    asset: AssetCode
    amount_minor: _PositiveMinor
    reference: Annotated[Text | None, Field(description="Reference of the bank transfer.")] = None


class Retry(SettlementCommand):
    """Try a batch again now that waits for its next attempt or has none left."""

    kind: Annotated[Literal["retry"], Field(description="What is ordered.")]
    batch_id: _BatchId


class Release(SettlementCommand):
    """Let a transaction go that is larger than the rail's payout limit, or that a merchant's reserve keeps back."""

    kind: Annotated[Literal["release"], Field(description="What is ordered.")]
    transaction_id: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$", description="The transaction.")]


class Abandon(SettlementCommand):
    """Give up a batch that no attempt can have brought to the rail: its transactions fail, and the money goes back."""

    kind: Annotated[Literal["abandon"], Field(description="What is ordered.")]
    batch_id: _BatchId


AnySettlementCommand = Annotated[Fund | Withdraw | Retry | Release | Abandon, Field(discriminator="kind")]
_ADAPTER: Final[TypeAdapter[Any]] = TypeAdapter(AnySettlementCommand)


def read_settlement_command(value: bytes) -> Fund | Withdraw | Retry | Release | Abandon:
    """One record of `settlement-commands`.

    Raises:
        pydantic.ValidationError: it does not fit its contract.
    """
    command: Fund | Withdraw | Retry | Release | Abandon = _ADAPTER.validate_json(value)
    return command
