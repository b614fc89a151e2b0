"""Requests ready to be sent: key and value as bytes."""

from __future__ import annotations

from codecs import BOM_UTF8
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

import orjson
from pydantic import ValidationError

from ops.errors import OperationError
from schemas.commands import CONTRACTS

#: Lines that one message tells of.
_TOLD: Final = 20
#: Characters of what is wrong with a line, at most.
_TOLD_CHARACTERS: Final = 800
#: Of a line that is no JSON, or none of an object, and what most often makes it so.
_NO_OBJECT: Final = ("json_invalid", "dict_type")
_ONE_LINE: Final = "; a command is one JSON object on one line"


class Request(NamedTuple):
    """A record for an input topic. The key is the wallet's id; None where a broken request names none."""

    key: bytes | None
    value: bytes


@dataclass(frozen=True, slots=True)
class Phase:
    """Requests of which each may depend on all those of earlier phases, but on none of its own."""

    name: str
    count: int
    requests: Iterator[Request]


def read_lines(lines: Iterable[bytes], topic: str) -> Iterator[Request]:
    """The requests of a file with one JSON object in each line; empty lines and byte order marks are passed over.

    Raises:
        OperationError: lines are no commands of `topic` (its short name); the message names each with its reasons. It
            comes after the last request that is one.
    """
    validate = CONTRACTS[topic].validator.validate_json
    wrong: list[str] = []
    for number, line in enumerate(lines, start=1):
        value = line.strip().removeprefix(BOM_UTF8)
        if not value:
            continue
        try:
            command = validate(value)
        except ValidationError as error:
            wrong.append(f"line {number}: {_reasons(error)}")
            continue
        yield Request(command.wallet_id.encode(), value)
    if wrong:
        more = len(wrong) - _TOLD
        told = [*wrong[:_TOLD], f"and {more} lines more"] if more > 0 else wrong
        raise OperationError(
            "\n".join([*told, "nothing was sent. Mend it, or send every line as it is with --unchecked"])
        )


def _reasons(error: ValidationError) -> str:
    """Every field that is wrong, and why. An operation of another topic is told by those that there are.

    Both ends are told of what is long, for names and operations in a line are as long as whoever wrote it likes.
    """
    told = "; ".join(
        f"{found['msg']}{_ONE_LINE if found['type'] in _NO_OBJECT else ''} "
        f"({'.'.join(map(str, found['loc'][1:])) or 'the whole line'})"
        for found in error.errors(include_url=False, include_input=False)
    )
    return (
        told if len(told) <= _TOLD_CHARACTERS else f"{told[: _TOLD_CHARACTERS // 2]}…{told[-_TOLD_CHARACTERS // 2 :]}"
    )


def read_unchecked(lines: Iterable[bytes]) -> Iterator[Request]:
    """Every line as it is, keyed by the `wallet_id` that can be read of it; no key where there is none."""
    for line in lines:
        value = line.rstrip(b"\r\n")
        if value:
            yield Request(_key_of(value), value)


def _key_of(value: bytes) -> bytes | None:
    try:
        loaded = orjson.loads(value)
    except ValueError:
        return None
    wallet_id = loaded.get("wallet_id") if isinstance(loaded, dict) else None
    return wallet_id.encode() if isinstance(wallet_id, str) else None
