"""`RULES.json` of `walletstream reconcile files`: what the columns of two tables are, and the passes over them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import AfterValidator, Field, ValidationError, field_validator, model_validator

from ops.errors import OperationError
from schemas.contract import Contract
from schemas.matching_rules import MAX_PASSES, Bounds, Pass, ReferenceName, Rules
from schemas.reconciliation_reasons import SIDES, Side

_MAX_BYTES: Final = 16 * 1024 * 1024
_MOST_TOLD: Final = 20
#: A day whose parts cannot be taken for each other.
_TRIED: Final = datetime(2026, 11, 23, tzinfo=UTC)

Column = Annotated[str, Field(min_length=1, max_length=500, description="Name of a column, or of a member in JSON.")]


def _reads_days(date_format: str) -> str:
    """
    Raises:
        ValueError: it does not say which day it is.
    """
    try:
        found = datetime.strptime(_TRIED.strftime(date_format), date_format)  # noqa: DTZ007
    except ValueError as error:
        raise ValueError(f"{date_format!r} reads no dates: {error}; %Y-%m-%d or %d.%m.%y do") from None
    if found.date() != _TRIED.date():
        raise ValueError(f"{date_format!r} does not say year, month and day, as %Y-%m-%d or %d.%m.%y do")
    return date_format


class Constant(Contract):
    """What is the same in every row."""

    const: Annotated[str, Field(min_length=1, max_length=16)]


class SignColumn(Contract):
    """A column that says which way an amount goes."""

    column: Column
    positive: Annotated[tuple[str, ...], Field(max_length=100)]
    negative: Annotated[tuple[str, ...], Field(max_length=100)]

    @model_validator(mode="after")
    def _is_one_or_the_other(self) -> Self:
        both = sorted(set(self.positive) & set(self.negative))
        if both:
            raise ValueError(f"{', '.join(map(repr, both))} cannot be both positive and negative")
        return self


class KindColumn(Contract):
    """A column that says which rows are reversals and chargebacks."""

    column: Column
    reversal: Annotated[tuple[str, ...], Field(max_length=100)] = ()
    chargeback: Annotated[tuple[str, ...], Field(max_length=100)] = ()


class StatementColumns(Contract):
    """Columns that say which statement a row is part of, and its balances; the same in all its rows."""

    id: Column
    opening: Column
    closing: Column


class SideMapping(Contract):
    """What the columns of one table are."""

    id: Column
    amount: Column
    amount_unit: Annotated[
        Literal["major", "minor"], Field(description="major: 12.34 EUR; minor: 1234, a whole number of cents.")
    ]
    asset: Column | Constant
    date: Column
    date_format: Annotated[
        str,
        Field(min_length=1, max_length=100, description="As Python's strptime has it."),
        AfterValidator(_reads_days),
    ] = "%Y-%m-%d"
    references: Annotated[dict[ReferenceName, Column], Field(max_length=50, default_factory=dict)]
    sign: Annotated[
        Literal[1, -1] | Column | SignColumn | None,
        Field(description="-1 turns all amounts round; a column says it row by row."),
    ] = None
    fee: Column | None = None
    kind: KindColumn | None = None
    statement: StatementColumns | None = None

    @field_validator("sign")
    @classmethod
    def _as_number(cls, sign: int | str | SignColumn | None) -> int | str | SignColumn | None:
        """No column has such a name."""
        return int(sign) if sign in ("1", "+1", "-1") else sign

    def columns(self) -> dict[str, str]:
        """What must be there: where it stands in the rules -> name of the column."""
        found = {"id": self.id, "amount": self.amount, "date": self.date}
        if isinstance(self.asset, str):
            found["asset"] = self.asset
        if isinstance(self.sign, str):
            found["sign"] = self.sign
        if isinstance(self.sign, SignColumn):
            found["sign.column"] = self.sign.column
        if self.fee is not None:
            found["fee"] = self.fee
        if self.kind is not None:
            found["kind.column"] = self.kind.column
        if self.statement is not None:
            found |= {f"statement.{name}": getattr(self.statement, name) for name in ("id", "opening", "closing")}
        return found | {f"references.{name}": column for name, column in self.references.items()}


class FileRules(Contract):
    """The whole file."""

    left: SideMapping
    right: SideMapping
    passes: Annotated[tuple[Pass, ...], Field(min_length=1, max_length=MAX_PASSES)]
    expected_lag_business_days: Annotated[int, Field(ge=0, le=366)] | None = None
    bounds: Bounds = Bounds()
    decimals: Annotated[
        dict[str, Annotated[int, Field(ge=0, le=18)]],
        Field(
            max_length=1_000,
            description="Decimals of assets that ISO 4217 does not have, or has otherwise.",
            default_factory=dict,
        ),
    ]

    @model_validator(mode="after")
    def _fits_itself(self) -> Self:
        for number, rule in enumerate(self.passes):
            names = [*rule.keys, *([rule.fuzzy.reference] if rule.fuzzy is not None else [])]
            for name in names:
                for side in SIDES:
                    mapped = self.side(side).references
                    if name not in mapped:
                        there = ", ".join(mapped) or "none"
                        raise ValueError(
                            f"passes.{number}.keys: {side} does not map the reference {name!r} (it maps: {there}); "
                            f"add it to {side}.references, or take it out of the pass {rule.name!r}"
                        )
        self.rules()
        return self

    def side(self, side: Side) -> SideMapping:
        """The mapping of one side."""
        return self.left if side == "left" else self.right

    def rules(self) -> Rules:
        """What the matcher takes of it."""
        lag = self.expected_lag_business_days
        return Rules(passes=self.passes, expected_lag_business_days=lag, bounds=self.bounds)


def read_file_rules(path: Path) -> FileRules:
    """The rules of a file.

    Raises:
        OperationError: it cannot be read, or is none; all mistakes are told.
    """
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise OperationError(f"{path} has more than {_MAX_BYTES // 1024 // 1024} MB: is it the file of rules?")
        text = path.read_bytes().decode("utf-8-sig")
        json.loads(text, object_pairs_hook=each_name_once)
    except OSError as error:
        raise OperationError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise OperationError(f"{path} is not text in UTF-8: save it so") from None
    except RecursionError:
        raise OperationError(f"{path} is nested too deeply") from None
    except ValueError as error:
        raise OperationError(f"{path} is no JSON: {error}") from None
    try:
        return FileRules.model_validate_json(text)
    except ValidationError as error:
        raise OperationError(_told(path, error)) from None


def each_name_once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object of its names and values.

    Raises:
        ValueError: a name stands in one object twice.
    """
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{twice!r} stands in one object twice")
    return found


