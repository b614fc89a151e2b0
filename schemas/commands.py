"""Commands: what producers and operators may ask for. Input contracts, strict and closed.

Strict means: no coercion (`"10"` and `10.0` are not integers) and no unknown field. Amounts are checked
for their type only; whether an integer is in range is the ledger's answer `amount_out_of_range`.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, Union, get_args

from pydantic import BaseModel, Field, TypeAdapter, create_model

from schemas.contract import (
    AmountMinor,
    AssetCode,
    Command,
    Contract,
    ExecuteAt,
    InstrumentRef,
    OnTransaction,
    RailName,
    SubWalletName,
    Text,
    WalletId,
)
from schemas.fraud_commands import Lock, RequireStepUp, ScreeningVerdict
from schemas.operator_commands import (
    Adjust,
    ReleaseQuarantine,
    ResolveDispute,
    Reverse,
    SetLimits,
    SetTier,
    SetWalletState,
)
from schemas.settlement_updates import Fail, Return, Settle, Submit

RateId = Annotated[
    str,
    Field(pattern=r"^[A-Za-z0-9._:-]{1,64}$", description="The rate to use; the one that is valid if it is left out."),
]
LeastMinor = Annotated[
    int, Field(ge=1, description="Least that must be got for it, in minor units, or nothing is exchanged.")
]

#: The longest that an authorization holds money: well below the retention of transactions.
MAX_HOLD_S: Final = 365 * 86_400


class OpenWallet(Command):
    """Open a wallet with its first assets."""

    operation: Literal["open_wallet"]
    owner_ref: Annotated[Text, Field(description="The requester's reference to who owns the wallet.")]
    assets: Annotated[list[AssetCode], Field(min_length=1, max_length=64, description="Assets that it may hold.")]
    kind: Annotated[Literal["customer", "merchant", "partner"], Field(description="Whose wallet it is.")] = "customer"


class OpenSubWallet(Command):
    """Open a sub-wallet of a wallet.

    Money leaves an escrow as a transfer to the wallet that it names, or as a refund to where it came from, and no more
    than was put into it, whatever credit the wallet has. `main` is opened with the wallet. A wallet has at most 1,000
    accounts, which are its sub-wallets times its assets: one more is `limit_exceeded`.
    """

    operation: Literal["open_sub_wallet"]
    sub_wallet: SubWalletName
    kind: Annotated[
        Literal["main", "merchant", "loyalty", "escrow", "savings"], Field(description="What the sub-wallet is for.")
    ]
    payee_wallet_id: Annotated[
        WalletId | None,
        Field(description="The only wallet that an escrow may pay; an escrow must have one, others must not."),
    ] = None


class EnableAsset(Command):
    """Let a wallet, with all its sub-wallets, hold one more asset; `sub_wallet` is `main` or left out.

    A wallet has at most 1,000 accounts, which are its sub-wallets times its assets: more are `limit_exceeded`.
    """

    operation: Literal["enable_asset"]
    asset: AssetCode


class Credit(Command):
    """Money in over a rail."""

    operation: Literal["credit"]
    amount_minor: AmountMinor
    asset: AssetCode
    rail: RailName = "instant"
    instrument_ref: InstrumentRef | None = None
    execute_at: ExecuteAt | None = None


class Debit(Command):
    """Money out over a rail."""

    operation: Literal["debit"]
    amount_minor: AmountMinor
    asset: AssetCode
    rail: RailName = "instant"
    instrument_ref: InstrumentRef | None = None
    execute_at: ExecuteAt | None = None


class Transfer(Command):
    """Money from one wallet or sub-wallet to another."""

    operation: Literal["transfer"]
    amount_minor: AmountMinor
    asset: AssetCode
    to_wallet_id: Annotated[WalletId, Field(description="Id of the payee's wallet.")]
    to_sub_wallet: Annotated[SubWalletName, Field(description="The payee's sub-wallet.")] = "main"
    to_asset: Annotated[AssetCode | None, Field(description="Asset that the payee gets, if another one.")] = None
    rate_id: RateId | None = None
    min_to_amount_minor: LeastMinor | None = None
    execute_at: ExecuteAt | None = None


class Convert(Command):
    """Exchange money of a wallet for another asset."""

    operation: Literal["convert"]
    amount_minor: AmountMinor
    asset: AssetCode
    to_asset: Annotated[AssetCode, Field(description="Asset that the wallet gets.")]
    rate_id: RateId | None = None
    min_to_amount_minor: LeastMinor | None = None
    execute_at: ExecuteAt | None = None


class TakeFee(Command):
    """Take a fee from a wallet."""

    operation: Literal["fee"]
    amount_minor: AmountMinor
    asset: AssetCode
    code: Annotated[Text, Field(description="What it is for, as the tariff names it.")]
    execute_at: ExecuteAt | None = None


def _item(model: type[Command]) -> type[BaseModel]:
    """A command as an item of a batch: without what the batch says for all of them."""
    left_out = {*Command.model_fields, "execute_at"} - {"operation", "sub_wallet", "metadata"}
    fields: dict[str, Any] = {
        name: (field.rebuild_annotation(), field) for name, field in model.model_fields.items() if name not in left_out
    }
    return create_model(f"{model.__name__}Item", __base__=Contract, __doc__=model.__doc__, **fields)


#: Commands that a batch may be made of.
BATCHED: Final[tuple[type[Command], ...]] = (Credit, Debit, Transfer, Convert, TakeFee)
_ITEMS: Final = tuple(_item(model) for model in BATCHED)
BatchItem = Annotated[Union[_ITEMS], Field(discriminator="operation")]  # type: ignore[valid-type]  # noqa: UP007


class Reward(Command):
    """Give a wallet a reward, such as points; what is not spent of it in time is taken back.

    What expires soonest is spent first. What is given back of a spending comes back with its old time, and at least
    seven days. What the wallet moves to another of its sub-wallets is not spent, and expires there.
    """

    operation: Literal["reward"]
    amount_minor: AmountMinor
    asset: AssetCode
    code: Annotated[Text, Field(description="What it is for, as the programme names it.")]
    expires_in_s: Annotated[
        Annotated[int, Field(ge=1, le=MAX_HOLD_S)] | None,
        Field(description="Seconds until what is not spent is taken back, at most 365 days; never if it is left out."),
    ] = None


class Batch(Command):
    """Up to 100 operations of one wallet, all of them or none: only what posts in this wallet, over instant rails.

    `occurred_at`, `device` and `references` are said of each of them.
    """

    operation: Literal["batch"]
    items: Annotated[
        list[BatchItem], Field(min_length=1, max_length=100, description="The operations, in the order they are done.")
    ]


class CloseWallet(Command):
    """Close a wallet for good: it must be empty, with nothing under way; `sub_wallet` is `main` or left out."""

    operation: Literal["close_wallet"]


class Authorize(Command):
    """Hold money of a wallet for captures to come, until it expires."""

    operation: Literal["authorize"]
    amount_minor: AmountMinor
    asset: AssetCode
    expires_in_s: Annotated[
        int, Field(ge=1, le=MAX_HOLD_S, description="Seconds until what is still held goes back; at most 365 days.")
    ]


class Capture(OnTransaction):
    """Take held money: over a rail, or as a transfer to a payee. An authorization may be captured many times.

    With neither `rail` nor `to_wallet_id` it goes over the instant rail; both are `malformed`.
    """

    operation: Literal["capture"]
    amount_minor: Annotated[
        int | None, Field(description="Integer of minor units; all that is still held if it is left out.")
    ] = None
    final: Annotated[bool, Field(description="Whether what is left after it goes back at once.")] = False
    rail: RailName | None = None
    to_wallet_id: Annotated[WalletId | None, Field(description="Id of the payee's wallet.")] = None
    to_sub_wallet: Annotated[
        SubWalletName | None, Field(description="The payee's sub-wallet; `main` if it is left out.")
    ] = None


class Release(OnTransaction):
    """Give back what an authorization still holds."""

    operation: Literal["release"]


class Cancel(OnTransaction):
    """Undo a transaction of which nothing is settled, and which no rail has been given."""

    operation: Literal["cancel"]


class Refund(OnTransaction):
    """Give back what a debit, a capture or a transfer has moved, wholly or in part, and as often as there is some left.

    Asked for under the wallet that has the money to give: of a debit or a capture over a rail its own wallet, of a
    transfer or a capture to a payee the payee's.
    """

    operation: Literal["refund"]
    amount_minor: Annotated[
        int | None, Field(description="Integer of minor units; all that may still be refunded if it is left out.")
    ] = None


class Dispute(OnTransaction):
    """Contest a settled credit, debit or capture over a rail, wholly or in part: its money is set aside."""

    operation: Literal["dispute"]
    amount_minor: Annotated[
        int | None, Field(description="Integer of minor units; all that is left of it if it is left out.")
    ] = None
    reason: Annotated[Text, Field(description="Why, as the card scheme or the customer says.")]


#: Input topic -> the models of its records, told apart by `operation`. A topic's writers may give these commands and no
#: others.
REQUESTS: Final[dict[str, tuple[type[Command], ...]]] = {
    "transaction-requests": (
        *(OpenWallet, OpenSubWallet, EnableAsset),
        *(Credit, Debit, Transfer, Convert, TakeFee, Reward, Batch, CloseWallet),
        *(Authorize, Capture, Release),
        *(Cancel, Refund, Dispute),
    ),
    "operator-commands": (
        *(SetWalletState, SetLimits, SetTier, ReleaseQuarantine),
        *(Reverse, Adjust, ResolveDispute),
    ),
    "fraud-commands": (Lock, RequireStepUp, ScreeningVerdict),
    "settlement-updates": (Submit, Settle, Fail, Return),
}

#: Operation -> the topic of its commands, and their model.
OPERATIONS: Final[dict[str, tuple[str, type[Command]]]] = {
    get_args(model.model_fields["operation"].annotation)[0]: (topic, model)
    for topic, models in REQUESTS.items()
    for model in models
}

#: Input topic -> the contract of its records.
CONTRACTS: Final[dict[str, TypeAdapter[Any]]] = {
    topic: TypeAdapter(Annotated[Union[models], Field(discriminator="operation")])  # type: ignore[arg-type]  # noqa: UP007
    for topic, models in REQUESTS.items()
}
