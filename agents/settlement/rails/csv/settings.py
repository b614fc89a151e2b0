"""Settings of a rail that speaks CSV: which columns a payment file has, and how an answer file is read."""

from __future__ import annotations

from typing import Annotated, Final, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from schemas.contract import Contract

Column = Annotated[str, Field(min_length=1, max_length=100)]
Unit = Literal["major", "minor"]

#: What a column of a payment file may hold.
Value = Literal[
    "batch_id",
    "direction",
    "end_to_end_id",
    "beneficiary",
    "beneficiary_name",
    "amount",
    "asset",
    "remittance",
    "execution_date",
    "number",
]
#: What an answer may say of an instruction.
State = Literal["accepted", "rejected", "settled", "returned"]
_NEEDED: Final = frozenset({"end_to_end_id", "beneficiary", "amount"})


class Constant(Contract):
    """The same in every row."""

    model_config = ConfigDict(frozen=True)

    const: Annotated[str, Field(max_length=200, description="The value.")]


class Out(Contract):
    """The payment file."""

    model_config = ConfigDict(frozen=True)

    columns: Annotated[
        dict[Column, Value | Constant],
        Field(
            min_length=1,
            max_length=100,
            description="Name of a column -> what it holds, in the order of the file: batch_id, direction, "
            "end_to_end_id, beneficiary, beneficiary_name, amount, asset, remittance, execution_date, number, or "
            '{"const": "..."}.',
        ),
    ]
    amount_unit: Annotated[Unit, Field(description="`12.34`, or `1234`.")] = "major"
    decimal_mark: Annotated[Literal[".", ","], Field(description="What stands before decimals.")] = "."
    date_format: Annotated[str, Field(min_length=2, max_length=40, description="As strftime has it.")] = "%Y-%m-%d"
    delimiter: Annotated[str, Field(min_length=1, max_length=1, description="Between fields.")] = ","
    header: Annotated[bool, Field(description="Whether the names of the columns are the first row.")] = True
    encoding: Annotated[Literal["utf-8", "iso-8859-1"], Field(description="Encoding of the file.")] = "utf-8"

    @model_validator(mode="after")
    def _says_what_is_needed(self) -> Self:
        missing = _NEEDED - {value for value in self.columns.values() if isinstance(value, str)}
        if missing:
            raise ValueError(f"columns: nothing holds {', '.join(sorted(missing))}")
        if self.delimiter in {'"', "\n", "\r", self.decimal_mark if self.amount_unit == "major" else ""}:
            raise ValueError("delimiter: a quote, an end of line or the decimal mark cannot stand between fields")
        return self

    @model_validator(mode="after")
    def _has_what_the_encoding_has(self) -> Self:
        constants = [value.const for value in self.columns.values() if isinstance(value, Constant)]
        for text in (*self.columns, *constants, self.delimiter):
            if _is_missing(text, self.encoding):
                raise ValueError(f"{text!r} cannot be written in {self.encoding}")
        return self


def _is_missing(text: str, encoding: str) -> bool:
    """Whether an encoding lacks a character of the text."""
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return True
    return False


class In(Contract):
    """Answer files: a row for each payment."""

    model_config = ConfigDict(frozen=True)

    end_to_end_id: Annotated[Column, Field(description="Column of our end-to-end id.")]
    status: Annotated[Column, Field(description="Column of what became of the payment.")]
    statuses: Annotated[
        dict[Annotated[str, Field(max_length=100)], State],
        Field(
            min_length=1, max_length=100, description="Its values, and what each means; another one refuses the file."
        ),
    ]
    amount: Annotated[Column | None, Field(description="Column of what was settled or came back; none: all.")] = None
    fee: Annotated[Column | None, Field(description="Column of the fee.")] = None
    amount_unit: Annotated[Unit, Field(description="`12.34`, or `1234`.")] = "major"
    decimal_mark: Annotated[Literal[".", ","], Field(description="What stands before decimals.")] = "."
    reference: Annotated[Column | None, Field(description="Column of the rail's reference.")] = None
    code: Annotated[Column | None, Field(description="Column of the rail's reason.")] = None
    value_date: Annotated[Column | None, Field(description="Column of the value date.")] = None
    date_format: Annotated[str, Field(min_length=2, max_length=40, description="As strptime has it.")] = "%Y-%m-%d"
    delimiter: Annotated[str, Field(min_length=1, max_length=1, description="Between fields.")] = ","
    skip_lines: Annotated[int, Field(ge=0, le=1_000, description="Lines before the header.")] = 0
    encoding: Annotated[Literal["utf-8", "iso-8859-1"], Field(description="Encoding of the file.")] = "utf-8"

    def columns(self) -> list[str]:
        """Every column that has to be there."""
        named = [self.end_to_end_id, self.status, self.amount, self.fee, self.reference, self.code, self.value_date]
        return [one for one in named if one is not None]


class CsvSettings(Contract):
    """Both ways; `in` may be left out where answers come otherwise."""

    model_config = ConfigDict(frozen=True, populate_by_name=True)

    out: Annotated[Out, Field(description="The payment file.")]
    in_: Annotated[In | None, Field(alias="in", description="Answer files; none: nothing is read.")] = None
    both_directions: Annotated[
        bool, Field(description="Whether the rail takes batches that bring money in too; `direction` is a column then.")
    ] = False
    quiet_ms: Annotated[
        int, Field(ge=0, le=3_600_000, description="A file in the inbox is read once it was not changed for so long.")
    ] = 2_000
    max_file_mb: Annotated[int, Field(ge=1, le=1_024, description="Larger files are refused, in MiB.")] = 32

    @model_validator(mode="after")
    def _says_the_direction(self) -> Self:
        if self.both_directions and "direction" not in self.out.columns.values():
            raise ValueError("both_directions: no column of `out` holds the direction")
        return self
