"""Records of a BAI2 file: physical lines and their continuations joined, fields told apart.

Source: BAI Cash Management Balance Reporting Specifications, version 2.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from agents.statements.amounts import whole_minor_of
from agents.statements.refusal import Refusal, quoted
from agents.statements.texts import numbered_lines

CODES: Final = frozenset({"01", "02", "03", "16", "49", "88", "98", "99"})
#: Records that more fields or text may follow in a record 88.
_CONTINUED: Final = frozenset({"03", "16"})
#: Fields that a funds type brings with it: amounts or dates of availability. `D` says how many itself.
_FUNDS_FIELDS: Final = {"": 0, "0": 0, "1": 0, "2": 0, "Z": 0, "S": 3, "V": 2}
#: Continuations of a record, and parts of a funds type.
_MOST_PARTS: Final = 1_000


@dataclass(slots=True)
class Bai2Record:
    """A record with its continuations: code, fields behind it, and how many physical records it is."""

    code: str
    line_number: int
    fields: list[str]
    physical: int = 1

    def field(self, index: int) -> str:
        """A field by its place behind the code; empty where the record is shorter."""
        return self.fields[index].strip() if index < len(self.fields) else ""


def records(text: str) -> list[Bai2Record]:
    """All records in order.

    Raises:
        Refusal: `malformed`, where a line is none.
    """
    found: list[Bai2Record] = []
    # Whether the last physical record was ended by a slash: then fields follow in the next, else its text goes on.
    closed = True
    for number, line in numbered_lines(text):
        content = line.rstrip()
        if not content:
            continue
        code, comma, rest = content[:2], content[2:3], content[3:]
        if code not in CODES or comma not in {",", "/", ""}:
            raise Refusal("malformed", f"{quoted(content)} is no record of BAI2", number)
        ends = rest.endswith("/") or comma == "/"
        rest = rest.removesuffix("/")
        if code == "88":
            _continue(found, rest, closed, number)
        else:
            found.append(Bai2Record(code, number, rest.split(",") if rest else []))
        closed = ends
    return found


def _continue(found: list[Bai2Record], rest: str, closed: bool, number: int) -> None:
    if not found or found[-1].code not in _CONTINUED:
        raise Refusal("malformed", "a record 88 continues none that can be continued", number)
    last = found[-1]
    last.physical += 1
    if last.physical > _MOST_PARTS:
        raise Refusal("malformed", f"a record with more than {_MOST_PARTS:,} continuations", number)
    first, *others = rest.split(",")
    if closed or not last.fields:
        last.fields.append(first)
    else:
        last.fields[-1] = f"{last.fields[-1]} {first}".strip()
    last.fields += others


def after_funds(record: Bai2Record, start: int) -> int:
    """Place of the field behind the funds type at `start` and what it brings with it.

    Raises:
        Refusal: `malformed`, where it is no funds type.
    """
    kind = record.field(start).upper()
    if kind == "D":
        count = record.field(start + 1)
        if not count.isascii() or not count.isdigit() or len(count) > 3 or int(count) > _MOST_PARTS:
            raise Refusal("malformed", f"funds type D with {quoted(count)} parts", record.line_number)
        return start + 2 + 2 * int(count)
    if kind not in _FUNDS_FIELDS:
        raise Refusal("malformed", f"{quoted(kind)} is no funds type", record.line_number)
    return start + 1 + _FUNDS_FIELDS[kind]


def signed_total(text: str) -> int:
    """An amount or total that may have a sign.

    Raises:
        Refusal: `amount`, where it is none.
    """
    sign = -1 if text.startswith("-") else 1
    return sign * whole_minor_of(text[1:] if text[:1] in {"-", "+"} else text)


def count_of(text: str, what: str) -> int:
    """A count.

    Raises:
        Refusal: `malformed`, where it is none.
    """
    if not text.isascii() or not text.isdigit() or len(text) > 15:
        raise Refusal("malformed", f"{what} {quoted(text)}: digits are wanted")
    return int(text)
