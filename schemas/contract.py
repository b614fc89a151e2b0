"""What all commands have in common: their fields, and how strictly they are read. They are in `schemas.commands`.

Strict means: no coercion (`"10"` and `10.0` are not integers) and no unknown field. Amounts are checked
for their type only; whether an integer is in range is the ledger's answer `amount_out_of_range`.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, ClassVar, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

WalletId = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$", description="Id of a wallet; the record's key.")]
SubWalletName = Annotated[str, Field(pattern=r"^[a-z0-9_-]{1,32}$", description="Name of a sub-wallet.")]
AssetCode = Annotated[
    str, Field(min_length=1, max_length=16, description="ISO 4217 code, or that of a registered asset.")
]
IdempotencyKey = Annotated[
    str,
    Field(min_length=1, max_length=255, description="One key for each intent; resending it moves nothing twice."),
]


def _to_milliseconds(text: str) -> str:
    """A time with three decimals: finer ones are cut off, missing ones are 0.

    Raises:
        PydanticCustomError: its day is not in the calendar.
    """
    # Every month has 28 days, every year but 0000 is one.
    if text[8:10] > "28" or text < "0001":
        try:
            date.fromisoformat(text[:10])
        except ValueError:
            raise PydanticCustomError("no_such_day", "There is no such day in the calendar") from None
    return text if len(text) == 24 else f"{text[:19]}.{text[20:-1]:0<3.3}Z"


Timestamp = Annotated[
    str,
    Field(
        pattern=r"^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
        r"T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,9})?Z$",
        description="RFC 3339 in UTC, of a day that exists; kept in milliseconds, finer digits are cut off.",
    ),
    AfterValidator(_to_milliseconds),
]
ExecuteAt = Annotated[
    Timestamp,
    Field(description="When it is to be executed; at once if it is left out, or past by then."),
]
Text = Annotated[str, Field(min_length=1, max_length=200)]
Metadata = Annotated[
    dict[Text, Annotated[str, Field(max_length=200)]],
    Field(max_length=20, description="The requester's own strings, kept with the transaction."),
]
AmountMinor = Annotated[int, Field(description="Integer of minor units (cents), 1 to 2^63 - 1; never a decimal.")]
RailName = Annotated[Text, Field(description="Name of the rail that the money goes over.")]
InstrumentRef = Annotated[Text, Field(description="The requester's reference to the card, account or wallet used.")]

#: Fields that say nothing of what is asked for; they are left out of the fingerprint.
NOT_FINGERPRINTED: Final = ("request_id", "occurred_at", "device")

#: The one wallet id that no customer may have: it names the system accounts.
RESERVED_WALLET_ID: Final = "system"

#: Accounts of a wallet: its sub-wallets times its assets. All of them stand in each record of `wallet-balances`.
MAX_ACCOUNTS: Final = 1_000


class Contract(BaseModel):
    """Base of every input contract."""

    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)


class References(Contract):
    """The requester's own names for what the transaction belongs to."""

    order: Annotated[Text | None, Field(description="Order that the transaction pays for.")] = None
    merchant: Annotated[Text | None, Field(description="Merchant as the requester names it.")] = None
    user: Annotated[Text | None, Field(description="User as the requester names them.")] = None


class Device(Contract):
    """Where a request came from; read by fraud rules, not part of the fingerprint."""

    fingerprint: Annotated[Text | None, Field(description="Fingerprint of the device.")] = None
    ip: Annotated[str, Field(max_length=45, description="IPv4 or IPv6 address.")] | None = None
    latitude: Annotated[float, Field(ge=-90, le=90, description="Degrees north.")] | None = None
    longitude: Annotated[float, Field(ge=-180, le=180, description="Degrees east.")] | None = None


class Command(Contract):
    """What every command carries."""

    operation: str
    idempotency_key: IdempotencyKey
    wallet_id: WalletId
    sub_wallet: SubWalletName = "main"
    request_id: Annotated[Text | None, Field(description="Comes back in the answer; default: the `ce_id`.")] = None
    occurred_at: Annotated[Timestamp | None, Field(description="When it happened at the requester's.")] = None
    partner_id: Annotated[Text | None, Field(description="Partner on whose behalf the request is made.")] = None
    metadata: Metadata | None = None
    references: Annotated[References | None, Field(description="What the transaction belongs to.")] = None
    device: Annotated[Device | None, Field(description="Where the request came from.")] = None

    #: Names of the fields that the fingerprint covers, in canonical order.
    canonical_names: ClassVar[tuple[str, ...]] = ()

    def canonical_fields(self) -> dict[str, Any]:
        """The fields that the fingerprint covers: with defaults, without absent ones."""
        values = self.__dict__
        return {name: _plain(value) for name in self.canonical_names if (value := values[name]) is not None}

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        cls.canonical_names = tuple(sorted(set(cls.model_fields).difference(NOT_FINGERPRINTED)))


TransactionId = Annotated[
    str, Field(pattern=r"^[0-9a-f]{32}$", description="Id of a transaction of this wallet, as an outcome named it.")
]


def _plain(value: Any) -> Any:
    """A part of a command as JSON has it: models with their defaults, without what is absent."""
    if isinstance(value, BaseModel):
        return {name: _plain(part) for name, part in sorted(value.__dict__.items()) if part is not None}
    if isinstance(value, dict):
        return {name: _plain(part) for name, part in value.items()}
    return [_plain(part) for part in value] if isinstance(value, list | tuple) else value


class OnTransaction(Command):
    """What every command on a transaction carries. It takes that transaction's sub-wallet; another one is refused."""

    transaction_id: TransactionId
    sub_wallet: Annotated[SubWalletName | None, Field(description="Sub-wallet of the transaction; best left out.")] = (
        None  # type: ignore[assignment]
    )


class OperatorCommand(Command):
    """What every operator command carries: who asked, who approved, and why."""

    requested_by: Annotated[Text, Field(description="Operator who asks for it.")]
    approved_by: Annotated[Text, Field(description="Operator who approves it: somebody else.")]
    reason_code: Annotated[Text, Field(description="Why, as the operators' handbook names it.")]
    evidence_ref: Annotated[Text | None, Field(description="Case or ticket with the evidence.")] = None
