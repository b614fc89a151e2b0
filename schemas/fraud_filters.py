"""Filters of fraud rules: which facts a rule looks at. Typed checks of fields, and `all`, `any`, `not` of them."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BeforeValidator, ConfigDict, Field, PlainSerializer, Tag, WithJsonSchema, model_validator
from pydantic.functional_validators import AfterValidator
from pydantic.types import Discriminator

from schemas.contract import Contract
from schemas.money import INT64_MAX

#: Most conditions in one filter, and how deep they nest.
MAX_CONDITIONS: Final = 100
MAX_DEPTH: Final = 8
#: Decimals of so many digits are what a float was written as.
_FLOAT_DIGITS: Final = 15

FieldName = Annotated[
    str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$", description="A field of a fact, such as amount_minor.")
]
Comparison = Literal["gt", "ge", "lt", "le", "eq", "ne"]


def _exact(value: Any) -> Any:
    """A JSON number as the decimal that is written there, not as the float next to it.

    Raises:
        ValueError: it has a point or an exponent, and more digits than a float keeps.
    """
    if not isinstance(value, int | float) or isinstance(value, bool):
        return value
    exact = Decimal(str(value))
    if isinstance(value, float) and exact.is_finite() and len(exact.normalize().as_tuple().digits) > _FLOAT_DIGITS:
        raise ValueError(f"a number with a point or an exponent has at most {_FLOAT_DIGITS} digits")
    return exact


def _bounded(value: Decimal) -> Decimal:
    """
    Raises:
        ValueError: it has more digits than any amount or factor needs.
    """
    if not value.is_finite() or abs(value) > 2 * INT64_MAX:
        raise ValueError("a number of at most 2^64")
    if value % 1 and len(value.as_tuple().digits) > _FLOAT_DIGITS:
        raise ValueError(f"a number that is not an integer has at most {_FLOAT_DIGITS} digits")
    return value


def _json_number(value: Decimal) -> int | float:
    """The number that `_exact` reads as this one again."""
    return float(value) if value % 1 else int(value)


#: An exact number: JSON's 0.1 is a tenth.
Number = Annotated[
    Decimal,
    BeforeValidator(_exact),
    AfterValidator(_bounded),
    PlainSerializer(_json_number, when_used="json"),
    WithJsonSchema({"type": "number"}),
]
Value = Annotated[str, Field(max_length=200)] | Number


class Part(Contract):
    """A part of a rule."""

    model_config = ConfigDict(frozen=True)


class Check(Part):
    """One field against a value. A field that is not there passes `absent`, `ne`, `not_in` and `not_in_list` only."""

    field: FieldName
    op: Annotated[
        Comparison | Literal["in", "not_in", "multiple_of", "present", "absent", "in_list", "not_in_list", "resembles"],
        Field(
            description="`multiple_of` asks for a whole multiple, as in round amounts. `resembles` compares a name "
            "with those of a list, fuzzily."
        ),
    ]
    value: Annotated[
        Value | Annotated[tuple[Value, ...], Field(min_length=1, max_length=1_000)] | None,
        Field(description="A value; several for `in` and `not_in`; the name of a list for those of lists."),
    ] = None
    at_least: Annotated[
        int | None, Field(ge=50, le=100, description="Of `resembles`: likeness in per cent, 90 where it is left out.")
    ] = None

    @model_validator(mode="after")
    def _fits_itself(self) -> Self:
        if self.op in ("present", "absent"):
            if self.value is not None:
                raise ValueError(f"value: {self.op} takes none")
        elif self.op in ("in", "not_in"):
            if not isinstance(self.value, tuple):
                raise ValueError(f'value: {self.op} needs several values, as in ["EUR", "USD"]')
        elif self.value is None or isinstance(self.value, tuple):
            raise ValueError(f"value: {self.op} needs one value")
        elif self.op in ("gt", "ge", "lt", "le") and isinstance(self.value, str):
            raise ValueError(f"value: {self.op} needs a number")
        elif self.op == "multiple_of" and (isinstance(self.value, str) or self.value < 1 or self.value % 1):
            raise ValueError("value: multiple_of needs an integer of at least 1")
        elif self.op in ("in_list", "not_in_list", "resembles") and not isinstance(self.value, str):
            raise ValueError(f"value: {self.op} needs the name of a list")
        if self.at_least is not None and self.op != "resembles":
            raise ValueError("at_least: only `resembles` has it")
        return self


class All(Part):
    """Passes where each of its parts does; without any it passes."""

    all: Annotated[tuple[Filter, ...], Field(max_length=MAX_CONDITIONS, description="Filters.")]


class Any_(Part):  # noqa: N801 - `Any` is taken
    """Passes where one of its parts does."""

    any: Annotated[tuple[Filter, ...], Field(min_length=1, max_length=MAX_CONDITIONS, description="Filters.")]


class Not(Part):
    """Passes where its part does not."""

    not_: Annotated[Filter, Field(alias="not", description="A filter.")]


def _kind(value: Any) -> str | None:
    """Which of the four a filter is, by the one field that the others have not."""
    for name, tag in (("all", "all"), ("any", "any"), ("not", "not"), ("not_", "not"), ("field", "check")):
        if (name in value) if isinstance(value, dict) else hasattr(value, name):
            return tag
    return None


Filter = Annotated[
    Annotated[All, Tag("all")]
    | Annotated[Any_, Tag("any")]
    | Annotated[Not, Tag("not")]
    | Annotated[Check, Tag("check")],
    Discriminator(
        _kind,
        custom_error_type="not_a_filter",
        custom_error_message='A filter is {"all": [..]}, {"any": [..]}, {"not": ..} or {"field": .., "op": ..}',
    ),
]

EVERYTHING: Final = All(all=())


def checks_of(part: Filter, depth: int = 1) -> list[tuple[int, Check]]:
    """All checks of a filter, each with how deep it is nested."""
    match part:
        case All():
            return [found for each in part.all for found in checks_of(each, depth + 1)]
        case Any_():
            return [found for each in part.any for found in checks_of(each, depth + 1)]
        case Not():
            return checks_of(part.not_, depth + 1)
    return [(depth, part)]


def check_size(name: str, part: Filter) -> None:
    """Refuse what is too large.

    Raises:
        ValueError: the filter has too many checks or nests too deeply.
    """
    level, conditions = [part], 0
    for _ in range(MAX_DEPTH):
        conditions += sum(not _parts_of(each) for each in level)
        level = [each for parent in level for each in _parts_of(parent)]
    if level:
        raise ValueError(f"{name}: nested deeper than {MAX_DEPTH}")
    if conditions > MAX_CONDITIONS:
        raise ValueError(f"{name}: {conditions} conditions, at most {MAX_CONDITIONS} are taken")


def _parts_of(part: Filter) -> tuple[Filter, ...]:
    match part:
        case All():
            return part.all
        case Any_():
            return part.any
        case Not():
            return (part.not_,)
    return ()


for _model in (All, Any_, Not):
    _model.model_rebuild()
