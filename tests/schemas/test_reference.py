"""Reference data as one value: records in, tombstones, and what is refused."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import orjson
import pytest

from schemas.catalogue import topic_named
from schemas.rails import INSTANT, Rail
from schemas.reference import KEY_FIELDS, REFERENCE_CONTRACTS, Reference, read_record
from schemas.topics import REFERENCE_DATA
from tests.schemas.reference_records import FEE, MILES, OF_TOPIC, RATE, SEPA, TIER, Json, put


def held(reference: Reference, topic: str, key: str) -> object:
    """What the reference data has under a key."""
    found: dict[str, Any] = {
        "assets": reference.assets.get,
        "rails": reference.rails.get,
        "tiers": reference.tiers.get,
        "fee-schedules": reference.fee_schedules.get,
        "fx-rates": reference.rates.get,
        "lists": reference.lists.get,
    }
    return found[topic](key)


def test_each_topic_of_reference_data_has_a_contract_and_a_key() -> None:
    assert tuple(REFERENCE_CONTRACTS) == tuple(KEY_FIELDS) == REFERENCE_DATA == tuple(OF_TOPIC)
    for topic, contract in REFERENCE_CONTRACTS.items():
        assert contract.model_fields[KEY_FIELDS[topic]].is_required()
        assert topic_named(topic).value == contract.__name__
        assert contract.model_config["frozen"]


@pytest.mark.parametrize("topic", REFERENCE_DATA)
def test_a_record_is_known_until_a_tombstone_removes_it(topic: str) -> None:
    record = OF_TOPIC[topic]
    key = record[KEY_FIELDS[topic]]
    before = Reference()
    after = put(before, topic, record)
    assert held(after, topic, key) == read_record(topic, orjson.dumps(record))
    assert held(before, topic, key) is None, "it is immutable"
    assert held(put(after, topic, record), topic, key) == held(after, topic, key), "the same again is no news"
    gone = after.with_record(topic, key, None)
    assert held(gone, topic, key) is None
    assert held(after, topic, key) is not None
    assert held(put(gone, topic, record), topic, key) == held(after, topic, key), "it may come back"
    assert held(gone.with_record(topic, key, None), topic, key) is None, "a second tombstone changes nothing"


@pytest.mark.parametrize("topic", REFERENCE_DATA)
def test_the_same_record_is_held_once_by_all(topic: str) -> None:
    key = OF_TOPIC[topic][KEY_FIELDS[topic]]
    first, second = (put(Reference(), topic, OF_TOPIC[topic]) for _ in range(2))
    assert held(first, topic, key) is held(second, topic, key)


@pytest.mark.parametrize("topic", REFERENCE_DATA)
def test_the_key_is_the_records_own(topic: str) -> None:
    with pytest.raises(ValueError, match=f"key is 'other', but its {KEY_FIELDS[topic]} is '.*': they must agree"):
        Reference().with_record(topic, "other", orjson.dumps(OF_TOPIC[topic]))


@pytest.mark.parametrize("value", [b"{}", b"x"])
def test_a_topic_that_is_none_of_reference_data_is_refused(value: bytes) -> None:
    for record in (value, None):
        with pytest.raises(ValueError, match="'dead-letters' is no topic of reference data; there are assets, rails"):
            Reference().with_record("dead-letters", "k", record)


@pytest.mark.parametrize(
    ("topic", "change", "message"),
    [
        ("assets", {"exponent": "2"}, "exponent: Input should be a valid integer"),
        ("assets", {"code": "miles"}, "code: String should match pattern"),
        ("rails", {"settlement": "later", "x": 1}, "settlement: Input should be .*; x: Extra inputs are not permitted"),
        ("tiers", {"version": 0}, "version: Input should be greater than or equal to 1"),
        ("tiers", {"limits": {"EUR": {"day": {"count": -1}}}}, "limits.EUR.day.count"),
        ("tiers", {"limits": {"eur": {}}}, r"limits.eur.\[key\]: String should match"),
        ("fee-schedules", {"operation": "fly"}, "operation: Input should be 'credit', 'debit'"),
        ("fee-schedules", {"tiers": [{"flat_minor": 1, "basis_points": 10_001}]}, "tiers.0.basis_points"),
        ("fx-rates", {"bid": 1.08}, "bid: Input should be a valid string"),
        ("fx-rates", {"bid": "1.10"}, "^bid must not be above ask"),
    ],
)
def test_what_is_wrong_with_a_record_is_said_by_field(topic: str, change: Json, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        put(Reference(), topic, OF_TOPIC[topic], **change)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("value", [b"", b"null", b"[]", b"\xff", b'{"code":'])
def test_what_is_no_object_is_refused(value: bytes) -> None:
    with pytest.raises(ValueError, match=r"JSON|object"):
        Reference().with_record("assets", "MILES", value)


def test_an_asset_cannot_become_another() -> None:
    reference = put(Reference(), "assets", MILES)
    with pytest.raises(ValueError, match="use a new code"):
        put(reference, "assets", MILES, exponent=2)
    with pytest.raises(ValueError, match="belongs to ISO 4217"):
        put(reference, "assets", MILES, code="EUR")
    removed = reference.with_record("assets", "MILES", None)
    with pytest.raises(ValueError, match="use a new code"):
        put(removed, "assets", MILES, exponent=2)


def test_the_instant_rail_is_always_the_same() -> None:
    same = put(Reference(), "rails", {"name": "instant", "settlement": "instant"})
    assert same.rails == {"instant": INSTANT}
    for change in ({"settlement": "deferred"}, {"settlement": "instant", "screening": True}):
        with pytest.raises(ValueError, match="instant is built in and cannot be changed"):
            put(Reference(), "rails", {"name": "instant", **change})
    with pytest.raises(ValueError, match="instant is built in and cannot be removed"):
        Reference().with_record("rails", "instant", None)


def test_a_rail_may_change() -> None:
    reference = put(put(Reference(), "rails", SEPA), "rails", SEPA, screening=True, calendar="TARGET2")
    assert reference.rails["sepa"] == Rail(name="sepa", settlement="deferred", screening=True, calendar="TARGET2")
    assert reference.rails["instant"] == INSTANT


@pytest.mark.parametrize(
    ("topic", "change"), [("tiers", {"limits": {}}), ("fee-schedules", {"refundable": True})], ids=lambda one: str(one)
)
def test_a_change_needs_a_higher_version(topic: str, change: Json) -> None:
    record = OF_TOPIC[topic] | {"version": 2}
    name = record["name"]
    reference = put(Reference(), topic, record)
    for version in (1, 2):
        with pytest.raises(ValueError, match=f"version: {name} is at version 2; a change needs a higher one"):
            put(reference, topic, record, version=version, **change)
    changed: Any = held(put(reference, topic, record, version=3, **change), topic, name)
    assert changed.version == 3
    again: Any = held(put(reference.with_record(topic, name, None), topic, record, version=1), topic, name)
    assert again.version == 1


def test_fees_are_found_by_operation_kind_and_asset() -> None:
    reference = put(Reference(), "fee-schedules", FEE)
    assert reference.fees == {
        ("debit", kind, "EUR"): reference.fee_schedules["debit-eur"] for kind in ("customer", "merchant", "partner")
    }
    assert reference.fees.get(("debit", "customer", "USD")) is None
    assert put(reference, "fee-schedules", FEE, version=2, operation="credit").fees.keys() == {
        ("credit", kind, "EUR") for kind in ("customer", "merchant", "partner")
    }
    assert reference.with_record("fee-schedules", "debit-eur", None).fees == {}


def test_the_fee_that_counts_does_not_depend_on_the_order_of_the_records() -> None:
    records = [
        FEE | {"name": "b-any"},
        FEE | {"name": "a-any"},
        FEE | {"name": "z-merchant", "wallet_kind": "merchant"},
        FEE | {"name": "y-merchant", "wallet_kind": "merchant"},
    ]
    for order in permutations(records):
        reference = Reference()
        for record in order:
            reference = put(reference, "fee-schedules", record)
        chosen = {kind: reference.fees["debit", kind, "EUR"].name for kind in ("customer", "merchant", "partner")}
        assert chosen == {"customer": "a-any", "merchant": "y-merchant", "partner": "a-any"}
    gone = reference.with_record("fee-schedules", "y-merchant", None)
    assert gone.fees["debit", "merchant", "EUR"].name == "z-merchant"


def test_a_tier_says_its_limits_by_asset() -> None:
    tier = put(Reference(), "tiers", TIER).tiers["standard"]
    limits = tier.limits["EUR"]
    assert limits.day is not None
    assert (limits.day.count, limits.day.sum_minor) == (5, 10_000)
    assert (limits.hour, limits.month, limits.single_max_minor, limits.balance_cap_minor) == (None,) * 4
    assert "USD" not in tier.limits


def test_rates_are_in_it() -> None:
    reference = put(Reference(), "fx-rates", RATE)
    assert reference.rates.get("EURUSD") == read_record("fx-rates", orjson.dumps(RATE))
