"""Text formats: from bytes to numbered lines, in one encoding or not at all."""

from __future__ import annotations

import codecs
import re
from typing import Final

from agents.statements.refusal import Refusal

#: Physical lines of a text, and objects and lists of JSON: what is made of each takes some hundred bytes.
MOST_PARTS: Final = 2_000_000
#: Halves of characters of UTF-16, which no text can be written with: JSON can say them, and odd encodings.
HALF: Final = re.compile("[\ud800-\udfff]")
HALF_A_CHARACTER: Final = "half of a character, as \\ud83d is"
_UTF_16: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def text_of_bytes(data: bytes, encoding: str) -> str:
    """The text of a file; a byte order mark of UTF-8 is left out.

    Raises:
        Refusal: `encoding`, where it has another one, or there is no such encoding.
    """
    if data.startswith(_UTF_16) and not encoding.lower().startswith("utf-16"):
        raise Refusal("encoding", f"the file is UTF-16, not {encoding}: name its encoding")
    data = data.removeprefix(codecs.BOM_UTF8) if encoding.lower() in {"utf-8", "utf8"} else data
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        line_number = data.count(b"\n", 0, error.start) + 1
        raise Refusal(
            "encoding", f"byte {error.start} is no {encoding}; name the file's encoding if it is another", line_number
        ) from None
    except (LookupError, UnicodeError):
        raise Refusal("encoding", f"there is no text encoding {encoding!r}") from None
    if not isinstance(text, str):
        raise Refusal("encoding", f"there is no text encoding {encoding!r}")
    if (half := HALF.search(text)) is not None:
        raise Refusal("encoding", HALF_A_CHARACTER, text.count("\n", 0, half.start()) + 1)
    if "\0" in text:
        raise Refusal("encoding", "there are NUL characters in it", text.count("\n", 0, text.index("\0")) + 1)
    if text.count("\n") + text.count("\r") > 2 * MOST_PARTS or text.count("{") + text.count("[") > MOST_PARTS:
        raise Refusal("too_large", f"more than {MOST_PARTS:,} lines or objects: have it split")
    return text


def numbered_lines(text: str) -> list[tuple[int, str]]:
    """The lines with their numbers, from 1, ends of line taken off: `\\n`, `\\r\\n` and `\\r` end one."""
    return list(enumerate(text.replace("\r\n", "\n").replace("\r", "\n").split("\n"), start=1))
