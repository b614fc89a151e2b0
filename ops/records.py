"""Records of any topic for people and for scripts. Pure."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

import msgspec

from ops.consuming import Record
from schemas.clock import rfc3339
from schemas.topics import LEDGER_EVENTS, TRANSACTION_OUTCOMES

_WIDEST = 200


def as_line(record: Record, name: str) -> str:
    """One line: where the record is, when it was written, its key, and what matters of its value."""
    return printable(_line(record, name))


def _line(record: Record, name: str) -> str:
    head = f"{record.partition}/{record.offset:<8} {rfc3339(record.timestamp)} {text(record.key) or '-':<20}"
    value = parsed(record.value)
    if isinstance(value, dict):
        if name == LEDGER_EVENTS:
            return f"{head} {_event(value)}"
        if name == TRANSACTION_OUTCOMES:
            return f"{head} {_outcome(value)}"
    shown = text(record.value)
    return f"{head} {'null' if shown is None else shown[:_WIDEST] + ('…' if len(shown) > _WIDEST else '')}"


def as_json(record: Record, name: str) -> dict[str, Any]:
    """The whole record as JSON values; bytes that are no text, or no JSON, are given as such."""
    return {
        "topic": name,
        "partition": record.partition,
        "offset": record.offset,
        "timestamp": rfc3339(record.timestamp),
        "key": as_value(record.key),
        "headers": headers_as_json(record.headers),
        "value": parsed(record.value),
    }


def headers_as_json(headers: Sequence[tuple[str, bytes | None]]) -> list[list[Any]]:
    """Headers in order, doubled ones too."""
    return [[name, as_value(value)] for name, value in headers]


def parsed(value: bytes | None) -> Any:
    """The JSON in a value; else its text, else `{"base64": ...}`."""
    if value is None:
        return None
    try:
        # Integers of any size stay what they are: orjson makes floats of those beyond 64 bits.
        return msgspec.json.decode(value)
    except (ValueError, RecursionError):
        return as_value(value)


def as_value(value: bytes | None) -> str | dict[str, str] | None:
    """Bytes as text where they are UTF-8, else `{"base64": ...}`."""
    if value is None:
        return None
    try:
        return value.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(value).decode()}


def text(value: bytes | None) -> str | None:
    """Bytes for the eye, with what is no printable text escaped."""
    return None if value is None else printable(value.decode(errors="replace"))


def printable(said: str) -> str:
    """Text for the eye, with what is not printable escaped: what customers write must not steer a terminal."""
    if said.isprintable():
        return said
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in said)


def _event(event: dict[str, Any]) -> str:
    if event.get("type") == "batch.sealed":
        spans = " ".join(f"{t}:{s['from']}-{s['to']}" for t, s in event["inputs"].items() if s["from"] != s["to"])
        return f"#{event['sequence']:<8} batch.sealed  {str(event.get('hash'))[:12]}…  {spans}"
    amount = "" if event.get("amount_minor") is None else f"{event['amount_minor']} {event.get('asset', '')}"
    code = event.get("code") or ""
    words = (event.get("operation") or "-", amount, event.get("to_state") or "", "" if code == "ok" else code)
    return f"#{event.get('sequence', '?'):<8} {event.get('type', '?'):<24} {'  '.join(word for word in words if word)}"


def _outcome(outcome: dict[str, Any]) -> str:
    source = outcome.get("source") or {}
    words = (
        outcome.get("kind", "?"),
        outcome.get("operation") or "-",
        outcome.get("code", "?"),
        outcome.get("state") or "",
        "replayed" if outcome.get("replayed") else "",
        f"<- {source.get('topic')}/{source.get('partition')} {source.get('offset')}",
        outcome.get("transaction_id") or "",
    )
    return "  ".join(str(word) for word in words if word)
