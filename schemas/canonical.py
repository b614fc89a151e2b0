"""The canonical form of a command and its fingerprint.

Source: RFC 8785 (JSON Canonicalization Scheme). Commands hold strings, integers, booleans and objects
of strings only, for which orjson with sorted keys gives the RFC's form as long as every object name is
ASCII (the RFC sorts names by UTF-16 code unit). Two deviations, both forced by money: integers beyond
2^53 keep all their digits, and an integer beyond int64, which no consumer could read as a number, is
written as a string of digits.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Any

import orjson

from schemas.money import INT64_MAX, INT64_MIN


def canonical_json(fields: Mapping[str, Any]) -> bytes:
    """The canonical UTF-8 JSON of `fields`; values are str, int, bool, None and nested mappings or lists."""
    metadata = fields.get("metadata")
    if (metadata is not None and not all(map(str.isascii, metadata))) or _has_wide(fields.values()):
        return orjson.dumps(_in_utf16_order(fields))
    try:
        return orjson.dumps(fields, option=orjson.OPT_SORT_KEYS)
    except TypeError:
        return orjson.dumps(_in_utf16_order(fields))


def fingerprint(canonical: bytes) -> str:
    """SHA-256 of a canonical form, 64 hexadecimal digits."""
    return sha256(canonical).hexdigest()


def _has_wide(values: Iterable[Any]) -> bool:
    """True where a value, or a part of one, is an integer beyond int64."""
    for value in values:
        if type(value) is int:
            if not INT64_MIN <= value <= INT64_MAX:
                return True
        elif isinstance(value, list | tuple):
            if _has_wide(value):
                return True
        elif isinstance(value, Mapping) and _has_wide(value.values()):
            return True
    return False


def _in_utf16_order(value: Any) -> Any:
    if isinstance(value, Mapping):
        names = sorted(value, key=lambda name: name.encode("utf-16-be", "surrogatepass"))
        return {name: _in_utf16_order(value[name]) for name in names}
    if isinstance(value, list | tuple):
        return [_in_utf16_order(item) for item in value]
    if isinstance(value, int) and not isinstance(value, bool) and not INT64_MIN <= value <= INT64_MAX:
        return str(value)
    return value
