"""SWIFT messages as banks put them into files: with or without envelope, one after the other, fields by their tags.

Source: SWIFT Standards MT, category 9; the envelopes and ends of message are those that banks in fact write.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from agents.statements.refusal import Refusal, quoted

_FIELD: Final = re.compile(r":([0-9]{2}[A-Z]?):(.*)")
#: `-}` of block 4, with what follows; `-` alone; one bank writes `-XXX`.
_END: Final = re.compile(r"-(?:\}.*|XXX)?\s*")
#: Between messages: blocks 1 to 3 and 5, or an envelope of an older kind (`ABNANL2A`, `940`, `0000 01INGBNL2AXXXX`).
_ENVELOPE: Final = re.compile(r"\{.*|:94[02]:|[A-Z0-9 ]{1,40}|")
_FIRST: Final = "20"


@dataclass(slots=True)
class Field:
    """A field: its tag (`61`), its lines without the tag, and the number of the first."""

    tag: str
    line_number: int
    lines: list[str]

    @property
    def first(self) -> str:
        """The first line, without white space around it."""
        return self.lines[0].strip()


@dataclass(slots=True)
class Message:
    """The fields of one message in order."""

    line_number: int
    fields: list[Field] = field(default_factory=list)


def messages(lines: list[tuple[int, str]]) -> Iterator[Message]:
    """The messages in numbered lines of text.

    Raises:
        Refusal: `malformed`, where a line belongs to no message, or block 4 of an envelope has no end.
    """
    message: Message | None = None
    #: Line of the block 4 that has not ended.
    opened: int | None = None
    for number, line in lines:
        if line.startswith(("{1:", "{4:")):
            _check_ended(opened)
            opened = number if line.rstrip().endswith("{4:") else None
        elif _END.fullmatch(line):
            opened = None
        found = _FIELD.fullmatch(line)
        if found is not None and found[1] == _FIRST:
            if message is not None:
                yield message
            message = Message(number)
        elif message is not None and (_END.fullmatch(line) or line.startswith("{1:")):
            yield message
            message = None
            continue
        if message is None:
            if not _ENVELOPE.fullmatch(line.strip()) and not _END.fullmatch(line):
                raise Refusal("malformed", f"{quoted(line)} is outside of any message, which begins with :20:", number)
        elif found is not None:
            message.fields.append(Field(found[1], number, [found[2]]))
        else:
            _continue(message, number, line)
    _check_ended(opened)
    if message is not None:
        yield message


def _check_ended(opened: int | None) -> None:
    if opened is not None:
        raise Refusal("malformed", "block 4 ({4:) does not end, with -}: is the file cut short?", opened)


def _continue(message: Message, number: int, line: str) -> None:
    last = message.fields[-1]
    if last.tag in {"61", "86", "25P"}:
        last.lines.append(line)
    elif line.strip():
        raise Refusal("malformed", f"{quoted(line)} continues :{last.tag}:, which has one line", number)