#: Of what may be written in several ways, only one of which was meant.
_HINTS: Final = {
    "asset": 'a column\'s name, or {"const": "EUR"}',
    "sign": '1, -1, a column\'s name, or {"column": "direction", "positive": ["CRDT"], "negative": ["DBIT"]}',
}


def _told(path: Path, error: ValidationError) -> str:
    lines: dict[str, None] = {}
    for each in error.errors(include_url=False, include_input=False, include_context=False):
        where = [str(part) for part in each["loc"]]
        said = each["msg"].removeprefix("Value error, ")
        if each["type"] == "extra_forbidden":
            said = "there is no such name here; is it misspelt?"
        if len(where) > 1 and where[0] in SIDES and where[1] in _HINTS:
            where, said = where[:2], f"must be {_HINTS[where[1]]}"
        if (
            each["type"] == "too_short"
            and where == ["passes"]
            and len(lines)
            and any(line.startswith("passes.") for line in lines)
        ):
            # Passes that are wrong are not counted.
            continue
        lines[f"{'.'.join(where)}: {said}" if where else said] = None
    told = list(lines)
    more = len(told) - _MOST_TOLD
    return "\n  ".join([f"{path}:", *told[:_MOST_TOLD], *([f"and {more} more"] if more > 0 else [])])
