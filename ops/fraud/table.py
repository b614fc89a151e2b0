"""Reads the rows of a table: CSV with a header line, also packed by gzip."""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from ops.errors import OperationError

#: Longest cell: longer ones are no facts.
_MAX_CELL: Final = 100_000


class Table:
    """A CSV file, read row by row.

    Raises:
        OperationError: it cannot be read, or has no header.
    """

    def __init__(self, path: Path):
        csv.field_size_limit(_MAX_CELL)
        self.path = path
        try:
            self.size_bytes = path.stat().st_size
            self._raw = path.open("rb")
        except OSError as error:
            raise OperationError(f"{path} cannot be read: {error.strerror}") from None
        packed = self._raw.peek(2)[:2] == b"\x1f\x8b"
        binary: Any = gzip.GzipFile(fileobj=self._raw) if packed else self._raw
        self._rows = csv.reader(io.TextIOWrapper(binary, encoding="utf-8-sig", newline=""))
        try:
            header = next(self._rows, [])
        except (csv.Error, UnicodeDecodeError, OSError, EOFError) as error:
            raise OperationError(f"{path} is no CSV in UTF-8: {error}") from None
        if not any(header):
            raise OperationError(f"{path} is empty: its first line must name the columns")
        twice = {name for name in header if header.count(name) > 1}
        if twice:
            raise OperationError(f"{path} has two columns {', '.join(sorted(twice))}: rename one")
        #: Names of the columns.
        self.columns = tuple(header)

    def rows(self, on_bytes: Callable[[int], None] = lambda _read: None) -> Iterator[tuple[int, dict[str, str]]]:
        """Number (from 1, after the header) and cells by column of each row; `on_bytes` hears how far it is.

        Raises:
            OperationError: a row has not as many cells as the header, or is no text.
        """
        columns, number = self.columns, 0
        try:
            for cells in self._rows:
                number += 1
                if len(cells) != len(columns):
                    if not cells:
                        number -= 1
                        continue
                    raise OperationError(
                        f"{self.path}, row {number}: {len(cells)} cells, the header has {len(columns)}"
                    )
                if number % 1_000 == 0:
                    on_bytes(self._raw.tell())
                yield number, dict(zip(columns, cells, strict=True))
        except (csv.Error, UnicodeDecodeError, OSError, EOFError) as error:
            raise OperationError(f"{self.path}, behind row {number}: {error}") from None
        on_bytes(self.size_bytes)

    def close(self) -> None:
        """Close the file."""
        self._raw.close()
