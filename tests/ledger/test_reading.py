"""Reading records: what can be read of what is no command, and where two commands differ."""

from __future__ import annotations

import json

import pytest

from agents.ledger.decode import Malformed, decode_told, read_what_can_be
from agents.ledger.requests import first_difference
from schemas.internal import ForwardedRecord, LegAnswer, Tick, TransferLeg
from tests.ledger.test_bad_internal import ANSWER, FORWARD, LEG

NAMES = ("wallet_id", "idempotency_key", "request_id", "operation")


def test_each_part_of_the_identity_is_read_alone() -> None:
    for name in NAMES:
        read = read_what_can_be(json.dumps({name: "x", "amount_minor": 1.5}).encode(), "why", "where")
        assert read._asdict() == {**dict.fromkeys(NAMES), name: "x", "message": "why", "field": "where"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [("x" * 255, "x" * 255), ("x" * 256, None), ("", None), (5, None), (None, None), (["x"], None), ("\0é", "\0é")],
)
def test_only_texts_of_a_sensible_length_are_repeated(text: object, expected: str | None) -> None:
    assert read_what_can_be(json.dumps({"wallet_id": text}).encode(), "why").wallet_id == expected


@pytest.mark.parametrize("value", [b"", b"[]", b'"wallet_id"', b"{", b"\xff", b"null", b"[" * 10_000, None])
def test_nothing_is_read_of_what_is_no_object(value: bytes | None) -> None:
    assert read_what_can_be(value, "why") == Malformed("why", None, None, None, None, None)


@pytest.mark.parametrize(("fields", "type_"), [(LEG, TransferLeg), (ANSWER, LegAnswer), (FORWARD, ForwardedRecord)])
def test_internal_commands_are_read(fields: dict[str, object], type_: type) -> None:
    assert isinstance(decode_told(json.dumps({**fields, "unknown": [1]}).encode()), type_)


def test_a_tick_is_read() -> None:
    assert decode_told(b'{"operation":"tick","due_at_ms":5}') == Tick(due_at_ms=5)


@pytest.mark.parametrize("value", [None, b""])
def test_nothing_told_is_cut_short(value: bytes | None) -> None:
    read = decode_told(value)
    assert isinstance(read, Malformed)
    assert read.message == "Input data was truncated"


@pytest.mark.parametrize("amount_minor", [1, 2**63 - 1])
def test_the_ends_of_what_a_leg_may_move(amount_minor: int) -> None:
    assert isinstance(decode_told(json.dumps({**LEG, "amount_minor": amount_minor}).encode()), TransferLeg)


@pytest.mark.parametrize("name", ["partition", "offset"])
@pytest.mark.parametrize(("number", "is_place"), [(0, True), (2**63 - 1, True), (2**63, False), (-1, False)])
def test_where_a_forwarded_record_may_come_from(name: str, number: int, is_place: bool) -> None:
    source = {"topic": "transaction-requests", "partition": 1, "offset": 1, name: number}
    read = decode_told(json.dumps({**FORWARD, "source": source}).encode())
    assert isinstance(read, ForwardedRecord if is_place else Malformed)
    if isinstance(read, Malformed):
        assert read.field == "source"


def test_what_is_unreadable_names_its_wallet_where_it_can() -> None:
    read = decode_told(json.dumps({**LEG, "amount_minor": 0}).encode())
    assert isinstance(read, Malformed)
    assert (read.wallet_id, read.operation, read.field) == (LEG["wallet_id"], "transfer_credit", "amount_minor")
    read = decode_told(b'{"operation":"tick","due_at_ms":"' + b"x" * 10_000 + b'"}')
    assert isinstance(read, Malformed)
    assert 0 < len(read.message) <= 255


@pytest.mark.parametrize(
    ("before", "after", "name"),
    [
        ({"a": 1, "b": 1}, {"a": 2, "b": 2}, "a"),
        ({"b": 1}, {"a": 1, "b": 1}, "a"),
        ({"a": 1, "b": 1}, {"a": 1}, "b"),
        ({"z": 1, "a": 1}, {"z": 2, "a": 1}, "z"),
        ({"a": 1}, {"a": True}, "idempotency_key"),
    ],
)
def test_the_first_difference(before: dict[str, object], after: dict[str, object], name: str) -> None:
    """By name; of what compares equal although its text differs, only the key itself can be named."""
    assert first_difference(json.dumps(before).encode(), json.dumps(after).encode()) == name
