"""Records that are no good command: what arrives, and how the ledger has to answer it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

from schemas.topics import FRAUD_COMMANDS, OPERATOR_COMMANDS, SETTLEMENT_UPDATES, TRANSACTION_REQUESTS
from streams.machine import Headers
from tests.ledger.commands import Json, fraud, set_state

#: The wallet that bad records name, and another one.
WALLET, OTHER = "alice", "bob"


class Bad(NamedTuple):
    """A bad record. `field` is what the answer names, `...` where it does not matter."""

    name: str
    value: bytes | None
    code: str = "malformed"
    field: Any = ...
    key: bytes | None = WALLET.encode()
    headers: Headers = ()
    topic: str = TRANSACTION_REQUESTS
    #: What the answer takes from the headers where the value does not say it.
    said_by_headers: Json = {}  # noqa: RUF012 - never changed


GOOD: Json = {
    "operation": "credit",
    "idempotency_key": "bad-1",
    "wallet_id": WALLET,
    "amount_minor": 10,
    "asset": "EUR",
    "request_id": "r-1",
}


def encode(fields: Json) -> bytes:
    """A command's bytes."""
    return json.dumps(fields).encode()


def with_raw(name: str, raw: str) -> bytes:
    """A good credit with the JSON text `raw` as the value of a field."""
    return encode({**GOOD, name: "@@"}).replace(b'"@@"', raw.encode("utf-8", "surrogatepass"))


def without(name: str) -> bytes:
    """A good credit that lacks a field."""
    return encode({key: value for key, value in GOOD.items() if key != name})


def bad_texts() -> Iterator[Bad]:
    """What is no JSON object in UTF-8."""
    good = encode(GOOD)
    yield Bad("null value", None, field=None)
    texts: dict[str, bytes] = {
        "empty value": b"",
        "blank value": b" \n",
        "not JSON": b"hello",
        "truncated": good[:-5],
        "trailing garbage": good + b"x",
        "two objects": good + good,
        "trailing NUL": good + b"\0",
        "single quotes": good.replace(b'"', b"'"),
        "comment": b"/* */" + good,
        "trailing comma": good[:-1] + b",}",
        "byte order mark": b"\xef\xbb\xbf" + good,
        "UTF-16": json.dumps(GOOD).encode("utf-16"),
        "invalid UTF-8": good.replace(b"bad-1", b"bad-\xff"),
        "overlong UTF-8": good.replace(b"bad-1", b"bad-\xc0\xaf"),
        "surrogate in UTF-8": good.replace(b"bad-1", b"\xed\xa0\x80"),
        "raw control character": good.replace(b"bad-1", b"bad-\x01"),
        "random bytes": bytes(range(256)),
        "array": b"[1]",
        "array of a command": b"[" + good + b"]",
        "number": b"17",
        "null": b"null",
        "true": b"true",
        "string": b'"credit"',
        "empty object": b"{}",
        "deep arrays": b"[" * 100_000,
        "deep objects": b'{"a":' * 100_000,
        "deep metadata": with_raw("metadata", '{"a":' * 500 + "1" + "}" * 500),
        "5,000 digits": with_raw("amount_minor", "9" * 5_000),
        "NaN": with_raw("metadata", "NaN"),
        "megabyte of garbage": b"\xfe" * 1_000_000,
    }
    for name, value in texts.items():
        yield Bad(name, value)
    for place in ("idempotency_key", "wallet_id", "asset", "request_id", "metadata"):
        raw = '{"\\ud800":"x"}' if place == "metadata" else '"\\ud800"'
        yield Bad(f"lone surrogate in {place}", with_raw(place, raw))


