"""Files that commands leave: each is there once it is whole, tables are safe to open in a spreadsheet."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Final

from ops.errors import OperationError

#: What a spreadsheet would take for the beginning of a formula.
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n")


@contextmanager
def written(path: Path) -> Iterator[IO[str]]:
    """A text file that appears under its name once the block has ended without an error.

    Raises:
        OperationError: it cannot be written.
    """
    partial = path.with_name(path.name + ".part")
    try:
        with partial.open("w", encoding="utf-8", newline="") as file:
            yield file
        partial.replace(path)
    except OSError as error:
        raise OperationError(f"{path} cannot be written: {error.strerror}") from error
    finally:
        partial.unlink(missing_ok=True)


def folder(path: Path) -> Path:
    """A folder to write into, made where there is none.

    Raises:
        OperationError: it cannot be made.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OperationError(f"{path} cannot be made a folder: {error.strerror}") from error
    return path


def removed(path: Path) -> None:
    """Remove a file that a command has left before, if it is there.

    Raises:
        OperationError: it cannot be removed.
    """
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise OperationError(f"{path} cannot be removed: {error.strerror}") from error


def cell(value: Any) -> Any:
    """A value for a table: text that a spreadsheet would run as a formula gets an apostrophe before it."""
    if isinstance(value, str) and value.startswith(_FORMULA):
        return f"'{value}"
    return "" if value is None else value


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """A table in UTF-8 with a header.

    Raises:
        OperationError: it cannot be written.
    """
    with written(path) as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows([cell(value) for value in row] for row in rows)


def write_json(path: Path, value: Any) -> None:
    """A JSON document, indented.

    Raises:
        OperationError: it cannot be written.
    """
    with written(path) as file:
        file.write(json_text(value))


def json_text(value: Any) -> str:
    """A JSON document as it is written to files."""
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"
