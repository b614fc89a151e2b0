"""The few shapes of Markdown that the reference pages are made of."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def page(title: str, source: str, *parts: str) -> str:
    """A whole page: its title, the note that it is generated from `source`, and its parts with a line between."""
    note = f"<!-- Generated from {source} by `make docs`: change the code, not this page. -->"
    return "\n\n".join([f"# {title}", note, *(part.strip("\n") for part in parts if part)]) + "\n"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; line feeds and bars within cells are made harmless."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines)


def fenced(text: str, language: str = "") -> str:
    """A code block."""
    return f"```{language}\n{text.rstrip()}\n```"


def listed(names: Iterable[str]) -> str:
    """Names as code, separated by commas."""
    return ", ".join(f"`{name}`" for name in names)


def days(milliseconds: int | None) -> str:
    """A retention for people: whole days, or for ever."""
    return "for ever" if milliseconds is None else f"{milliseconds / 86_400_000:g} days"


def size(count: int) -> str:
    """Bytes for people, in KiB or MiB where that is exact."""
    for unit, name in ((1 << 20, "MiB"), (1 << 10, "KiB")):
        if count >= unit and count % unit == 0:
            return f"{count // unit} {name}"
    return f"{count:,} bytes"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
