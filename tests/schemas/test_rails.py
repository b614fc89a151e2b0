"""Rails as reference data: what of their settings is refused, and what older records still mean."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from schemas.rails import Rail
from schemas.reference import read_record

SEPA: dict[str, Any] = {"name": "sepa", "settlement": "deferred"}
SETTLED: dict[str, Any] = {
    **SEPA,
    "adapter": {"kind": "simulated"},
    "cut_offs": {"time_zone": "Europe/Berlin", "times": ["10:00"]},
}


def read(record: dict[str, Any]) -> Rail:
    rail = read_record("rails", orjson.dumps(record))
    assert isinstance(rail, Rail)
    return rail


def test_a_record_of_before_is_a_rail_that_settlement_does_not_care_for() -> None:
    rail = read(SEPA)
    assert rail.adapter is None
    assert (rail.netting, rail.payout_limits, rail.minimum_reserve_minor) == ("gross", {}, {})
    assert rail == read(SEPA | {"retry": {}, "batches": {}, "fees": {}})


def test_settings_are_read_as_they_are_written() -> None:
    rail = read(
        SETTLED
        | {
            "payout_limits": {"EUR": {"batch_minor": 5}},
            "fees": {"EUR": {"instruction_minor": 8}},
            "minimum_reserve_minor": {"EUR": 100},
            "merchant_reserve": {"basis_points": 500, "days": 90},
        }
    )
    assert rail.payout_limits["EUR"].batch_minor == 5
    assert rail.payout_limits["EUR"].day_minor is None
    assert rail.fees["EUR"].instruction_minor == 8
    assert rail.minimum_reserve_minor["EUR"] == 100
    assert rail.merchant_reserve is not None
    assert rail.merchant_reserve.days == 90
    assert rail.cut_offs is not None
    assert rail.cut_offs.times == ("10:00",)


@pytest.mark.parametrize("calendar", ["TARGET2", "ECB", "T2", "DE", "DE-BY", "XNYS", "TARGET2+US"])
def test_calendars_go_by_their_names(calendar: str) -> None:
    assert read(SEPA | {"calendar": calendar}).calendar == calendar


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"calendar": "TARGT2"}, "calendar: 'TARGT2' is no calendar; there are TARGET2, countries such as DE"),
        ({"calendar": "DE-XX"}, "calendar: 'DE-XX' is no calendar"),
        ({"calendar": "DE+"}, "calendar: '' is no calendar"),
        ({"settlement": "instant"}, "an instant rail settles what it books and has no adapter"),
        ({"cut_offs": None}, "nothing would close a batch that stays small: give cut_offs or batches.max_age_s"),
        ({"cut_offs": {"times": []}}, "cut_offs.times"),
        ({"cut_offs": {"times": ["24:00"]}}, "cut_offs.times.0"),
        ({"cut_offs": {"times": ["9:00"]}}, "cut_offs.times.0"),
        ({"cut_offs": {"time_zone": "Europe/Berln", "times": ["09:00"]}}, "cut_offs.time_zone: 'Europe/Berln' is no"),
        ({"cut_offs": {"time_zone": "../../etc/passwd", "times": ["09:00"]}}, "cut_offs.time_zone: .* is no time zone"),
        ({"cut_offs": {"time_zone": "/etc/localtime", "times": ["09:00"]}}, "cut_offs.time_zone: .* is no time zone"),
        ({"adapter": {"kind": "ISO 20022"}}, "adapter.kind"),
        ({"adapter": {"kind": "csv", "secret": 1}}, "adapter.secret: Extra inputs"),
        ({"netting": "net"}, "netting"),
        ({"batches": {"max_transactions": 0}}, "batches.max_transactions"),
        ({"payout_limits": {"EUR": {"batch_minor": 9, "day_minor": 8}}}, "payout_limits.EUR: transaction_minor must"),
        ({"payout_limits": {"EUR": {"transaction_minor": 9, "day_minor": 8}}}, "payout_limits.EUR: transaction_minor"),
        ({"payout_limits": {"eur": {}}}, "payout_limits.eur"),
        ({"payout_limits": {"EUR": {"day_minor": 0}}}, "payout_limits.EUR.day_minor"),
        ({"minimum_reserve_minor": {"EUR": 1.5}}, "minimum_reserve_minor.EUR"),
        ({"minimum_reserve_minor": {"EUR": -1}}, "minimum_reserve_minor.EUR"),
        ({"merchant_reserve": {"basis_points": 10_001, "days": 1}}, "merchant_reserve.basis_points"),
        ({"fees": {"EUR": {"batch_minor": 2**63}}}, "fees.EUR.batch_minor"),
        ({"retry": {"first_ms": 10, "longest_ms": 9}}, "retry: first_ms must not be above longest_ms"),
    ],
)
def test_what_is_wrong_is_named_by_field(change: dict[str, Any], message: str) -> None:
    assert read(SETTLED)
    with pytest.raises(ValueError, match=message) as caught:
        read(SETTLED | change)
    assert "\n" not in str(caught.value)


def test_a_batch_may_close_by_age_alone() -> None:
    assert read(SETTLED | {"cut_offs": None, "batches": {"max_age_s": 60}}).batches.max_age_s == 60
