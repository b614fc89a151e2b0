"""The canonical form of a command and its fingerprint.

Source: RFC 8785 (JSON Canonicalization Scheme). Commands hold strings, integers, booleans and objects
of strings only, for which orjson with sorted keys gives the RFC's form as long as every object name is
ASCII (the RFC sorts names by UTF-16 code unit). Two deviations, both forced by money: integers beyond
2^53 keep all their digits, and an integer beyond int64, which no consumer could read as a number, is
written as a string of digits.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import Any

import orjson

from schemas.money import INT64_MAX, INT64_MIN


def canonical_json(fields: Mapping[str, Any]) -> bytes:
    """The canonical UTF-8 JSON of `fields`; values are str, int, bool, None and nested mappings or lists."""
    metadata = fields.get("metadata")
    amount_minor = fields.get("amount_minor", 0)
    if not INT64_MIN <= amount_minor <= INT64_MAX or (metadata is not None and not all(map(str.isascii, metadata))):
        return orjson.dumps(_in_utf16_order(fields))
    try:
        return orjson.dumps(fields, option=orjson.OPT_SORT_KEYS)
    except TypeError:
        return orjson.dumps(_in_utf16_order(fields))


def fingerprint(canonical: bytes) -> str:
    """SHA-256 of a canonical form, 64 hexadecimal digits."""
    return sha256(canonical).hexdigest()


def _in_utf16_order(value: Any) -> Any:
    if isinstance(value, Mapping):
        names = sorted(value, key=lambda name: name.encode("utf-16-be", "surrogatepass"))
        return {name: _in_utf16_order(value[name]) for name in names}
    if isinstance(value, list | tuple):
        return [_in_utf16_order(item) for item in value]
    if isinstance(value, int) and not isinstance(value, bool) and not INT64_MIN <= value <= INT64_MAX:
        return str(value)
    return value
