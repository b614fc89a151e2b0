"""How the rows of a table are facts: `--mapping M.json` of a backtest, which names the column of each field."""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import Field, TypeAdapter, ValidationError

from ops.errors import OperationError
from ops.fraud.cells import MAX_TEXT, UNITS_MS, Read, major_units, minor_units, number, time_in, time_ms
from ops.fraud.documents import NamedTwice, read_json
from schemas.assets import ISO_4217
from schemas.contract import Contract
from schemas.facts import FACT_FIELDS, FactValue, FieldKind
from schemas.fraud_filters import FieldName

_TIME: Final = "time"
#: Of a number below 2^63, in decimals.
_MOST_DIGITS: Final = 18
_AMOUNT: Final = "amount_minor"
#: Where on the stream a row comes from: not what rules see, but what facts of one time are in order by.
SOURCE: Final = ("source_partition", "source_offset")
#: What no column can say: under this key a fact stands with both of its wallets.
_PARTY: Final = "party_id"


class Column(Contract):
    """A field that is read from a column."""

    column: Annotated[str, Field(min_length=1)]
    kind: Annotated[
        Literal["text", "number"] | None,
        Field(description="What it holds. Known of the ledger's own fields; of others as rules use it."),
    ] = None
    decimals: Annotated[
        Annotated[int, Field(ge=0, le=18)] | Literal["asset"] | None,
        Field(
            description="Of an amount in major units: 103.55 with 2 is 10355 minor units. `asset`: as many as the "
            "row's asset has by ISO 4217."
        ),
    ] = None
    unit: Annotated[
        Literal["ms", "s", "minute", "hour", "day"] | None,
        Field(
            description="Of a time that is a number: its unit, since 1970. Without it times are RFC 3339, or seconds, "
            "or milliseconds from 10^11 on."
        ),
    ] = None


class Constant(Contract):
    """A field that is the same in every row."""

    const: Annotated[str, Field(min_length=1, max_length=MAX_TEXT)] | int


Mapped = dict[FieldName, str | Constant | Column]
_ADAPTER: Final[TypeAdapter[Mapped]] = TypeAdapter(Mapped)
_HINT: Final = 'A field is mapped to a column\'s name, to {"const": "EUR"}, or to {"column": "value", "decimals": 2}'


