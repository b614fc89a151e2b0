"""Records of reference data as JSON values, to be changed by tests."""

from __future__ import annotations

from typing import Any

import orjson

from schemas.reference import KEY_FIELDS, Reference

Json = dict[str, Any]

MILES: Json = {"code": "MILES", "exponent": 0, "kind": "points"}
SEPA: Json = {"name": "sepa", "settlement": "deferred"}
TIER: Json = {"name": "standard", "version": 1, "limits": {"EUR": {"day": {"count": 5, "sum_minor": 10_000}}}}
FEE: Json = {
    "name": "debit-eur",
    "version": 1,
    "operation": "debit",
    "asset": "EUR",
    "tiers": [{"flat_minor": 10, "basis_points": 50}],
    "refundable": False,
}
RATE: Json = {
    "rate_id": "EURUSD",
    "base": "EUR",
    "quote": "USD",
    "bid": "1.08",
    "ask": "1.09",
    "source": "ecb",
    "valid_from": "2026-01-01T00:00:00.000Z",
    "valid_until": "2026-01-02T00:00:00.000Z",
}
LIST: Json = {"name": "watched", "version": 1, "purpose": "watch", "entries": ["device-1", "device-2"]}

#: Topic -> a record of it.
OF_TOPIC: dict[str, Json] = {
    "assets": MILES,
    "rails": SEPA,
    "tiers": TIER,
    "fee-schedules": FEE,
    "fx-rates": RATE,
    "lists": LIST,
}


def put(reference: Reference, topic: str, record: Json, **changes: Any) -> Reference:
    """The reference data with one more record, changed so, under its own key."""
    record = record | changes
    return reference.with_record(topic, record[KEY_FIELDS[topic]], orjson.dumps(record))