def bad_amounts() -> Iterator[Bad]:
    """What is no amount: by its type, or an integer out of range."""
    for raw in ("10.5", "10.0", "1e3", "1E400", '"10"', '""', "true", "null", "[1]", '{"a":1}', "NaN", "Infinity"):
        yield Bad(f"amount {raw}", with_raw("amount_minor", raw), field="amount_minor")
    for raw in ("01", "+1", "0x10", "1_000", ".5", "5.", "1 0"):
        yield Bad(f"amount {raw}", with_raw("amount_minor", raw))
    numbers = [0, -1, -(2**63), 2**63, 2**64 - 1, 2**64, -(2**64), 10**100, int("9" * 4_000)]
    for number in numbers:
        value = with_raw("amount_minor", str(number))
        yield Bad(f"amount of {len(str(number))} characters: {str(number)[:20]}", value, *OUT_OF_RANGE)
    yield Bad("amount -0", with_raw("amount_minor", "-0"), *OUT_OF_RANGE)


OUT_OF_RANGE = ("amount_out_of_range", "amount_minor")


def bad_fields() -> Iterator[Bad]:
    """Missing, unknown, wrong and overlong fields."""
    for name in ("operation", "idempotency_key", "wallet_id", "amount_minor", "asset"):
        yield Bad(f"{name} is missing", without(name), field=name)
    wrong: list[tuple[str, Any, str]] = [
        ("operation", 5, "operation"),
        ("operation", None, "operation"),
        ("operation", ["credit"], "operation"),
        ("operation", "", "operation"),
        ("operation", "fly", "operation"),
        ("operation", "Credit", "operation"),
        ("operation", "set_wallet_state", "operation"),
        ("operation", "transfer_credit", "operation"),
        ("idempotency_key", 5, "idempotency_key"),
        ("idempotency_key", "", "idempotency_key"),
        ("idempotency_key", "k" * 256, "idempotency_key"),
        ("wallet_id", 5, "wallet_id"),
        ("wallet_id", "", "wallet_id"),
        ("wallet_id", "w" * 65, "wallet_id"),
        ("wallet_id", "alice\n", "wallet_id"),
        ("wallet_id", "alice\0", "wallet_id"),
        ("wallet_id", "al/ice", "wallet_id"),
        ("wallet_id", "alïce", "wallet_id"),
        ("wallet_id", "system/transit", "wallet_id"),
        ("wallet_id", "system", "wallet_id"),
        ("sub_wallet", "Main", "sub_wallet"),
        ("sub_wallet", "s" * 33, "sub_wallet"),
        ("sub_wallet", None, "sub_wallet"),
        ("asset", "", "asset"),
        ("asset", "E" * 17, "asset"),
        ("asset", ["EUR"], "asset"),
        ("rail", "", "rail"),
        ("rail", 1, "rail"),
        ("request_id", "", "request_id"),
        ("request_id", "r" * 201, "request_id"),
        ("request_id", 7, "request_id"),
        ("occurred_at", "yesterday", "occurred_at"),
        ("occurred_at", "2026-01-01T00:00:00+01:00", "occurred_at"),
        ("occurred_at", 1_767_225_600, "occurred_at"),
        ("occurred_at", "2026-02-31T10:00:00.123456789Z", "occurred_at"),
        ("occurred_at", "2026-02-29T10:00:00Z", "occurred_at"),
        ("occurred_at", "1900-02-29T10:00:00.000Z", "occurred_at"),
        ("occurred_at", "2026-04-31T10:00:00.000Z", "occurred_at"),
        ("occurred_at", "0000-01-01T10:00:00.000Z", "occurred_at"),
        ("metadata", [], "metadata"),
        ("metadata", "a=b", "metadata"),
        ("metadata", {"a": 1}, "metadata.a"),
        ("metadata", {"a": {"b": "c"}}, "metadata.a"),
        ("metadata", {"": "x"}, "metadata..[key]"),
        ("metadata", {f"k{number}": "v" for number in range(21)}, "metadata"),
        ("metadata", {"a": "x" * 201}, "metadata.a"),
        ("metadata", {"a": "x" * 1_000_000}, "metadata.a"),
        ("metadata", {f"k{number}": "v" * 20 for number in range(30_000)}, "metadata"),
        ("references", "o-1", "references"),
        ("references", {"invoice": "i"}, "references.invoice"),
        ("device", {"latitude": 91}, "device.latitude"),
        ("device", {"latitude": "5"}, "device.latitude"),
        ("device", {"ip": "x" * 46}, "device.ip"),
        ("colour", "red", "colour"),
        ("Amount_minor", 10, "Amount_minor"),
        ("amount_minor ", 10, "amount_minor "),
        ("to_wallet_id", OTHER, "to_wallet_id"),
        ("x" * 100_000, 1, "x" * 255),
        ("é\U0001f600", 1, "é\U0001f600"),
    ]
    for name, value, field in wrong:
        size = len(str(value))
        shown = f"of {size} characters" if size > 40 else f"is {value!r}"
        yield Bad(f"{name[:20]} {shown}", encode({**GOOD, name: value}), field=field)
    yield Bad("latitude is not finite", with_raw("device", '{"latitude":1e999}'), field="device.latitude")
    yield Bad("50,000 unknown fields", encode({**GOOD, **{f"x{number}": 1 for number in range(50_000)}}), field="x0")
    to_itself = {**GOOD, "operation": "transfer", "to_wallet_id": WALLET}
    yield Bad("transfer to itself", encode(to_itself), field="to_sub_wallet")
    yield Bad("transfer to the system", encode({**to_itself, "to_wallet_id": "system"}), field="to_wallet_id")


