"""How the rows of a table are facts: `--mapping M.json` of a backtest, which names the column of each field."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import Field, TypeAdapter, ValidationError

from ops.errors import OperationError
from schemas.contract import Contract
from schemas.facts import DERIVED, FACT_FIELDS, FactValue, FieldKind
from schemas.fraud_filters import FieldName

_TIME: Final = "time"
_UNITS_MS: Final = {"ms": 1, "s": 1_000, "minute": 60_000, "hour": 3_600_000, "day": 86_400_000}

#: A row's cells by column; reads one field of the fact, None where the cell is empty.
Read = Callable[[Mapping[str, str]], Any]


class Column(Contract):
    """A field that is read from a column."""

    column: Annotated[str, Field(min_length=1)]
    kind: Annotated[
        Literal["text", "number"] | None, Field(description="What it holds; known of the ledger's own fields.")
    ] = None
    decimals: Annotated[
        int | None, Field(ge=0, le=18, description="Of an amount in major units: 103.55 with 2 is 10355 minor units.")
    ] = None
    unit: Annotated[
        Literal["ms", "s", "minute", "hour", "day"] | None,
        Field(description="Of a time that is a number: its unit, since 1970. RFC 3339 if left out."),
    ] = None


class Constant(Contract):
    """A field that is the same in every row."""

    const: str | int


_Mapping = dict[FieldName, str | Constant | Column]
_ADAPTER: Final[TypeAdapter[_Mapping]] = TypeAdapter(_Mapping)


class FactMapping:
    """Reads rows as facts.

    Args:
        fields: field -> where it comes from; `time` must be among them.
        columns: the columns that the table has.

    Raises:
        OperationError: a column is missing, or a field cannot be read so; the message says which.
    """

    def __init__(self, fields: _Mapping, columns: tuple[str, ...]):
        if _TIME not in fields:
            raise OperationError('the mapping names no "time": say which column says when a row happened')
        for name in fields.keys() & set(DERIVED) - {"direction"}:
            raise OperationError(f"the mapping names {name}, which is derived: leave it out")
        #: Field -> what it holds.
        self.kinds: dict[str, FieldKind] = dict.fromkeys(("hour", "weekday"), "number")
        self._constants: dict[str, FactValue] = {}
        self._readers: list[tuple[str, Read]] = []
        self._time: Read = lambda _row: None
        for name, given in fields.items():
            self._add(name, Column(column=given) if isinstance(given, str) else given, columns)
        self.kinds |= {"direction": "text", "party_id": "text"}

    def _add(self, name: str, given: Column | Constant, columns: tuple[str, ...]) -> None:
        if isinstance(given, Constant):
            if name == _TIME:
                raise OperationError("the mapping gives every row the same time: name a column")
            self._constants[name] = given.const
            self.kinds[name] = "text" if isinstance(given.const, str) else "number"
            return
        if given.column not in columns:
            raise OperationError(f"{name}: the table has no column {given.column!r}; it has {', '.join(columns)}")
        if name == _TIME:
            self._time = _time_reader(given)
            return
        known = FACT_FIELDS.get(name)
        kind: FieldKind = given.kind or (known[0] if known else "text")
        self.kinds[name] = kind
        self._readers.append((name, _text_reader(given) if kind == "text" else _number_reader(given)))

    def read(self, row: Mapping[str, str]) -> tuple[int, dict[str, FactValue]]:
        """Event time in milliseconds since 1970, and the fact without what is derived.

        Raises:
            ValueError: a cell cannot be read; the message says which and why.
        """
        t_ms = self._time(row)
        if t_ms is None:
            raise ValueError("time: the cell is empty")
        fact = dict(self._constants)
        for name, read in self._readers:
            try:
                value = read(row)
            except (ValueError, InvalidOperation):
                raise ValueError(f"{name}: a number was expected") from None
            if value is not None:
                fact[name] = value
        return t_ms, fact


def read_mapping(path: Path) -> _Mapping:
    """The mapping of a file.

    Raises:
        OperationError: it cannot be read, or is none.
    """
    try:
        return _ADAPTER.validate_json(path.read_bytes())
    except OSError as error:
        raise OperationError(f"{path} cannot be read: {error.strerror}") from None
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise OperationError(
            f"{path} is no mapping: {where}: {first['msg']}. A field is mapped to a column's name, to "
            '{"const": "EUR"}, or to {"column": "value", "decimals": 2}'
        ) from None


def _text_reader(given: Column) -> Read:
    column = given.column
    return lambda row: row[column] or None


def _number_reader(given: Column) -> Read:
    column, decimals = given.column, given.decimals
    if decimals is not None:
        factor = 10**decimals
        return lambda row: _minor(text, factor) if (text := row[column]) else None
    return lambda row: _number(text) if (text := row[column]) else None


def _number(text: str) -> int | Fraction:
    try:
        return int(text)
    except ValueError:
        return _exact(text)


def _exact(text: str) -> int | Fraction:
    """
    Raises:
        ValueError: it is no number, or one of more digits than any amount has.
    """
    value = Decimal(text)
    if not value.is_finite() or abs(value.adjusted()) > 40 or len(value.as_tuple().digits) > 40:
        raise ValueError("no number of this size is read")
    exact = Fraction(value)
    return exact.numerator if exact.denominator == 1 else exact


def _minor(text: str, factor: int) -> int:
    """
    Raises:
        ValueError: it has more decimals than its asset.
    """
    minor = _exact(text) * factor
    if isinstance(minor, Fraction):
        if minor.denominator != 1:
            raise ValueError("more decimals than the asset has")
        return minor.numerator
    return minor


def _time_reader(given: Column) -> Read:
    column = given.column
    if given.unit is not None:
        unit_ms = _UNITS_MS[given.unit]
        return lambda row: _whole_ms(row[column], unit_ms)
    return lambda row: _rfc3339_ms(row[column])


def _whole_ms(text: str, unit_ms: int) -> int:
    try:
        return int(_exact(text) * unit_ms)
    except (ValueError, InvalidOperation):
        raise ValueError(f"time: {text!r} is no number") from None


def _rfc3339_ms(text: str) -> int:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f'time: {text!r} is no time of RFC 3339; of one that is a number say "unit"') from None
    if at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
    # `timestamp()` is a float of microseconds that are exact for thousands of years.
    return round(at.timestamp() * 1_000)
