"""Counter-examples: what an input contract must refuse, and what a tolerant reader must not."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from pydantic import ValidationError

from schemas.catalogue import TOPICS
from schemas.commands import CONTRACTS
from tests.contracts.codecs import CODECS, GOLDEN, VALIDATORS
from tests.ledger.commands import credit

CREDIT = credit("w1", 10, key="k-1")
OPERATOR: dict[str, Any] = {
    "operation": "set_wallet_state",
    "idempotency_key": "k-1",
    "wallet_id": "w1",
    "state": "locked",
    "requested_by": "a",
    "approved_by": "b",
    "reason_code": "r",
}
REQUESTS = CONTRACTS["transaction-requests"]
OPERATORS = CONTRACTS["operator-commands"]
STRICT = [topic.name for topic in TOPICS if topic.strict and topic.has_schema]
TOLERANT = [topic.name for topic in TOPICS if not topic.strict]


def text(**changes: Any) -> bytes:
    return orjson.dumps(CREDIT | changes)


@pytest.mark.parametrize("literal", ['"10"', "10.0", "10.5", "1e3", "true", "null", "[10]", "{}", "NaN", "01", "1_0"])
def test_an_amount_is_a_json_integer_and_nothing_else(literal: str) -> None:
    with pytest.raises(ValidationError):
        REQUESTS.validate_json(text().replace(b":10", b":" + literal.encode()))


@pytest.mark.parametrize("amount_minor", [0, -1, 2**63 - 1, 2**63, -(2**64), 10**40])
def test_the_range_of_an_amount_is_not_the_contracts_business(amount_minor: int) -> None:
    value = text().replace(b":10", b":%d" % amount_minor)
    assert REQUESTS.validate_json(value).amount_minor == amount_minor


BAD_FIELDS: list[dict[str, Any]] = [
    {"unknown": 1},
    {"operation": "steal"},
    {"operation": None},
    {"operation": "set_wallet_state"},
    {"idempotency_key": ""},
    {"idempotency_key": "k" * 256},
    {"wallet_id": ""},
    {"wallet_id": "w" * 65},
    {"wallet_id": "w/1"},
    {"wallet_id": "wé"},
    {"wallet_id": "w1\n"},
    {"wallet_id": 1},
    {"sub_wallet": "Main"},
    {"sub_wallet": None},
    {"sub_wallet": "m" * 33},
    {"asset": ""},
    {"asset": "A" * 17},
    {"rail": ""},
    {"request_id": "r" * 201},
    {"occurred_at": "2026-11-23"},
    {"occurred_at": "2026-11-23T04:50:00+01:00"},
    {"occurred_at": "2026-13-23T04:50:00Z"},
    {"occurred_at": "2026-11-23T24:00:00Z"},
    {"occurred_at": "٢٠٢٦-11-23T04:50:00Z"},
    {"occurred_at": 1795409400},
    {"metadata": {"n": 1}},
    {"metadata": {"": "x"}},
    {"metadata": {"k": "v" * 201}},
    {"metadata": {str(n): "x" for n in range(21)}},
    {"metadata": []},
    {"references": {"parcel": "x"}},
    {"references": {"order": 7}},
    {"device": {"latitude": 91}},
    {"device": {"longitude": "13.4"}},
    {"device": {"ip": "1" * 46}},
    {"device": {"os": "x"}},
]


@pytest.mark.parametrize("change", BAD_FIELDS, ids=lambda change: str(change)[:40])
def test_the_model_and_the_schema_refuse_a_bad_field(change: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        REQUESTS.validate_json(text(**change))
    assert not VALIDATORS["transaction-requests"].is_valid(_trimmed(CREDIT | change))


def _trimmed(command: dict[str, Any]) -> dict[str, Any]:
    """Python's regular expressions let `$` match before a last line feed; JSON Schema's do not."""
    return {name: value + "\\n" if value == "w1\n" else value for name, value in command.items()}


@pytest.mark.parametrize("missing", CREDIT)
def test_a_missing_field_is_refused(missing: str) -> None:
    command = {name: value for name, value in CREDIT.items() if name != missing}
    with pytest.raises(ValidationError):
        REQUESTS.validate_json(orjson.dumps(command))
    assert not VALIDATORS["transaction-requests"].is_valid(command)


@pytest.mark.parametrize("missing", OPERATOR)
def test_an_operator_command_says_who_and_why(missing: str) -> None:
    assert OPERATORS.validate_json(orjson.dumps(OPERATOR)).state == "locked"
    command = {name: value for name, value in OPERATOR.items() if name != missing}
    with pytest.raises(ValidationError):
        OPERATORS.validate_json(orjson.dumps(command))


@pytest.mark.parametrize(
    "value",
    [b"", b"nonsense", b"[]", b"null", b"1", b'"credit"', b"\xff\xfe", b'{"operation":"credit"', b"\xef\xbb\xbf{}"],
)
@pytest.mark.parametrize("topic", CONTRACTS)
def test_what_is_not_a_json_object_is_refused(topic: str, value: bytes) -> None:
    with pytest.raises(ValidationError):
        CONTRACTS[topic].validate_json(value)


def test_authority_is_the_topic() -> None:
    with pytest.raises(ValidationError):
        REQUESTS.validate_json(orjson.dumps(OPERATOR))
    with pytest.raises(ValidationError):
        OPERATORS.validate_json(text())


@pytest.mark.parametrize("topic", STRICT)
def test_strict_topics_refuse_an_unknown_field(topic: str) -> None:
    for value in _golden(topic):
        stranger = {**orjson.loads(value), "a_field_of_tomorrow": 1}
        with pytest.raises(ValidationError):
            CODECS[topic].decode(orjson.dumps(stranger))
        assert not VALIDATORS[topic].is_valid(stranger)


@pytest.mark.parametrize("topic", TOLERANT)
def test_readers_of_our_own_topics_ignore_an_unknown_field(topic: str) -> None:
    if topic == "dead-letters":
        extra: Any = "1"
    else:
        extra = {"deep": [1, 2]}
    for value in _golden(topic):
        codec = CODECS[topic]
        stranger = orjson.loads(value)
        stranger["a_field_of_tomorrow"] = extra
        assert codec.encode(codec.decode(orjson.dumps(stranger))) == codec.encode(codec.decode(value))
        VALIDATORS[topic].validate(stranger)


def _golden(topic: str) -> list[bytes]:
    found = [value for name, _, value in GOLDEN if name == topic]
    assert found
    return found
