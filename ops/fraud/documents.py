"""Reads files of rules, lists and rates: JSON with one object, a list of them, or one in each line."""

from __future__ import annotations

import codecs
import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar

from pydantic import BaseModel, ValidationError

from agents.fraud.rule_records import said_of
from ops.errors import OperationError

M = TypeVar("M", bound=BaseModel)

#: Largest file that is read, and how many mistakes are told at once.
_MAX_BYTES: Final = 64 * 1024 * 1024
_MOST_TOLD: Final = 20


class Documents(NamedTuple):
    """What a file holds."""

    path: Path
    #: The whole of it, where it is one JSON document; else its lines.
    whole: Any
    found: list[Any]


def read_documents(path: Path, within: str) -> Documents:
    """The objects of a file: one, a list, `{within: [..]}`, or one in each line.

    Raises:
        OperationError: it cannot be read, or is not JSON.
    """
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise OperationError(f"{path} has more than {_MAX_BYTES // 1024 // 1024} MB: is it the right file?")
        value = path.read_bytes()
    except OSError as error:
        raise OperationError(f"{path} cannot be read: {error.strerror}") from None
    whole = _parsed(path, value)
    if isinstance(whole, dict) and isinstance(whole.get(within), list):
        return Documents(path, whole, whole[within])
    return Documents(path, whole, whole if isinstance(whole, list) else [whole])


class NamedTwice(ValueError):
    """An object has a name twice: which of both counts, readers of JSON do not agree on."""


def read_json(value: bytes) -> Any:
    """JSON in which no object has a name twice; a byte order mark before it is passed over.

    Raises:
        NamedTwice: one has.
        ValueError: it is no JSON.
        RecursionError: it is nested too deeply.
    """
    return json.loads(value.removeprefix(codecs.BOM_UTF8), object_pairs_hook=_object)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, part in pairs:
        if name in found:
            raise NamedTwice(f"{name[:80]!r} stands there twice in one object: leave one out")
        found[name] = part
    return found


def _parsed(path: Path, value: bytes) -> Any:
    try:
        return read_json(value)
    except RecursionError:
        raise OperationError(f"{path} is nested too deeply") from None
    except NamedTwice as error:
        raise OperationError(f"{path}: {error}") from None
    except ValueError as error:
        try:
            lines = [read_json(line) for line in value.splitlines() if line.strip()]
        except NamedTwice as twice:
            raise OperationError(f"{path}: {twice}") from None
        except (ValueError, RecursionError):
            lines = []
        if not lines or not all(isinstance(each, dict) for each in lines):
            raise OperationError(f"{path} is no JSON: {error}") from None
        return lines


def read_as(
    documents: Documents,
    contract: type[M],
    what: str,
    name: str,
    said: Callable[[ValidationError], Iterable[object]] | None = None,
) -> list[M]:
    """The objects of a file as `contract` has them.

    Args:
        what: what they are, for people.
        name: the field that names one.
        said: tells what does not fit, each with its place; by default `mistakes`.

    Raises:
        OperationError: one of them is none; all mistakes are told, as far as there is room.
    """
    found: list[M] = []
    wrong: list[str] = []
    for number, each in enumerate(documents.found, start=1):
        try:
            # From its JSON: in strict mode a list of Python's is no tuple.
            found.append(contract.model_validate_json(json.dumps(each)))
        except ValidationError as error:
            named = each.get(name) if isinstance(each, dict) else None
            place = f"{what} {number}" + (f" ({str(named)[:80]})" if named is not None else "")
            wrong += [f"{place}: {told}" for told in (said or mistakes)(error)]
        except RecursionError:
            wrong.append(f"{what} {number}: nested too deeply")
    if wrong:
        raise OperationError(told_of(documents.path, wrong))
    return found


def told_of(path: Path, wrong: list[str]) -> str:
    """Mistakes in a file as one message, the first of them where they are many."""
    if len(wrong) == 1:
        return f"{path}: {wrong[0]}"
    more = len(wrong) - _MOST_TOLD
    return "\n  ".join([f"{path}:", *wrong[:_MOST_TOLD], *([f"and {more} more"] if more > 0 else [])])


def mistakes(error: ValidationError) -> Iterator[str]:
    """What does not fit a contract, each with its place."""
    for each in error.errors(include_url=False, include_input=False, include_context=False):
        where = ".".join(map(str, each["loc"]))
        said = said_of(each["msg"])
        yield f"{where}: {said}" if where else said
