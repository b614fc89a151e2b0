"""Rows of a table in a file: CSV with a header, a JSON array of objects, or one JSON object in each line.

Nothing that a file holds makes it take more memory than the bounds here: a line is not read further than it may be
long.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from operator import itemgetter
from pathlib import Path
from typing import IO, Any, Final, NamedTuple

from ops.errors import OperationError
from ops.reconcile.files_rules import each_name_once

#: Longest line and longest cell, in characters.
MAX_LINE: Final = 4 * 1024 * 1024
MAX_CELL: Final = 64 * 1024
#: Largest JSON array, in bytes. Lines of JSON may be any number.
MAX_ARRAY: Final = 512 * 1024 * 1024
#: How files in UTF-16 begin.
_UTF_16: Final = (b"\xff\xfe", b"\xfe\xff")
_BLANK: Final = " \t\r\n"


class Row(NamedTuple):
    """One row: its number from 1 after the header, the line of the file it ends in, and the cells asked for."""

    number: int
    line: int
    cells: Sequence[str]


class BadRow(Exception):
    """A row that cannot be read; the message says why."""

    def __init__(self, number: int, line: int, why: str):
        super().__init__(why)
        self.number, self.line, self.why = number, line, why


#: Hears of each row that cannot be read.
OnBad = Callable[[BadRow], None]


class Table:
    """A file of rows.

    Args:
        path: the file.
        wanted: where it is asked for -> the column, at least two; rows have their cells in this order.
        delimiter: what parts the cells of CSV.

    Raises:
        OperationError: it cannot be read, or lacks a column.
    """

    def __init__(self, path: Path, wanted: Mapping[str, str], delimiter: str = ","):
        self.path, self._wanted, self._delimiter = path, dict(wanted), delimiter
        try:
            if not path.is_file():
                raise OperationError(f"{path} is no file" if path.exists() else f"{path} is not there")
            #: Size in bytes.
            self.size = path.stat().st_size
            self._raw: IO[bytes] = path.open("rb")
        except OSError as error:
            raise OperationError(f"{path} cannot be read: {error.strerror}") from None
        self._is_json = _begins_as_json(self._raw)

    def position(self) -> int:
        """How many bytes were read."""
        return self._raw.tell()

    def close(self) -> None:
        """Close the file."""
        self._raw.close()

    def rows(self, on_bad: OnBad) -> Iterator[Row]:
        """All rows in order; `on_bad` takes a `BadRow` for each that cannot be read.

        Raises:
            OperationError: the file is no table, or lacks a column.
        """
        try:
            yield from self._json(on_bad) if self._is_json else self._csv(on_bad)
        except UnicodeDecodeError as error:
            raise OperationError(
                f"{self.path} is not text in UTF-8 (byte {error.object[error.start]:#04x}): convert it, as with "
                f"`iconv -f {'UTF-16' if error.object[:2] in _UTF_16 else 'LATIN1'} -t UTF-8`"
            ) from None
        except OSError as error:
            raise OperationError(f"{self.path} cannot be read: {error.strerror}") from None

    def _lines(self) -> Iterator[str]:
        """Lines with their ends, none longer than it may be."""
        # Kept, for the file is closed with it.
        self._text = text = io.TextIOWrapper(self._raw, encoding="utf-8-sig", newline="")
        number = 0
        while line := text.readline(MAX_LINE + 1):
            number += 1
            if len(line) > MAX_LINE:
                raise OperationError(
                    f"{self.path}, line {number}: more than {MAX_LINE:,} characters; no row is that long: "
                    "is it the right file?"
                )
            if "\0" in line:
                raise OperationError(f"{self.path}, line {number}: a NUL character; is it a table at all?")
            yield line

    def _csv(self, on_bad: OnBad) -> Iterator[Row]:
        csv.field_size_limit(MAX_CELL)
        reader = csv.reader(self._lines(), delimiter=self._delimiter, strict=True)
        try:
            header = [name.strip() for name in next(reader, [])]
        except csv.Error as error:
            raise OperationError(f"{self.path}, line 1: no CSV: {error}") from None
        wanted = itemgetter(*self._places(header))
        width, number = len(header), 0
        while True:
            try:
                for cells in reader:
                    if not cells:
                        continue
                    number += 1
                    if len(cells) == width:
                        yield Row(number, reader.line_num, wanted(cells))
                    else:
                        on_bad(BadRow(number, reader.line_num, f"{len(cells)} cells, the header has {width}"))
                return
            except csv.Error as error:
                if "field limit" in str(error):
                    raise OperationError(
                        f"{self.path}, line {reader.line_num}: a cell of more than {MAX_CELL:,} characters; is a "
                        "quote before it not closed?"
                    ) from None
                number += 1
                on_bad(BadRow(number, reader.line_num, f"no CSV: {error}; is a quote not closed, or not doubled?"))

    def _places(self, header: Sequence[str]) -> list[int]:
        if not any(header):
            raise OperationError(f"{self.path} is empty: its first line must name the columns")
        for where, column in self._wanted.items():
            if column not in header:
                raise OperationError(self._without(where, column, header))
            if header.count(column) > 1:
                raise OperationError(
                    f"{self.path} has {header.count(column)} columns named {column!r} ({where}): rename all but one"
                )
        return [header.index(column) for column in self._wanted.values()]

    def _without(self, where: str, column: str, header: Sequence[str]) -> str:
        there = ", ".join(repr(name[:80]) for name in header[:30])
        hint = ""
        if len(header) == 1 and any(mark in header[0] for mark in ";\t|"):
            hint = "; its cells are parted by something else than a comma: say --delimiter"
        return f"{self.path} has no column {column!r}, which the rules name for {where}; it has {there}{hint}"

    def _json(self, on_bad: OnBad) -> Iterator[Row]:
        columns = list(self._wanted.values())
        seen: set[str] = set()
        for number, line, found in self._objects():
            try:
                cells = _cells(found, columns)
            except ValueError as error:
                on_bad(BadRow(number, line, str(error)))
                continue
            seen.update(found)
            yield Row(number, line, cells)
        missing = {where: column for where, column in self._wanted.items() if column not in seen}
        if seen and missing:
            where, column = next(iter(missing.items()))
            raise OperationError(
                f"{self.path}: no row has {column!r}, which the rules name for {where}; rows have "
                + ", ".join(map(repr, sorted(seen)[:30]))
            )

    def _objects(self) -> Iterator[tuple[int, int, Any]]:
        """Number, line and value of each element."""
        decode = json.JSONDecoder(
            object_pairs_hook=each_name_once, parse_int=str, parse_float=str, parse_constant=_no_number
        ).raw_decode
        if _first_character(self._raw) == b"[":
            yield from self._elements(decode)
            return
        number = 0
        for line_number, line in enumerate(self._lines(), start=1):
            text = line.strip(_BLANK)
            if text:
                number += 1
                try:
                    value, end = decode(text)
                except (ValueError, RecursionError) as error:
                    raise OperationError(
                        f"{self.path}, line {line_number}: no JSON: {error}; write an array of objects, or one object "
                        "in each line"
                    ) from None
                if end != len(text):
                    raise OperationError(
                        f"{self.path}, line {line_number}: something behind the object; write an array, or one object "
                        "in each line"
                    )
                yield number, line_number, value

    def _elements(self, decode: Any) -> Iterator[tuple[int, int, Any]]:
        if self.size > MAX_ARRAY:
            raise OperationError(
                f"{self.path}: a JSON array of more than {MAX_ARRAY // 1024 // 1024} MB; write one object in each "
                "line, without the brackets, or CSV"
            )
        text = self._raw.read().decode("utf-8-sig")
        at, number, line = _skip(text, text.index("[") + 1), 0, 1
        counted = 0
        while text[at : at + 1] != "]" or number:
            line += text.count("\n", counted, at)
            counted = at
            try:
                value, at = decode(text, at)
            except (ValueError, RecursionError) as error:
                raise OperationError(f"{self.path}, line {line}: no JSON: {error}") from None
            number += 1
            yield number, line, value
            at = _skip(text, at)
            if text[at : at + 1] == "]":
                break
            if text[at : at + 1] != ",":
                raise OperationError(f"{self.path}, line {line}: a comma or ] is missing behind element {number}")
            at = _skip(text, at + 1)
        if text[at + 1 :].strip(_BLANK):
            raise OperationError(f"{self.path}: something behind the array")


def _skip(text: str, at: int) -> int:
    while text[at : at + 1] and text[at] in _BLANK:
        at += 1
    return at


def _first_character(raw: IO[bytes]) -> bytes:
    start = raw.read(4_096)
    raw.seek(0)
    return start.removeprefix(b"\xef\xbb\xbf").lstrip()[:1]


def _begins_as_json(raw: IO[bytes]) -> bool:
    return _first_character(raw) in (b"[", b"{")


def _cells(found: Any, columns: Sequence[str]) -> list[str]:
    """
    Raises:
        ValueError: it is no object, or a member is neither text nor a number.
    """
    if not isinstance(found, dict):
        raise ValueError("it is no object")
    cells = []
    for column in columns:
        value = found.get(column, "")
        if value is None:
            value = ""
        elif not isinstance(value, str):
            raise ValueError(f"{column}: neither text nor a number")
        elif not value.isascii():
            _check_text(column, value)
        cells.append(value)
    return cells


def _check_text(column: str, value: str) -> None:
    """
    Raises:
        ValueError: it has half of a character, which JSON can write.
    """
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ValueError(f"{column}: half of a character, as \\ud83d is") from None


def _no_number(text: str) -> Any:
    raise ValueError(f"{text} is no number")
