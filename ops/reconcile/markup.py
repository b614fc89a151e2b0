"""HTML and SVG that nobody's text can break out of: every text and every attribute is escaped here. Pure.

Control characters, and those that turn the direction of a line, are shown as what they are (`\\u202e`): a reference may
not hide in a page what a person approves.
"""

from __future__ import annotations

import html
import re
from typing import Final

_VOID: Final = frozenset({"meta", "br", "hr", "col"})
#: Controls but tab and line ends, lone surrogates, and Unicode's formatting characters that reorder or hide text.
_HIDDEN: Final = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]"
)


class Markup(str):
    """Text that is markup already; made by `tag` and `join` alone."""

    __slots__ = ()


def shown(text: str) -> str:
    """Text with whatever is hidden in it made visible."""
    return _HIDDEN.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def escaped(value: object) -> Markup:
    """Markup as it is; anything else as text."""
    return value if isinstance(value, Markup) else Markup(html.escape(shown(str(value)), quote=True))


def join(*parts: object) -> Markup:
    """Parts one after the other; None is nothing."""
    return Markup("".join(escaped(part) for part in parts if part is not None))


def tag(name: str, /, *parts: object, **attributes: object) -> Markup:
    """An element. In names of attributes `_` stands for `-`, one at the end for nothing; None leaves it out."""
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escaped(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    if name in _VOID:
        return Markup(f"<{name}{written}>")
    return Markup(f"<{name}{written}>{join(*parts)}</{name}>")
