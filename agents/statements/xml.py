"""Reads XML that nobody vouches for: no document type, no entity, nothing fetched, bounded depth, element by element.

`lxml` parses (libxml2 bounds depth to 256 and text to 10 MB); what is done is cleared away, so that a long statement
does not stand in memory as a tree.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any, Final, cast

from lxml import etree

from agents.statements.refusal import Refusal
from schemas.external_statements import RefusalReason

_DOCTYPE: Final = re.compile(rb"<!\s*(?:DOCTYPE|ENTITY|ELEMENT|ATTLIST|NOTATION)", re.IGNORECASE)
_CHUNK_BYTES: Final = 1 << 16
#: Of a document that stand in memory as a tree at once; the smallest elements make some 30 times as much of it.
_MOST_HELD_BYTES: Final = 24 << 20
#: Codes of libxml2 for text that is not in its encoding, or an encoding that nobody knows.
_ENCODING_ERRORS: Final = frozenset({31, 32, 81, 6000, 6001, 6003, 1544})
_FORBIDDEN: Final = (
    "a document type or entity declaration: no statement needs one, and it could read files or fill the memory"
)


def elements(data: bytes, names: Sequence[str]) -> Iterator[tuple[str, etree._Element]]:
    """`("start" | "end", element)` of the elements of these local names, in the order of the document.

    The first of them is in every document; `release` whatever of the last is done.

    Raises:
        Refusal: `forbidden_xml`, `encoding`, `malformed` with the line, or `too_large`.
    """
    if _DOCTYPE.search(data):
        raise Refusal("forbidden_xml", _FORBIDDEN)
    parser = etree.XMLPullParser(
        events=("start", "end"),
        tag=[f"{{*}}{name}" for name in names],
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        attribute_defaults=False,
        huge_tree=False,
        recover=False,
        remove_comments=True,
        remove_pis=True,
    )
    done = 0
    try:
        for start in range(0, len(data), _CHUNK_BYTES):
            parser.feed(data[start : start + _CHUNK_BYTES])
            for event, element in cast("Iterator[tuple[str, etree._Element]]", parser.read_events()):
                # In UTF-16 the search above sees nothing.
                if local_name(element) == names[0] and element.getroottree().docinfo.internalDTD is not None:
                    raise Refusal("forbidden_xml", _FORBIDDEN)
                yield event, element
                if event == "end" and local_name(element) == names[-1]:
                    done = start
            if start - done > _MOST_HELD_BYTES:
                raise Refusal("too_large", f"more than {_MOST_HELD_BYTES:,} bytes without the end of an entry")
        parser.close()
    except etree.XMLSyntaxError as error:
        reason: RefusalReason = "encoding" if cast("Any", error).code in _ENCODING_ERRORS else "malformed"
        raise Refusal(reason, f"XML: {error.msg}", error.lineno or None) from None
    except (LookupError, UnicodeError) as error:
        raise Refusal("encoding", f"XML: {error}") from None


def release(element: etree._Element) -> None:
    """Take an element that is done, and those of its name right before it, out of memory."""
    element.clear()
    parent, previous = element.getparent(), element.getprevious()
    while parent is not None and previous is not None and previous.tag == element.tag:
        parent.remove(previous)
        previous = element.getprevious()


def local_name(element: etree._Element) -> str:
    """Name without its namespace; empty for what is no element."""
    tag = element.tag
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""


def namespace(element: etree._Element) -> str:
    """Namespace of an element; empty where it has none."""
    tag = element.tag
    return tag[1:].partition("}")[0] if isinstance(tag, str) and tag.startswith("{") else ""


def line_of(element: etree._Element) -> int:
    """The line of the file, from 1, in which an element begins."""
    return cast("int | None", cast("Any", element).sourceline) or 0


@lru_cache(maxsize=1024)
def _qualified(space: str, path: str) -> str:
    return "/".join(f"{{{space}}}{name}" for name in path.split("/")) if space else path


def find(element: etree._Element, path: str) -> etree._Element | None:
    """The first element at `A/B/C` below, in the namespace of the element itself."""
    return element.find(_qualified(namespace(element), path))


def find_all(element: etree._Element, path: str) -> list[etree._Element]:
    """All elements at `A/B/C` below, in the namespace of the element itself."""
    return element.findall(_qualified(namespace(element), path))


def text_of(element: etree._Element | None, path: str = "") -> str | None:
    """Text of an element, or of the first at `path` below: without white space around it; None where there is none."""
    if element is not None and path:
        element = find(element, path)
    if element is None or element.text is None:
        return None
    return element.text.strip() or None


def wanted(element: etree._Element, path: str) -> str:
    """As `text_of`, of an element that has to be there.

    Raises:
        Refusal: `malformed`, where it is missing or empty.
    """
    text = text_of(element, path)
    if text is None:
        raise Refusal("malformed", f"{local_name(element)} has no {path}", line_of(element))
    return text
