"""How records are damaged: their structure, the text of their JSON, their keys and headers, their bytes."""

from __future__ import annotations

import json
from collections.abc import Callable
from copy import deepcopy
from random import Random
from typing import Any

Headers = list[tuple[str, bytes | None]]
Json = dict[str, Any]


def encode(command: Json) -> bytes:
    """A command's bytes, with lone surrogates where it has any."""
    return json.dumps(command, ensure_ascii=False).encode("utf-8", "surrogatepass")


# ---- mutations of structure ----------------------------------------------------------------------------

_NUMBERS = [0, -1, 1, 2**31, 2**53, 2**63 - 1, 2**63, 2**64 - 1, 2**64, -(2**63), -(2**63) - 1, 10**50, 10.5, 1e3, -0.0]
_TEXTS = [
    "",
    " ",
    "\0",
    "a\0b",
    "\n",
    "é",
    "e\u0301",
    "\u202e",
    "\ufeff",
    "\U0001f600",
    "ＡＢ",
    "K",
    "x" * 300,
    "system",
]
_TEXTS += [
    "\ud800",
    "a\udfffb",
    "../..",
    "${x}",
    "'; --",
    "\u2028",
    "\x7f",
    "١٢",
    "1e3",
    "null",
    "NaN",
    "\\u0000",
    "%00",
]
_OTHERS: list[Any] = [None, True, False, [], {}, [None], {"a": {"b": []}}, [[[[[]]]]], {"": ""}]
_OPERATIONS = ["open_wallet", "open_sub_wallet", "enable_asset", "credit", "debit", "transfer", "set_wallet_state"]
_OPERATIONS += [
    "release_quarantine",
    "batch.sealed",
    "tick",
    "forward",
    "transfer_credit",
    "refund",
    "capture",
    "settle",
    "resolve_dispute",
    "return",
    "CREDIT",
    "credit ",
]


def of_structure(rng: Random, command: Json) -> Json:
    """A copy with one to three fields dropped, renamed, added, moved, or of another type or value."""
    mutated: Json = json.loads(json.dumps(command))
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        if mutated:
            rng.choice(_STRUCTURAL)(rng, mutated)
    return mutated


def _drop(rng: Random, fields: Json) -> None:
    fields.pop(rng.choice(list(fields)))


def _rename(rng: Random, fields: Json) -> None:
    name = rng.choice(list(fields))
    fields[rng.choice([name.upper(), name + " ", name[:-1], name + "\0", "x" + name])] = fields.pop(name)


_NAMES = ["x", "", "rail", "to_wallet_id", "to_asset", "assets", "kind", "state", "requested_by", "transaction_id"]
_NAMES += ["to_sub_wallet", "final", "expires_in_s", "reason", "rail_reference", "settled_minor", "sub_wallet", "won"]


def _add(rng: Random, fields: Json) -> None:
    name = rng.choice([*_NAMES, *_TEXTS])
    fields[name] = _odd_value(rng)


def _retype(rng: Random, fields: Json) -> None:
    fields[rng.choice(list(fields))] = _odd_value(rng)


def _nest(rng: Random, fields: Json) -> None:
    """Change something within an object, or put an object where there was none."""
    objects = [value for value in fields.values() if isinstance(value, dict)]
    target = rng.choice(objects) if objects else fields.setdefault("metadata", {})
    if isinstance(target, dict):
        target[rng.choice(_TEXTS)] = _odd_value(rng)


def _number(rng: Random, fields: Json) -> None:
    amounts = [name for name in fields if name.endswith("_minor") or name == "expires_in_s"]
    fields[rng.choice(["amount_minor", *amounts])] = rng.choice(_NUMBERS)


def _operation(rng: Random, fields: Json) -> None:
    fields["operation"] = rng.choice(_OPERATIONS)


def _swap(rng: Random, fields: Json) -> None:
    first, second = rng.choice(list(fields)), rng.choice(list(fields))
    fields[first], fields[second] = fields[second], fields[first]


def _grow(rng: Random, fields: Json) -> None:
    size = rng.choice([21, 200, 201, 5_000])
    fields["metadata"] = rng.choice([{f"k{n}": "v" for n in range(size)}, {"k": "v" * size}, {"k" * size: "v"}])


def _known_key(rng: Random, fields: Json) -> None:
    """The key of another command: a repetition or a mismatch."""
    fields["idempotency_key"] = rng.choice(["open", "fund", "m-0", "m-1", "m-10"])


def _odd_value(rng: Random) -> Any:
    values: list[Any] = rng.choice([_NUMBERS, _TEXTS, _OTHERS])
    return deepcopy(rng.choice(values))


