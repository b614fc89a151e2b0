"""Texts as arguments take them, and as commands print them."""

from __future__ import annotations

from typing import Any

import click


class Utf8(click.ParamType):
    """Text that can be looked for: bytes on the command line that are no UTF-8 are no id of anything."""

    name = "text"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The text."""
        text = str(value)
        try:
            text.encode()
        except UnicodeEncodeError:
            self.fail(f"{text!r} is no UTF-8", param, ctx)
        return text


def counted(count: int, one: str) -> str:
    """So many of something: `1 problem`, `2 problems`."""
    return f"{count} {one}" if count == 1 else f"{count} {one}s"
