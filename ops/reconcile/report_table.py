"""Tables of the report. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from ops.reconcile.markup import Markup, tag


def table(
    caption: str, heads: Sequence[str], rows: Sequence[Sequence[object]], texts: int, *, numbers: Sequence[int] = ()
) -> Markup:
    """A table; from column `texts` on cells are numbers, unless `numbers` names those that are."""

    def is_number(place: int) -> bool:
        return place in numbers if numbers else place >= texts

    head = tag(
        "tr",
        *(
            tag("th", name, scope="col", class_="number" if is_number(place) else None)
            for place, name in enumerate(heads)
        ),
    )
    body = [
        tag(
            "tr",
            *(
                tag("th", cell, scope="row")
                if place == 0
                else tag("td", cell, class_="number" if is_number(place) else None)
                for place, cell in enumerate(row)
            ),
        )
        for row in rows
    ]
    return tag(
        "div",
        tag("table", tag("caption", caption), tag("thead", head), tag("tbody", *body)),
        class_="wide",
        tabindex="0",
        role="region",
        aria_label=caption,
    )
