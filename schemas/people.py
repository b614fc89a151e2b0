"""Whether two names are one person's: who has proposed something does not approve it under another spelling."""

from __future__ import annotations

import unicodedata
from typing import Final

#: Letters that look like Latin ones, in capitals or not, as they are after case folding.
_LOOKS_LIKE: Final = str.maketrans(
    "авеікмнорстухјѕһԁԛԝѵαβεζηικμνορτυχıɑɡ",
    "abeikmhopctyxjshdqwvabezhikmvoptyxiag",
)
#: Marks that stand above or below letters of Latin, Greek and Cyrillic, and symbols.
_MARKS: Final = frozenset(
    code
    for first, end in ((0x300, 0x370), (0x1AB0, 0x1B00), (0x1DC0, 0x1E00), (0x20D0, 0x2100), (0xFE20, 0xFE30))
    for code in range(first, end)
)
#: Letters and marks that print nothing, beside the format characters.
_BLANK: Final = frozenset("\u115f\u1160\u17b4\u17b5\u2800") | frozenset(map(chr, (*range(0xFE00, 0xFE10),)))
_BLANK_PLANE: Final = range(0xE0000, 0xE1000)


def same_person(one: str, other: str) -> bool:
    """Whether two names are one person's: case, blanks, accents, forms of letters, letters of other scripts that look
    the same, and characters that cannot be seen, make no difference. In doubt they are: somebody else is asked.
    """
    return _folded(one) == _folded(other)


def _folded(name: str) -> str:
    text = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", name).casefold())
    return "".join(char for char in text if not char.isspace() and not _is_unseen(char)).translate(_LOOKS_LIKE)


def _is_unseen(char: str) -> bool:
    code = ord(char)
    return unicodedata.category(char) in {"Cf", "Cc"} or code in _MARKS or char in _BLANK or code in _BLANK_PLANE