class FactMapping:
    """Reads rows as facts.

    Args:
        fields: field -> where it comes from; `time` must be among them.
        columns: the columns that the table has.
        numeric: fields beyond the ledger's own that hold numbers, unless `fields` says otherwise.

    Raises:
        OperationError: a column is missing, or a field cannot be read so; the message says which.
    """

    def __init__(self, fields: Mapped, columns: Sequence[str], numeric: frozenset[str] = frozenset()):
        if _TIME not in fields:
            raise OperationError(
                'the mapping names no "time": say which column says when a row happened, as in {"time": "at"}'
            )
        if _PARTY in fields:
            raise OperationError("the mapping names party_id, which is both wallet_id and to_wallet_id: leave it out")
        #: Field -> what it holds; `time` is a number too, of milliseconds since 1970.
        self.kinds: dict[str, FieldKind] = {_TIME: "number"}
        self.constants: dict[str, FactValue] = {}
        self._columns = tuple(columns)
        self._numeric = numeric
        self._texts: list[tuple[str, int]] = []
        self._numbers: list[tuple[str, int, Read]] = []
        self._by_asset: tuple[int, int | None] | None = None
        self._source_at: tuple[int, ...] = ()
        self._time_at = 0
        self._time: Callable[[str], int] = time_ms
        columned = {
            # Unchecked: a name that no column has, the empty one too, is told with those that there are.
            name: Column.model_construct(column=given) if isinstance(given, str) else given
            for name, given in fields.items()
            if not isinstance(given, Constant)
        }
        self._add_source(fields, {name: columned.pop(name) for name in SOURCE if name in columned})
        for name, given in fields.items():
            if isinstance(given, Constant):
                self._add_constant(name, given)
        for name, column in columned.items():
            self._add(name, column, columned)

    def _add_source(self, fields: Mapped, given: Mapping[str, Column]) -> None:
        if not given and not fields.keys() & set(SOURCE):
            return
        if len(given) != len(SOURCE):
            raise OperationError(
                "source_partition and source_offset say where on the stream a row comes from: map both to columns, or "
                "neither"
            )
        self._source_at = tuple(self._at(name, given[name]) for name in SOURCE)

    def _add_constant(self, name: str, given: Constant) -> None:
        if name == _TIME:
            raise OperationError("the mapping gives every row the same time: name a column")
        if name == _AMOUNT and isinstance(given.const, str):
            raise OperationError('amount_minor: a constant amount is an integer of minor units, as in {"const": 100}')
        self.constants[name] = given.const
        self.kinds[name] = "text" if isinstance(given.const, str) else "number"

    def _add(self, name: str, given: Column, others: Mapping[str, Column]) -> None:
        at = self._at(name, given)
        if given.unit is not None and name != _TIME:
            raise OperationError(f"{name}: only time has a unit")
        if name == _TIME:
            if given.kind == "text" or given.decimals is not None:
                raise OperationError('time: it has a "unit" and nothing else, as in {"column": "at", "unit": "s"}')
            self._time_at = at
            if given.unit is not None:
                self._time = time_in(UNITS_MS[given.unit])
            return
        kind = self._kind(name, given)
        self.kinds[name] = kind
        if kind == "text":
            self._texts.append((name, at))
        elif given.decimals == "asset":
            self._add_by_asset(name, at, others)
        else:
            self._numbers.append((name, at, _number_reader(name, given.decimals)))

    def _at(self, name: str, given: Column) -> int:
        if given.column not in self._columns:
            there = ", ".join(map(repr, self._columns[:50]))
            hint = ""
            if len(self._columns) == 1 and re.search(r"[;\t|]", self._columns[0]):
                hint = "; its cells are parted by something else than a comma: say --delimiter"
            raise OperationError(f"{name}: the table has no column {given.column!r}; it has {there}{hint}")
        return self._columns.index(given.column)

    def _kind(self, name: str, given: Column) -> FieldKind:
        if given.decimals is not None and given.kind == "text":
            raise OperationError(f'{name}: text has no decimals; leave out "kind" or "decimals"')
        if name == _AMOUNT and given.kind == "text":
            raise OperationError("amount_minor: an amount is a number")
        if given.kind is not None or given.decimals is not None:
            return given.kind or "number"
        known = FACT_FIELDS.get(name)
        return known[0] if known else "number" if name in self._numeric else "text"

    def _add_by_asset(self, name: str, at: int, others: Mapping[str, Column]) -> None:
        if name != _AMOUNT:
            raise OperationError(f'{name}: "decimals": "asset" is for amount_minor; say a number')
        if "asset" not in others and "asset" not in self.constants:
            raise OperationError('amount_minor: "decimals": "asset" needs "asset" in the mapping')
        column = others.get("asset")
        self._by_asset = at, None if column is None else self._at("asset", column)

    @property
    def has_time_unit(self) -> bool:
        """Whether the mapping says what times are."""
        return self._time is not time_ms

    def read_time(self, cells: Sequence[str]) -> int:
        """Event time of a row in milliseconds since 1970.

        Raises:
            ValueError: it has none.
        """
        text = cells[self._time_at]
        if not text:
            raise ValueError("time: the cell is empty")
        try:
            return self._time(text)
        except ValueError as error:
            raise ValueError(f"time: {error}") from None

    @property
    def has_source(self) -> bool:
        """Whether rows say where on the stream they come from."""
        return bool(self._source_at)

    def read_source(self, cells: Sequence[str]) -> tuple[int, int]:
        """Partition and offset of `ledger-events` that a row names.

        Raises:
            ValueError: it names none.
        """
        partition, offset = (cells[at] for at in self._source_at)
        for name, text in zip(SOURCE, (partition, offset), strict=True):
            if not (text.isascii() and text.isdecimal() and len(text) <= _MOST_DIGITS):
                raise ValueError(f"{name}: {text[:40]!r} is no whole number from 0 on")
        return int(partition), int(offset)

    def read(self, cells: Sequence[str]) -> dict[str, FactValue]:
        """The fact that a row is, without what is derived and without its time.

        Raises:
            ValueError: a cell cannot be read; the message says which and why.
        """
        fact = self.constants.copy()
        for name, at in self._texts:
            text = cells[at]
            if text:
                if len(text) > MAX_TEXT:
                    raise ValueError(f"{name}: {len(text):,} characters, at most {MAX_TEXT:,} are taken")
                fact[name] = text
        for name, at, read in self._numbers:
            text = cells[at]
            if text:
                try:
                    fact[name] = read(text)
                except ValueError as error:
                    raise ValueError(f"{name}: {error}") from None
        if self._by_asset is not None:
            self._add_amount(fact, cells, *self._by_asset)
        return fact

    def _add_amount(self, fact: dict[str, FactValue], cells: Sequence[str], at: int, asset_at: int | None) -> None:
        text = cells[at]
        if not text:
            return
        code = str(self.constants["asset"]) if asset_at is None else cells[asset_at]
        known = ISO_4217.get(code)
        if known is None:
            raise ValueError(
                f"amount_minor: asset {code[:40]!r} is not in ISO 4217; say how many decimals the column has"
            )
        try:
            fact[_AMOUNT] = major_units(text, known.exponent)
        except ValueError as error:
            raise ValueError(f"amount_minor: {error}") from None


def read_mapping(path: Path) -> Mapped:
    """The mapping of a file.

    Raises:
        OperationError: it cannot be read, or is none.
    """
    try:
        value = path.read_bytes().removeprefix(codecs.BOM_UTF8)
        mapped = _ADAPTER.validate_json(value)
        # What pydantic has read is JSON; of a name that stands there twice it has taken the last.
        read_json(value)
        return mapped
    except OSError as error:
        raise OperationError(f"{path} cannot be read: {error.strerror}") from None
    except NamedTwice as error:
        raise OperationError(f"{path}: {error}") from None
    except ValidationError as error:
        raise OperationError(f"{path} is no mapping: {_mistake(error)}. {_HINT}") from None


def _mistake(error: ValidationError) -> str:
    """The first mistake, in the form that was meant: each of the others is wrong as well."""
    errors = error.errors(include_url=False)
    first = errors[0]
    given: Any = first["input"]
    if first["loc"][1:] == ("str",) and isinstance(given, dict):
        meant = (first["loc"][0], (Constant if "const" in given else Column).__name__)
        first = next((each for each in errors if each["loc"][:2] == meant), first)
    # Field and member; the other parts say which form was tried.
    where = [str(part) for part in first["loc"] if part not in ("str", "Constant", "Column", "[key]")][:2]
    return ": ".join(filter(None, (".".join(where), first["msg"])))


def _number_reader(name: str, decimals: int | None) -> Read:
    if decimals is None:
        return minor_units if name == _AMOUNT else number
    return _major_units_of(decimals)


def _major_units_of(decimals: int) -> Callable[[str], int]:
    return lambda text: major_units(text, decimals)