def bad_keys() -> Iterator[Bad]:
    """Record keys that are not the wallet id."""
    keys = {"another wallet": OTHER.encode(), "null": None, "empty": b"", "not UTF-8": b"\xff\xfe", "longer": b"alice "}
    for name, key in keys.items():
        yield Bad(f"key is {name}", encode(GOOD), "key_mismatch", "wallet_id", key)


def bad_headers() -> Iterator[Bad]:
    """`ce_*` headers that cannot be accepted."""
    headers: list[tuple[str, Headers, str]] = [
        ("ce_id doubled", [("ce_id", b"a"), ("ce_id", b"a")], "ce_id"),
        ("ce_type doubled", [("ce_type", b"wallet.transaction-requests.v1")] * 2, "ce_type"),
        ("unknown ce_ header doubled", [("ce_x", b"a"), ("content-type", b"x"), ("ce_x", b"b")], "ce_x"),
        ("foreign ce_type", [("ce_type", b"com.example.order.v1")], "ce_type"),
        ("ce_type of another topic", [("ce_type", b"wallet.operator-commands.v1")], "ce_type"),
        ("ce_type of another version", [("ce_type", b"wallet.transaction-requests.v2")], "ce_type"),
        ("ce_specversion 0.3", [("ce_specversion", b"0.3")], "ce_specversion"),
        ("ce_id null", [("ce_id", None)], "ce_id"),
        ("ce_id empty", [("ce_id", b"")], "ce_id"),
        ("ce_id not UTF-8", [("ce_id", b"\xff")], "ce_id"),
        ("ce_x not UTF-8", [("ce_x", b"\xed\xa0\x80")], "ce_x"),
        ("ce_id too long", [("ce_id", b"i" * 201)], "ce_id"),
        ("ce_id of a megabyte", [("ce_id", b"i" * 1_000_000)], "ce_id"),
        ("name of a megabyte", [("ce_" + "n" * 1_000_000, None)], "ce_" + "n" * 252),
    ]
    for name, given, field in headers:
        yield Bad(name, encode(GOOD), field=field, headers=given)
    yield from _nameless()


