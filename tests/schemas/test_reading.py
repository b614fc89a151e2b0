"""The fast reader takes nothing that its contract refuses, and reads the same of what both take."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, BeforeValidator, Field, ValidationError

from schemas.canonical import canonical_json
from schemas.commands import CONTRACTS
from schemas.contract import Command
from schemas.reading import READERS, ReadCommand, _struct
from tests.ledger.commands import credit, fraud, release
from tests.ledger.mutate import generate

TOPIC = "transaction-requests"
CREDIT = credit("w1", 10, key="k-1")
OPERATOR = release("w1", key="k-1")
LOCK = fraud("lock", "w1", key="k-1")
FIELDS = ("operation", "wallet_id", "sub_wallet", "idempotency_key", "request_id", "occurred_at", "metadata")


def read(value: bytes, topic: str = TOPIC) -> ReadCommand | str:
    try:
        return READERS[topic](value)
    except ValidationError as error:
        return str(error)


def validated(value: bytes, topic: str = TOPIC) -> Command | str:
    try:
        command: Command = CONTRACTS[topic].validator.validate_json(value)
    except ValidationError as error:
        return str(error)
    return command


def is_same(value: bytes, topic: str = TOPIC) -> bool:
    """Asserts that both read the same, or give the same reason; True where they accept."""
    fast, slow = read(value, topic), validated(value, topic)
    if isinstance(fast, str) or isinstance(slow, str):
        assert fast == slow
        return False
    assert [getattr(fast, name) for name in FIELDS] == [getattr(slow, name) for name in FIELDS]
    assert fast.canonical() == canonical_json(slow.canonical_fields())
    for part in ("device", "references"):
        model, struct = getattr(slow, part), getattr(fast, part)
        assert (model is None) == (struct is None)
        if struct is not None:
            assert msgspec.json.decode(msgspec.json.encode(struct)) == model.model_dump(exclude_none=True)
    return True


def test_what_mutations_make_of_commands_is_read_alike() -> None:
    values = [record.value for record in generate(7, 4_000) if record.value is not None]
    accepted = sum(map(is_same, values))
    assert 0.5 < accepted / len(values) < 0.95, "some are good and some are not"


@pytest.mark.parametrize("base", [CREDIT, OPERATOR], ids=lambda base: str(base["operation"]))
@pytest.mark.parametrize(
    ("text", "is_accepted"),
    [
        ('"amount_minor":5', True),
        ('"operation":"credit"', True),
        ('"operation":"debit"', True),
        ('"operation":"open_wallet"', False),
        ('"amount_minor":9223372036854775808', True),
        ('"amount_minor":-99999999999999999999999999', True),
        ('"amount_minor":1.0', False),
        ('"amount_minor":1e2', False),
        ('"amount_minor":true', False),
        ('"amount_minor":"1"', False),
        ('"amount_minor":null', False),
        ('"wallet_id":"w1\\n"', False),
        ('"wallet_id":"w\\u00e9"', False),
        ('"sub_wallet":"main\\n"', False),
        ('"sub_wallet":"Main"', False),
        ('"partner_id":"\\ud800"', False),
        ('"partner_id":"\\udc00x"', False),
        ('"partner_id":"\\ud83d\\ude00"', True),
        ('"partner_id":"\\u0000"', True),
        ('"partner_id":null', True),
        ('"partner_id":""', False),
        ('"metadata":{"a":"1","a":"2"}', True),
        ('"metadata":{"a":1}', False),
        ('"metadata":{"":"1"}', False),
        ('"metadata":{}', True),
        ('"device":{"latitude":90}', True),
        ('"device":{"latitude":90.1}', False),
        ('"device":{"latitude":NaN}', False),
        ('"device":{"longitude":1e999}', False),
        ('"device":{"unknown":1}', False),
        ('"device":[]', False),
        ('"references":{"user":"u","order":"o"}', True),
        ('"references":{"user":null}', True),
        ('"references":{}', True),
        ('"occurred_at":"2026-11-23T04:50:00.1239Z"', True),
        ('"occurred_at":"2026-02-31T04:50:00Z"', False),
        ('"occurred_at":"2026-11-23T04:50:00Z\\n"', False),
        ('"rail":"instant","rail":"x"', True),
        ('"__class__":1', False),
    ],
    ids=str,
)
def test_what_is_odd_is_read_alike(base: dict[str, Any], text: str, is_accepted: bool) -> None:
    topic = TOPIC if base is CREDIT else "operator-commands"
    accepted = is_same(orjson.dumps(base)[:-1] + b"," + text.encode() + b"}", topic)
    if base is CREDIT:
        assert accepted == is_accepted


@pytest.mark.parametrize("value", [b"", b"null", b"[]", b'"x"', b"\xef\xbb\xbf{}", b"{}", b"{", b"[" * 20_000])
def test_what_is_no_object_is_refused_alike(value: bytes) -> None:
    assert not is_same(value)
    assert not is_same(orjson.dumps(CREDIT) + value + b"x")


@given(st.text(min_size=1, max_size=200), st.text(max_size=200), st.integers(-(2**70), 2**70))
def test_any_text_and_any_integer_is_read_alike(text: str, other: str, amount_minor: int) -> None:
    command = {**CREDIT, "partner_id": text, "rail": other or "x", "amount_minor": 0}
    value = orjson.dumps(command).replace(b'"amount_minor":0', b'"amount_minor":%d' % amount_minor)
    assert is_same(value)
    assert is_same(orjson.dumps({**command, "metadata": {text: other}, "references": {"order": text}}))


@pytest.mark.parametrize(
    ("text", "is_accepted"),
    [
        ('"rule_ids":["a","b"]', True),
        ('"rule_ids":["a","a"]', True),
        ('"rule_ids":[]', False),
        ('"rule_ids":[1]', False),
        ('"rule_ids":[""]', False),
        ('"rule_ids":"a"', False),
        ('"rule_ids":null', False),
        ('"alert_id":null', True),
        ('"reason":"\u00e9"', True),
        ('"reason":""', False),
        ('"operation":"require_step_up"', True),
        ('"operation":"unlock"', False),
        ('"state":"active"', False),
    ],
    ids=str,
)
def test_what_the_fraud_role_orders_is_read_alike(text: str, is_accepted: bool) -> None:
    assert is_same(orjson.dumps(LOCK)[:-1] + b"," + text.encode() + b"}", "fraud-commands") == is_accepted


def test_a_command_without_an_amount_or_an_asset_has_none() -> None:
    command = read(orjson.dumps(OPERATOR), "operator-commands")
    assert isinstance(command, ReadCommand)
    assert (command.amount_minor, command.asset) == (None, None)


@pytest.mark.parametrize(
    "annotation",
    [
        Annotated[str, BeforeValidator(str.strip)],
        Annotated[int, Field(multiple_of=2)],
        Annotated[str, Field(pattern="[a-z]")],
        bytes,
        set[str],
    ],
    ids=str,
)
def test_a_constraint_that_would_be_dropped_is_an_error(annotation: Any) -> None:
    model = type("Model", (BaseModel,), {"__annotations__": {"field": annotation}})
    with pytest.raises(TypeError, match="field: nothing stands for"):
        _struct(model, {})


def test_integers_beyond_int64_are_digits_in_the_canonical_form() -> None:
    """In a command that is refused for it; its event keeps it all the same, for readers that know 64 bits."""
    asked = {"operation": "settle", "idempotency_key": "k", "wallet_id": "w", "transaction_id": "0" * 32}
    asked |= {"rail_reference": "r"}
    for name in ("settled_minor", "rail_fee_minor"):
        command = READERS["settlement-updates"](orjson.dumps(asked | {name: 2**63}))
        assert orjson.loads(command.canonical())[name] == str(2**63)
        command = READERS["settlement-updates"](orjson.dumps(asked | {name: 2**63 - 1}))
        assert orjson.loads(command.canonical())[name] == 2**63 - 1
