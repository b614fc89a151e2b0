"""CloudEvents 1.0 in Kafka's binary mode: the `ce_*` headers of a record, all optional on input.

Source: CloudEvents Kafka protocol binding 1.0.2, section 3.2; W3C Trace Context for `traceparent`.
Headers that do not begin with `ce_` are nobody's business here and are ignored, doubled or not.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

SPEC_VERSION: Final = "1.0"
CONTENT_TYPE: Final = b"application/json"

#: A `ce_id` stands in for an absent `request_id`, so that it has to fit one.
MAX_ID_LENGTH: Final = 200

_NOT_EMPTY: Final = frozenset({"ce_id", "ce_source", "ce_type", "ce_time"})
_TRACEPARENT: Final = re.compile(rb"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


class HeaderError(ValueError):
    """A record's headers cannot be accepted: `field` names the header, `message` says what is wrong with it."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"header {field}: {message}")
        self.field = field
        self.message = message


class EventHeaders(NamedTuple):
    """What a record's headers say; None where a header is absent. `time` is text as it was sent."""

    id: str | None = None
    source: str | None = None
    type: str | None = None
    time: str | None = None
    subject: str | None = None
    traceparent: str | None = None


NO_HEADERS: Final = EventHeaders()


def event_type(topic: str) -> str:
    """The `ce_type` of records of a topic, by its short name; the namespace of a deployment does not show in it."""
    return f"wallet.{topic}.v1"


def read_headers(headers: Sequence[tuple[str, bytes | None]], topic: str) -> EventHeaders:
    """What the headers of a record of `topic` (its short name) say.

    A `traceparent` that is doubled or malformed counts as absent, as Trace Context asks.

    Raises:
        HeaderError: a doubled, null or empty `ce_*` header, one that is not UTF-8, a `ce_specversion` other than
            1.0, a `ce_type` that belongs to another topic, or a `ce_id` longer than 200 characters.
    """
    attributes: dict[str, str] = {}
    traceparent: str | None = None
    traceparents = 0
    for name, value in headers:
        if name.startswith("ce_"):
            if name in attributes:
                raise HeaderError(name, "is there twice; send it once")
            attributes[name] = _text(name, value)
        elif name == "traceparent":
            traceparents += 1
            traceparent = value.decode() if value and _TRACEPARENT.fullmatch(value) else None
    if attributes:
        _check(attributes, topic)
    read = attributes.get
    return EventHeaders(
        read("ce_id"),
        read("ce_source"),
        read("ce_type"),
        read("ce_time"),
        read("ce_subject"),
        traceparent if traceparents == 1 else None,
    )


def write_headers(
    topic: str,
    *,
    id: str,  # noqa: A002 - the attribute's name in the specification
    source: str,
    time: str | None = None,
    subject: str | None = None,
    traceparent: str | None = None,
) -> list[tuple[str, bytes]]:
    """The headers of a record of `topic` (its short name): the four that CloudEvents asks for and those given."""
    headers = [
        ("ce_specversion", b"1.0"),
        ("ce_id", id.encode()),
        ("ce_source", source.encode()),
        ("ce_type", event_type(topic).encode()),
    ]
    for name, value in (("ce_time", time), ("ce_subject", subject), ("traceparent", traceparent)):
        if value is not None:
            headers.append((name, value.encode()))
    headers.append(("content-type", CONTENT_TYPE))
    return headers


def _text(name: str, value: bytes | None) -> str:
    if value is None:
        raise HeaderError(name, "is null; leave it out instead")
    try:
        text = value.decode()
    except UnicodeDecodeError:
        raise HeaderError(name, "is not UTF-8") from None
    if not text and name in _NOT_EMPTY:
        raise HeaderError(name, "is empty; leave it out instead")
    return text


def _check(attributes: dict[str, str], topic: str) -> None:
    version = attributes.get("ce_specversion", SPEC_VERSION)
    if version != SPEC_VERSION:
        raise HeaderError("ce_specversion", f"is {version[:20]!r}; only {SPEC_VERSION} is understood")
    expected = event_type(topic)
    kind = attributes.get("ce_type", expected)
    if kind != expected:
        raise HeaderError("ce_type", f"is {kind[:100]!r}; records of this topic are {expected!r}")
    if len(attributes.get("ce_id", "")) > MAX_ID_LENGTH:
        raise HeaderError("ce_id", f"is longer than {MAX_ID_LENGTH} characters")
