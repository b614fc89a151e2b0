"""Exchange rates: what a rate must be, and which one counts."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from schemas.clock import rfc3339, unix_ms
from schemas.fx_rates import FxRate, Rates
from tests.schemas.reference_records import RATE

START_MS = unix_ms(RATE["valid_from"])
END_MS = unix_ms(RATE["valid_until"])


def rate(**changes: Any) -> FxRate:
    return FxRate.model_validate_json(orjson.dumps(RATE | changes))


def rates(*some: FxRate) -> Rates:
    known = Rates()
    for one in some:
        known = known.with_rate(one)
    return known


@pytest.mark.parametrize("price", ["1", "0.000000000001", "999999999999.999999999999", "10.50"])
def test_prices_are_plain_decimals(price: str) -> None:
    assert rate(bid=price, ask=price).bid == price


@pytest.mark.parametrize(
    "price",
    [
        *("", "0", "0.0", "-1", "+1", "1.", ".5", "01", "1e3", "1,5", "1_0", " 1", "1\n", "NaN", "Infinity", "١"),
        *("1234567890123", "1.1234567890123", 1, 1.5, None),
    ],
)
def test_what_is_no_price_is_refused(price: object) -> None:
    with pytest.raises(ValidationError):
        rate(bid=price, ask=price)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"quote": "EUR"}, "base and quote are the same asset"),
        ({"bid": "1.0900001"}, "bid must not be above ask"),
        ({"valid_until": RATE["valid_from"]}, "valid_until must be later"),
        ({"valid_from": "2026-01-01T00:00:00.0009Z", "valid_until": "2026-01-01T00:00:00Z"}, "must be later"),
        ({"valid_from": "2026-02-30T00:00:00Z"}, "no such day"),
        ({"rate_id": "a b"}, "rate_id"),
        ({"source": ""}, "source"),
    ],
)
def test_a_rate_that_contradicts_itself_is_refused(changes: dict[str, str], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        rate(**changes)


def test_it_is_valid_from_its_first_moment_until_just_before_its_last() -> None:
    known = rates(rate())
    for now_ms, is_valid in ((START_MS - 1, False), (START_MS, True), (END_MS - 1, True), (END_MS, False)):
        assert (known.between("EUR", "USD", now_ms) is not None) is is_valid


def test_either_asset_may_be_given() -> None:
    known = rates(rate())
    assert known.between("EUR", "USD", START_MS) == known.between("USD", "EUR", START_MS) == rate()
    assert known.between("EUR", "EUR", START_MS) is None
    assert known.between("EUR", "JPY", START_MS) is None


def test_the_one_that_became_valid_last_counts_and_the_last_by_id_among_equals() -> None:
    older = rate(rate_id="z", valid_from="2025-12-31T00:00:00Z")
    inverse = rate(rate_id="b", base="USD", quote="EUR", bid="0.91", ask="0.93")
    future = rate(rate_id="f", valid_from=rfc3339(START_MS + 10))
    known = rates(rate(rate_id="a"), future, inverse, older)
    found = [known.between("EUR", "USD", now_ms) for now_ms in (START_MS - 1, START_MS, START_MS + 10)]
    assert [one and one.rate_id for one in found] == ["z", "b", "f"]


def test_one_that_is_named_must_be_of_the_pair_and_valid() -> None:
    known = rates(rate(rate_id="a"), rate(rate_id="b"), rate(rate_id="yen", quote="JPY"))
    assert known.between("USD", "EUR", START_MS, "a") == rate(rate_id="a")
    assert known.between("USD", "EUR", END_MS, "a") is None
    assert known.between("USD", "EUR", START_MS, "yen") is None
    assert known.between("USD", "EUR", START_MS, "unknown") is None


def test_a_rate_of_the_same_id_takes_the_place_of_the_one_before() -> None:
    known = rates(rate(), rate(bid="1.07"), rate(quote="JPY"))
    assert known.between("EUR", "USD", START_MS) is None
    assert known.between("EUR", "JPY", START_MS) == known.get("EURUSD") == rate(quote="JPY")
    gone = known.without("EURUSD")
    assert gone.get("EURUSD") is gone.between("EUR", "JPY", START_MS) is None
    assert gone.without("EURUSD") is gone
    assert known.get("EURUSD") is not None, "it is immutable"


CHANGES = st.lists(
    st.tuples(
        st.sampled_from("abcd"),
        st.sampled_from([("EUR", "USD"), ("USD", "EUR"), ("EUR", "JPY"), None]),
        st.integers(0, 5),
        st.integers(1, 5),
    ),
    max_size=12,
)


@given(CHANGES, st.integers(0, 10), st.sampled_from([None, *"abcd"]))
def test_the_lookup_is_that_of_going_through_all(changes: list[Any], now: int, rate_id: str | None) -> None:
    known, model = Rates(), dict[str, FxRate]()
    for name, pair, start, length in changes:
        if pair is None:
            known = known.without(name)
            model.pop(name, None)
            continue
        times = {"valid_from": rfc3339(START_MS + start), "valid_until": rfc3339(START_MS + start + length)}
        model[name] = rate(rate_id=name, base=pair[0], quote=pair[1], **times)
        known = known.with_rate(model[name])
    at_ms = START_MS + now
    valid = [
        one
        for one in model.values()
        if {one.base, one.quote} == {"EUR", "USD"}
        and unix_ms(one.valid_from) <= at_ms < unix_ms(one.valid_until)
        and rate_id in (None, one.rate_id)
    ]
    best = max(valid, key=lambda one: (one.valid_from, one.rate_id), default=None)
    assert known.between("EUR", "USD", at_ms, rate_id) == known.between("USD", "EUR", at_ms, rate_id) == best
