"""Nothing that a text says breaks out of the page, and nothing hides in it."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops.reconcile.markup import Markup, escaped, join, shown, tag
from ops.reconcile.out_files import cell

HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "'; DROP TABLE lines; --",
    "</style></title></svg>",
    "&lt;b&gt;",
    '=HYPERLINK("http://x")',
    "{{7*7}}",
    "\u202egnp.exe",
    "a\x00b\x1b[31m",
)


class Seen(HTMLParser):
    """What a browser would make of it."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""

    def handle_starttag(self, name: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(name)
        self.attributes += attributes

    def handle_data(self, data: str) -> None:
        self.text += data


def seen(markup: str) -> Seen:
    parser = Seen()
    parser.feed(markup)
    parser.close()
    return parser


@given(st.text() | st.sampled_from(HOSTILE))
def test_a_text_stays_a_text(text: str) -> None:
    found = seen(tag("p", text, title=text))
    assert found.tags == ["p"]
    assert found.attributes == [("title", shown(text))]
    # A browser takes the line ends of a text as it finds them.
    assert found.text.replace("\r\n", "\n").replace("\r", "\n") == shown(text).replace("\r\n", "\n").replace("\r", "\n")


def test_markup_is_not_escaped_twice() -> None:
    assert tag("p", tag("b", "a & b"), None, " ", 1) == "<p><b>a &amp; b</b> 1</p>"
    assert join(Markup("<i>"), "<i>") == "<i>&lt;i&gt;"
    assert escaped(Markup("<i>")) == "<i>"
    assert tag("meta", charset="utf-8", content=None) == '<meta charset="utf-8">'
    assert tag("svg", stroke_width=2, class_="a") == '<svg stroke-width="2" class="a"></svg>'


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a\u202eb", "a\\u202eb"),
        ("\x00", "\\u0000"),
        ("\u200b\ufeff", "\\u200b\\ufeff"),
        ("a\tb\nc", "a\tb\nc"),
        ("é漢", "é漢"),
    ],
)
def test_what_hides_is_shown(text: str, expected: str) -> None:
    assert shown(text) == expected


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "\tx", "\rx", "\nx"])
def test_a_table_holds_no_formula(text: str) -> None:
    assert cell(text) == f"'{text}"
    assert (cell(-5), cell(None), cell("a=b")) == (-5, "", "a=b")