def _nameless() -> Iterator[Bad]:
    """Records that do not say who they are: their `ce_id` and their key do, as far as these can be read."""
    named: Headers = [("ce_id", b"e-1"), ("ce_source", b"/shop")]
    read = {"request_id": "e-1"}
    anonymous = without("request_id").replace(b'"amount_minor": 10', b'"amount_minor": "10"')
    yield Bad("ce_id and null value", None, headers=named, said_by_headers=read)
    yield Bad("ce_id and no JSON", b"hello", headers=named, said_by_headers=read)
    yield Bad("ce_id and a wrong field", anonymous, field="amount_minor", headers=named, said_by_headers=read)
    yield Bad("ce_id and request_id", with_raw("amount_minor", "true"), field="amount_minor", headers=named)
    wrong_id = with_raw("request_id", "7")
    yield Bad("ce_id and a wrong request_id", wrong_id, field="request_id", headers=named, said_by_headers=read)
    foreign: Headers = [*named, ("ce_type", b"foreign")]
    yield Bad("ce_id beside a foreign ce_type", without("request_id"), headers=foreign, said_by_headers=read)
    for size in (1, 200):
        text = "i" * size
        said = {"request_id": text}
        yield Bad(f"ce_id of {size}", None, headers=[("ce_id", text.encode())], said_by_headers=said)
    for name, values in {"doubled": [b"a", b"b"], "empty": [b""], "not UTF-8": [b"\xff"], "long": [b"i" * 201]}.items():
        yield Bad(f"{name} ce_id and null value", None, headers=[("ce_id", value) for value in values])
    for name, key in {"null": None, "not UTF-8": b"\xff", "not an id": b"a b", "reserved": b"system"}.items():
        yield Bad(f"null value under a key that is {name}", None, key=key)
    yield Bad("object without wallet_id under another key", without("wallet_id"), field="wallet_id", key=OTHER.encode())


def bad_topics() -> Iterator[Bad]:
    """Commands on topics that do not take them, and bad ones on those that do."""
    operator = set_state(WALLET, "locked", "bad-1", request_id="r-1")
    yield Bad("operator command on requests", encode(operator), field="operation")
    yield Bad("request on operator-commands", encode(GOOD), field="operation", topic=OPERATOR_COMMANDS)
    yield Bad("operator command lacks approver", _lacking(operator), field="approved_by", topic=OPERATOR_COMMANDS)
    wrong = {**operator, "state": "asleep"}
    yield Bad("operator command of a wrong state", encode(wrong), field="state", topic=OPERATOR_COMMANDS)
    lock = fraud("lock", WALLET, "bad-2", request_id="r-2")
    yield Bad("lock on requests", encode(lock), field="operation")
    yield Bad("lock on operator-commands", encode(lock), field="operation", topic=OPERATOR_COMMANDS)
    yield Bad("operator command on fraud-commands", encode(operator), field="operation", topic=FRAUD_COMMANDS)
    for operation in ("lock", "require_step_up"):
        good = {**lock, "operation": operation}
        no_rules = {name: value for name, value in good.items() if name != "rule_ids"}
        yield Bad(f"{operation} for no rule", encode(no_rules), field="rule_ids", topic=FRAUD_COMMANDS)
        for name, wrong_value in (
            *(("rule_ids", []), ("rule_ids", "r"), ("rule_ids", None), ("rule_ids", ["r"] * 21)),
            *(("reason", ""), ("reason", "x" * 201), ("reason", 5), ("alert_id", "x" * 201), ("alert_id", 1)),
            *(("state", "active"), ("transaction_id", "0" * 32), ("sub_wallet", "savings")),
        ):
            what = f"{operation} with {name} {str(wrong_value)[:20]} in {len(str(wrong_value))}"
            yield Bad(what, encode({**good, name: wrong_value}), field=name, topic=FRAUD_COMMANDS)
        for rule_id in ("", 5, None, "x" * 201):
            what = f"{operation} for a rule {str(rule_id)[:20]!r}"
            yield Bad(what, encode({**good, "rule_ids": ["r", rule_id]}), field="rule_ids.1", topic=FRAUD_COMMANDS)
    for topic in (FRAUD_COMMANDS, SETTLEMENT_UPDATES):
        for name, value in {"nothing": None, "empty": b"", "text": b"lock", "array": b"[]", "bytes": b"\xff"}.items():
            yield Bad(f"{name} on {topic}", value, topic=topic)
        yield Bad(f"unlock on {topic}", encode({**GOOD, "operation": "unlock"}), field="operation", topic=topic)
        yield Bad(f"credit on {topic}", encode(GOOD), field="operation", topic=topic)


def _lacking(operator: Json) -> bytes:
    return encode({name: value for name, value in operator.items() if name != "approved_by"})


CASES = [*bad_texts(), *bad_amounts(), *bad_fields(), *bad_keys(), *bad_headers(), *bad_topics()]
