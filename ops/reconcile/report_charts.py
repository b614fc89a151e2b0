"""Charts as SVG that stands in the page: no script, colours by class, so that dark and print have their own. Pure.

Each has a title that says in words what it shows, and the page has the same figures in a table.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from ops.reconcile.markup import Markup, join, tag

WIDTH: Final = 760
_LABEL: Final = 170
_ROW: Final = 30
_BAR: Final = 18
_VALUE: Final = 70


class Part(NamedTuple):
    """A piece of a bar: its size, the class of its colour, and what it is."""

    size: int
    class_: str
    name: str


class Bar(NamedTuple):
    """A bar and what is written beside it."""

    label: str
    parts: tuple[Part, ...]
    value: str


def bars(title: str, rows: Sequence[Bar], *, is_share: bool = False) -> Markup:
    """Horizontal bars, all to one scale; with `is_share` each is as wide as the others, and shows shares."""
    height = _ROW * len(rows) + 8
    room = WIDTH - _LABEL - _VALUE
    most = max((sum(part.size for part in row.parts) for row in rows), default=0)
    drawn = [
        _bar(row, place, room, sum(part.size for part in row.parts) if is_share else most)
        for place, row in enumerate(rows)
    ]
    return tag(
        "svg",
        tag("title", title),
        *drawn,
        viewBox=f"0 0 {WIDTH} {height}",
        role="img",
        class_="chart",
        preserveAspectRatio="xMinYMin meet",
    )


def _bar(row: Bar, place: int, room: int, scale: int) -> Markup:
    top, left = place * _ROW + 6, _LABEL
    pieces = []
    for part in row.parts:
        # At least a hair for what is there: one case of ten thousand is one to look at.
        width = max(2, part.size * room // scale) if part.size and scale else 0
        if width:
            hint = tag("title", f"{row.label}: {part.size} {part.name}")
            pieces.append(tag("rect", hint, x=left, y=top, width=width, height=_BAR, rx=2, class_=part.class_))
        left += width
    middle = top + _BAR // 2
    label = tag("text", cut(row.label, 24), x=_LABEL - 10, y=middle, class_="label", text_anchor="end")
    value = tag("text", row.value, x=min(left + 8, WIDTH - _VALUE + 8), y=middle, class_="value")
    track = tag("rect", x=_LABEL, y=top, width=room, height=_BAR, rx=2, class_="track")
    return join(track, *pieces, label, value)


def cut(text: str, most: int) -> str:
    """Text that fits."""
    return text if len(text) <= most else text[: most - 1] + "…"