_STRUCTURAL: list[Callable[[Random, Json], None]] = [
    *(_drop, _rename, _add, _retype, _retype, _nest, _number, _number, _operation, _swap, _grow, _known_key),
]


def with_odd_text(rng: Random, command: Json) -> bytes:
    """The command as JSON that some writers would not write: doubled fields, escapes, digits, white space, NaN."""
    value = encode(command)
    if rng.random() > 0.3:
        return value
    name, raw = rng.choice([*command, "x"]), rng.choice(_RAW)
    doubled = json.dumps(name).encode() + b":" + raw
    escaped = json.dumps(command).encode()
    spaced = json.dumps(command, indent=rng.randint(0, 2)).encode()
    return rng.choice([value[:-1] + b"," + doubled + b"}", b"{" + doubled + b"," + value[1:], escaped, spaced])


_RAW = [b"1e3", b"10.0", b"-0", b"NaN", b"Infinity", b"1E400", b"9" * 4_000, b"9" * 5_000, b"01", b"+1", b"'x'", b"tru"]
_RAW += [
    b'"\\ud800"',
    b'"\\ud83d\\ude00"',
    b'"\\u0000"',
    b'"\xff"',
    b'"\xed\xa0\x80"',
    b"[" * 300,
    b'{"a":' * 300,
    b"[]",
]
_RAW += [b'"credit"', b'"m-1"', b"7", b"null", b""]


# ---- mutations of keys, headers and bytes ----------------------------------------------------------------


def odd_key(rng: Random, key: bytes) -> bytes | None:
    """A key that another partitioner, a careless producer or nobody would give."""
    return rng.choice([None, b"", b"m-0", key + b" ", key.upper(), b"\xff" + key, key[:-1], key + b"\0", b"system"])


def odd_headers(rng: Random, headers: Headers) -> Headers:
    """The headers with others after them: foreign, doubled, null, not UTF-8."""
    names = [
        "ce_id",
        "ce_type",
        "ce_specversion",
        "ce_source",
        "ce_time",
        "ce_x",
        "CE_ID",
        "traceparent",
        "dlq.reason",
        "",
    ]
    values = [
        None,
        b"",
        b"x",
        b"\xff\xfe",
        b"1.0",
        b"0.3",
        b"y" * 201,
        b"wallet.transaction-requests.v1",
        b"\0",
        b"z" * 9_000,
    ]
    odd = [(rng.choice(names), rng.choice(values)) for _ in range(rng.randint(1, 3))]
    return [*headers, *odd, *(odd[:1] if rng.random() < 0.3 else [])]


def of_bytes(rng: Random, value: bytes, other: bytes) -> bytes:
    """A copy with bits flipped, bytes inserted, removed or repeated, cut short, or spliced with another value."""
    mutated = bytearray(value)
    for _ in range(rng.choice([1, 1, 2, 3, 8])):
        rng.choice(_BYTEWISE)(rng, mutated, other)
    return bytes(mutated)


def _flip(rng: Random, value: bytearray, _other: bytes) -> None:
    if value:
        value[rng.randrange(len(value))] ^= 1 << rng.randrange(8)


def _replace(rng: Random, value: bytearray, _other: bytes) -> None:
    if value:
        value[rng.randrange(len(value))] = rng.choice(b'"{}[]:,\\ \0\xff0189-.eE\xc3\xed')


def _insert(rng: Random, value: bytearray, _other: bytes) -> None:
    at = rng.randrange(len(value) + 1)
    value[at:at] = rng.choice(
        [rng.randbytes(rng.randint(1, 4)), b'"', b"\\", b"\\u0000", b"\xef\xbb\xbf", b"{", b"]", b"9"]
    )


def _remove(rng: Random, value: bytearray, _other: bytes) -> None:
    at = rng.randrange(len(value) + 1)
    del value[at : at + rng.randint(1, 8)]


def _repeat(rng: Random, value: bytearray, _other: bytes) -> None:
    at = rng.randrange(len(value) + 1)
    value[at:at] = value[at : at + rng.randint(1, 40)]


def _truncate(rng: Random, value: bytearray, _other: bytes) -> None:
    del value[rng.randrange(len(value) + 1) :]


def _splice(rng: Random, value: bytearray, other: bytes) -> None:
    value[rng.randrange(len(value) + 1) :] = other[rng.randrange(len(other)) :]


_BYTEWISE: list[Callable[[Random, bytearray, bytes], None]] = [
    *(_flip, _flip, _flip, _replace, _replace, _insert, _insert, _remove, _repeat, _truncate, _splice)
]
