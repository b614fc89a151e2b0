from __future__ import annotations

from typing import Any

import orjson
import pytest
from pydantic import ValidationError

from schemas.canonical import canonical_json, fingerprint
from schemas.clock import unix_ms
from schemas.commands import CONTRACTS
from schemas.contract import NOT_FINGERPRINTED, Command

TRANSFER: dict[str, Any] = {
    "operation": "transfer",
    "idempotency_key": "k-1",
    "wallet_id": "w1",
    "amount_minor": 10,
    "asset": "EUR",
    "to_wallet_id": "w2",
}


def parse(**fields: Any) -> Command:
    command: Command = CONTRACTS["transaction-requests"].validate_json(orjson.dumps(TRANSFER | fields))
    return command


def printed(**fields: Any) -> str:
    return fingerprint(canonical_json(parse(**fields).canonical_fields()))


def test_defaults_are_part_of_what_is_asked_for() -> None:
    assert parse().canonical_fields() == TRANSFER | {"sub_wallet": "main", "to_sub_wallet": "main"}
    assert printed() == printed(sub_wallet="main", to_sub_wallet="main", metadata=None, references=None)


def test_the_fingerprint_of_a_known_command_never_changes() -> None:
    assert printed() == EXPECTED


EXPECTED = "05eae2dbe4c2a9722fe49879ed978f42b1dea3997ce208c04ab0afc30effa313"

SAYING_NOTHING: dict[str, Any] = {
    "request_id": "r-1",
    "occurred_at": "2026-11-23T04:50:00Z",
    "device": {"ip": "192.0.2.1", "latitude": 1.5},
}


@pytest.mark.parametrize("field", NOT_FINGERPRINTED)
def test_what_says_nothing_of_what_is_asked_for_is_left_out(field: str) -> None:
    assert printed(**{field: SAYING_NOTHING[field]}) == printed()


@pytest.mark.parametrize(
    "change",
    [
        {"idempotency_key": "k-2"},
        {"wallet_id": "w3"},
        {"amount_minor": 11},
        {"asset": "USD"},
        {"to_wallet_id": "w3"},
        {"to_sub_wallet": "savings"},
        {"sub_wallet": "savings"},
        {"partner_id": "p"},
        {"metadata": {}},
        {"metadata": {"k": "v"}},
        {"references": {"order": "o"}},
    ],
    ids=str,
)
def test_everything_else_is_in_the_fingerprint(change: dict[str, Any]) -> None:
    assert printed(**change) != printed()


def test_absent_references_say_the_same_as_null_ones() -> None:
    assert printed(references={"order": "o"}) == printed(references={"order": "o", "user": None})
    assert parse(references={"order": "o"}).canonical_fields()["references"] == {"order": "o"}


def test_the_canonical_form_of_a_command_can_be_read_back_as_it() -> None:
    command = parse(metadata={"é": "1", "a": "2"}, references={"user": "u"}, partner_id="p")
    canonical = canonical_json(command.canonical_fields())
    assert CONTRACTS["transaction-requests"].validate_json(canonical).canonical_fields() == command.canonical_fields()


@pytest.mark.parametrize(
    ("operation", "fields", "defaults"),
    [
        ("open_wallet", {"owner_ref": "o", "assets": ["EUR"]}, {"kind": "customer", "sub_wallet": "main"}),
        ("open_sub_wallet", {"sub_wallet": "e1", "kind": "escrow"}, {"payee_wallet_id": None}),
        ("enable_asset", {"asset": "EUR"}, {}),
        ("credit", {"amount_minor": 1, "asset": "EUR"}, {"rail": "instant", "instrument_ref": None}),
        ("debit", {"amount_minor": 1, "asset": "EUR"}, {"rail": "instant", "instrument_ref": None}),
    ],
)
def test_what_each_operation_takes(operation: str, fields: dict[str, Any], defaults: dict[str, Any]) -> None:
    common = {"operation": operation, "idempotency_key": "k", "wallet_id": "w1"}
    command = CONTRACTS["transaction-requests"].validate_json(orjson.dumps(common | fields))
    found = command.model_dump()
    assert {name: found[name] for name in common | fields | defaults} == common | fields | defaults


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("2026-11-23T04:50:00.123Z", "2026-11-23T04:50:00.123Z"),
        ("2026-11-23T04:50:00Z", "2026-11-23T04:50:00.000Z"),
        ("2026-11-23T04:50:00.5Z", "2026-11-23T04:50:00.500Z"),
        ("2026-11-23T04:50:00.05Z", "2026-11-23T04:50:00.050Z"),
        ("2026-11-23T04:50:59.999999999Z", "2026-11-23T04:50:59.999Z"),
        ("2028-02-29T04:50:00.1234Z", "2028-02-29T04:50:00.123Z"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000Z"),
        ("9999-12-31T23:59:59.999Z", "9999-12-31T23:59:59.999Z"),
    ],
)
def test_times_are_kept_in_milliseconds(said: str, kept: str) -> None:
    read = parse(occurred_at=said).occurred_at
    assert read == kept
    assert read is not None
    assert unix_ms(read) == unix_ms(kept), "other readers can parse it"


@pytest.mark.parametrize("day", ["2026-02-29", "2026-02-31", "1900-02-29", "2026-04-31", "2026-11-31", "0000-01-01"])
def test_days_that_the_calendar_has_not_are_refused(day: str) -> None:
    with pytest.raises(ValidationError, match="no such day"):
        parse(occurred_at=f"{day}T04:50:00.000Z")
