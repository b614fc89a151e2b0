"""Reads the rows of a table: CSV with a header line, also packed by gzip."""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from ops.errors import OperationError

#: Longest cell that is read at all, in characters: beyond it a quote was not closed.
MAX_CELL: Final = 16 * 1024 * 1024
#: Rows between two words on how far it is.
_TELL_EVERY: Final = 1_000

#: Hears of a row that is none: the number of its last line, and what is wrong with it.
OnBad = Callable[[int, str], None]


class Table:
    """A CSV file in UTF-8, read row by row.

    Args:
        path: the file.
        delimiter: what parts its cells, one character.

    Raises:
        OperationError: it cannot be read, or has no header.
    """

    def __init__(self, path: Path, delimiter: str = ","):
        csv.field_size_limit(MAX_CELL)
        self.path = path
        try:
            if not path.is_file():
                raise OperationError(f"{path} is no file that can be read twice: write the table to a file first")
            self._raw = path.open("rb")
        except OSError as error:
            raise OperationError(f"{path} cannot be read: {error.strerror}") from None
        packed = self._raw.peek(2)[:2] == b"\x1f\x8b"
        binary: Any = gzip.GzipFile(fileobj=self._raw) if packed else self._raw
        self._rows = csv.reader(
            io.TextIOWrapper(binary, encoding="utf-8-sig", newline=""), delimiter=delimiter, strict=True
        )
        try:
            header = next(self._rows, [])
        except (csv.Error, UnicodeDecodeError, OSError, EOFError, zlib.error) as error:
            self.close()
            raise OperationError(f"{path} is no CSV in UTF-8: {error}") from None
        if not any(header):
            self.close()
            raise OperationError(f"{path} is empty: its first line must name the columns")
        twice = {name for name in header if name and header.count(name) > 1}
        if twice:
            self.close()
            raise OperationError(f"{path} has two columns {', '.join(sorted(twice))}: rename one")
        #: Names of the columns.
        self.columns = tuple(header)

    @property
    def line(self) -> int:
        """Number of the line that was read last, from 1 with the header."""
        return self._rows.line_num

    def rows(
        self, on_bad: OnBad, on_rows: Callable[[int], None] = lambda _rows: None
    ) -> Iterator[tuple[int, list[str]]]:
        """Number (from 1, after the header) and cells of each row; bad rows have a number too, and go to `on_bad`.

        `on_rows` hears now and then how many it were.

        Raises:
            OperationError: from some place on the file cannot be read.
        """
        rows, width, number, is_over = self._rows, len(self.columns), 0, False
        try:
            while not is_over:
                try:
                    for cells in rows:
                        if len(cells) != width:
                            if not cells:
                                continue
                            number += 1
                            on_bad(rows.line_num, f"{len(cells)} cells, the header has {width}")
                            continue
                        number += 1
                        if number % _TELL_EVERY == 0:
                            on_rows(number)
                        yield number, cells
                    is_over = True
                except csv.Error as error:
                    number += 1
                    if "field limit" in str(error):
                        raise OperationError(
                            f"{self.path}, line {rows.line_num}: a cell of more than {MAX_CELL:,} characters; "
                            "a quote before it was not closed"
                        ) from None
                    on_bad(rows.line_num, f"no CSV: {error}; is a quote not closed, or not doubled within a cell?")
        except (UnicodeDecodeError, OSError, EOFError, zlib.error) as error:
            raise OperationError(
                f"{self.path}, behind line {rows.line_num}: {error}; the file must be whole, and text in UTF-8"
            ) from None
        on_rows(number)

    def close(self) -> None:
        """Close the file."""
        self._raw.close()
