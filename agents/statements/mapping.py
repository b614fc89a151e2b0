"""How the columns of a CSV or JSON file are read: the mapping that its importer writes."""

from __future__ import annotations

from codecs import BOM_UTF8
from typing import Annotated, Any, Final, Literal, Self

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from schemas.contract import Contract
from schemas.external_statements import REFERENCES, ReferenceName

Column = Annotated[
    str, Field(min_length=1, max_length=200, description="Name of a column; in JSON a path such as `amount.value`.")
]


class Constant(Contract):
    """The same for every row."""

    model_config = ConfigDict(frozen=True)

    const: Annotated[str, Field(min_length=1, max_length=200, description="The value.")]


class Values(Contract):
    """Rows whose column has one of these values."""

    model_config = ConfigDict(frozen=True)

    column: Column
    values: Annotated[
        list[str], Field(min_length=1, max_length=100, description="Values, exactly as they are written.")
    ]


class Marks(Contract):
    """A column that says which way the money went."""

    model_config = ConfigDict(frozen=True)

    column: Column
    credit: Annotated[list[str], Field(min_length=1, max_length=100, description="Marks of what came in.")]
    debit: Annotated[list[str], Field(min_length=1, max_length=100, description="Marks of what went out.")]


class StatementMapping(Contract):
    """A mapping. Amounts are the account holder's: positive came in, unless `sign` says otherwise."""

    model_config = ConfigDict(frozen=True)

    amount: Annotated[Column | None, Field(description="Column of the amount; else those of each side.")] = None
    credit_amount: Annotated[Column | None, Field(description="Column of what came in.")] = None
    debit_amount: Annotated[Column | None, Field(description="Column of what went out.")] = None
    sign: Annotated[
        Literal[1, -1] | Marks,
        Field(
            description="1: as written; -1: turned round; or the column that has the mark, the amount being unsigned."
        ),
    ] = 1
    amount_unit: Annotated[Literal["major", "minor"], Field(description="`12.34`, or `1234`.")] = "major"
    amount_is: Annotated[
        Literal["net", "gross"], Field(description="Whether the fee is taken off `amount` already.")
    ] = "net"
    decimal_mark: Annotated[Literal[".", ","], Field(description="What stands before decimals.")] = "."
    thousands_mark: Annotated[
        Literal["", ",", ".", "'", " "], Field(description="What stands between groups of three digits.")
    ] = ""
    fee: Annotated[Column | None, Field(description="Column of the fee: positive where it was taken.")] = None
    asset: Annotated[Column | Constant, Field(description="Column of the currency, or the currency itself.")]
    date: Annotated[Column, Field(description="Column of the value date.")]
    booking_date: Annotated[Column | None, Field(description="Column of the booking date.")] = None
    date_format: Annotated[str, Field(min_length=2, max_length=40, description="As strptime has it.")] = "%Y-%m-%d"
    references: Annotated[
        dict[ReferenceName, Column],
        Field(default_factory=dict, description=f"Reference -> column; references are {', '.join(REFERENCES)}."),
    ]
    code: Annotated[Column | None, Field(description="Column of the kind of transaction.")] = None
    counterparty: Annotated[Column | None, Field(description="Column of the other side's name.")] = None
    remittance: Annotated[Column | None, Field(description="Column of the text that went with it.")] = None
    reversal: Annotated[Values | None, Field(description="Rows that take an earlier movement back.")] = None
    booked: Annotated[Values | None, Field(description="Rows that count; all others are not booked yet.")] = None
    account_id: Annotated[Column | Constant | None, Field(description="The account as the file names it.")] = None
    statement: Annotated[
        Column | None,
        Field(description="Column that tells statements apart, each by an id of its own, such as a payout's."),
    ] = None
    opening: Annotated[
        Column | Constant | None, Field(description="Opening balance: that of a statement's first row, or a value.")
    ] = None
    closing: Annotated[
        Column | Constant | None, Field(description="Closing balance: that of a statement's last row, or a value.")
    ] = None
    balance: Annotated[Column | None, Field(description="Column of the balance after each row.")] = None
    encoding: Annotated[str, Field(min_length=1, max_length=40, description="Encoding of the text.")] = "utf-8"
    delimiter: Annotated[str, Field(min_length=1, max_length=1, description="Between the fields of CSV.")] = ","
    skip_lines: Annotated[int, Field(ge=0, le=1_000, description="Lines of CSV before the header.")] = 0
    rows: Annotated[
        Column | None, Field(description="Path to the list of rows in JSON; none where the file is the list.")
    ] = None

    @model_validator(mode="after")
    def _one_way_to_say_the_amount(self) -> Self:
        sides = self.credit_amount is not None, self.debit_amount is not None
        if (self.amount is None) is not all(sides) or (self.amount is not None and any(sides)):
            raise ValueError("amount, or credit_amount and debit_amount: one of the two ways")
        if self.amount is None and self.sign != 1:
            raise ValueError("sign: credit_amount and debit_amount say it already")
        if self.amount_is == "gross" and self.fee is None:
            raise ValueError("amount_is: gross needs fee")
        if self.thousands_mark == self.decimal_mark:
            raise ValueError("thousands_mark: the same as decimal_mark")
        if self.balance is not None and (self.opening is not None or self.closing is not None):
            raise ValueError("balance: it gives opening and closing too")
        return self

    def columns(self) -> tuple[str, ...]:
        """Every column that has to be there."""
        named = [self.amount, self.credit_amount, self.debit_amount, self.fee, self.date, self.booking_date]
        named += [
            self.code,
            self.counterparty,
            self.remittance,
            self.statement,
            self.balance,
            *self.references.values(),
        ]
        either: list[Any] = [self.asset, self.account_id, self.opening, self.closing]
        named += [one for one in either if isinstance(one, str)]
        named += [one.column for one in (self.reversal, self.booked) if one is not None]
        if isinstance(self.sign, Marks):
            named.append(self.sign.column)
        return tuple(dict.fromkeys(one for one in named if one is not None))

    def deciding(self) -> tuple[str, ...]:
        """Those of them that say which rows count, and of what. In JSON, where a member may be left out, an empty one
        would leave out all rows, or take them together.
        """
        named = [self.statement, self.account_id if isinstance(self.account_id, str) else None]
        named += [] if self.booked is None else [self.booked.column]
        return tuple(dict.fromkeys(one for one in named if one is not None))


_ADAPTER: Final = TypeAdapter(StatementMapping)


def read_mapping(value: bytes) -> StatementMapping:
    """A mapping from its JSON, with or without the mark that editors on Windows write before it.

    Raises:
        ValueError: it does not fit; every field that does not is named.
    """
    try:
        return _ADAPTER.validate_json(value.removeprefix(BOM_UTF8))
    except ValidationError as error:
        found = [
            f"{'.'.join(map(str, one['loc'])) or 'mapping'}: {one['msg']}" for one in error.errors(include_url=False)
        ]
        raise ValueError("; ".join(found)) from None
