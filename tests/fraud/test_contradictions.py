"""Filters that no fact passes are found, and no others."""

from __future__ import annotations

import itertools
import json
import time
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from agents.fraud.contradictions import never_holds, never_passes
from schemas.fraud_filters import Filter
from schemas.fraud_rules import Aggregate, Condition
from tests.fraud.naive_filters import passes
from tests.ledger.profiles import runs

_filter: TypeAdapter[Filter] = TypeAdapter(Filter)


def read(part: Any) -> Filter:
    """A filter as it comes on the topic."""
    return _filter.validate_json(json.dumps(part))


#: All that a fact of two fields can be, as far as the checks below can tell.
NUMBERS = (None, "text", -1, 0, 0.5, 1, 1.5, 2, 3)
TEXTS = (None, "x", "y", "z")
FACTS = [
    {name: value for name, value in (("number", number), ("text", text)) if value is not None}
    for number, text in itertools.product(NUMBERS, TEXTS)
]

checks = st.one_of(
    st.builds(
        lambda op, value: {"field": "number", "op": op, "value": value},
        st.sampled_from(("gt", "ge", "lt", "le", "eq", "ne")),
        st.integers(0, 2),
    ),
    st.builds(lambda op: {"field": "number", "op": op}, st.sampled_from(("present", "absent"))),
    st.builds(lambda op: {"field": "text", "op": op}, st.sampled_from(("present", "absent"))),
    st.builds(
        lambda op, values: {"field": "text", "op": op, "value": values},
        st.sampled_from(("in", "not_in")),
        st.sampled_from((["x"], ["y"], ["x", "y"])),
    ),
)
filters: st.SearchStrategy[Any] = st.recursive(
    checks,
    lambda part: st.one_of(
        st.builds(lambda parts: {"all": parts}, st.lists(part, max_size=4)),
        st.builds(lambda parts: {"any": parts}, st.lists(part, min_size=1, max_size=3)),
        st.builds(lambda negated: {"not": negated}, part),
    ),
    max_leaves=10,
)


@runs(1_000, 50_000)
@given(filters)
def test_a_filter_is_found_to_contradict_itself_where_no_fact_passes_it(part: Any) -> None:
    found = read(part)
    passing = [fact for fact in FACTS if passes(found, fact)]
    assert (never_passes([found]) is None) == bool(passing), passing[:1]


@pytest.mark.parametrize(
    ("part", "field"),
    [
        ({"all": [{"field": "a", "op": "gt", "value": 5}, {"field": "a", "op": "lt", "value": 5}]}, "a"),
        ({"all": [{"field": "hour", "op": "ge", "value": 24}]}, "hour"),
        ({"field": "weekday", "op": "eq", "value": 7}, "weekday"),
        ({"field": "direction", "op": "in", "value": ["sideways"]}, "direction"),
        ({"field": "status", "op": "eq", "value": "settled"}, "status"),
        (
            {
                "all": [
                    {"field": "status", "op": "present"},
                    {"field": "status", "op": "not_in", "value": ["accepted", "rejected"]},
                ]
            },
            "status",
        ),
        ({"field": "hour", "op": "eq", "value": 2.5}, "hour"),
        ({"field": "amount_minor", "op": "in", "value": [0.5, 1.25]}, "amount_minor"),
        (
            {
                "all": [
                    {"field": "amount_minor", "op": "gt", "value": 5},
                    {"field": "amount_minor", "op": "lt", "value": 6},
                ]
            },
            "amount_minor",
        ),
        (
            {
                "all": [
                    {"field": "weekday", "op": "present"},
                    {"field": "weekday", "op": "not_in", "value": list(range(7))},
                ]
            },
            "weekday",
        ),
        (
            {"all": [{"field": "d", "op": "in_list", "value": "l"}, {"field": "d", "op": "not_in_list", "value": "l"}]},
            "d",
        ),
        ({"all": [{"field": "d", "op": "in_list", "value": "l"}, {"field": "d", "op": "absent"}]}, "d"),
        (
            {
                "all": [
                    {"field": "d", "op": "resembles", "value": "l"},
                    {"not": {"field": "d", "op": "resembles", "value": "l"}},
                ]
            },
            "d",
        ),
        ({"not": {"all": []}}, ""),
    ],
)
def test_what_contradicts_itself_is_named(part: Any, field: str) -> None:
    assert never_passes([read(part)]) == field


@pytest.mark.parametrize(
    "part",
    [
        {"all": [{"field": "d", "op": "in_list", "value": "l"}, {"field": "d", "op": "not_in_list", "value": "m"}]},
        {
            "all": [
                {"field": "d", "op": "resembles", "value": "l", "at_least": 60},
                {"not": {"field": "d", "op": "resembles", "value": "l"}},
            ]
        },
        {"not": {"field": "d", "op": "in_list", "value": "l"}},
        {"all": [{"field": "hour", "op": "ge", "value": 23}, {"field": "weekday", "op": "ge", "value": 5}]},
        {"all": [{"field": "hour", "op": "gt", "value": 22.5}, {"field": "hour", "op": "lt", "value": 23.5}]},
        {
            "all": [
                {"field": "anomaly_score", "op": "present"},
                {"field": "anomaly_score", "op": "not_in", "value": list(range(1_000))},
            ]
        },
        {"field": "status", "op": "ne", "value": "settled"},
    ],
)
def test_what_can_pass_is_let_through(part: Any) -> None:
    assert never_passes([read(part)]) is None


def test_filters_count_together() -> None:
    small, large = ({"field": "a", "op": op, "value": 5} for op in ("lt", "gt"))
    assert never_passes([read(small), read(large)]) == "a"
    assert never_passes([]) is None


def test_a_filter_with_a_million_ways_through_it_takes_no_time() -> None:
    """Twenty choices of which none is possible: there are 4^20 ways to find that out."""
    choice = {"any": [{"field": "a", "op": "eq", "value": value} for value in range(4)]}
    hostile = read(
        {"all": [*([choice] * 20), {"field": "b", "op": "gt", "value": 1}, {"field": "a", "op": "gt", "value": 9}]}
    )
    spread = read(
        {
            "all": [{"any": [{"field": f"f{n}", "op": "gt", "value": v} for v in range(4)]} for n in range(24)]
            + [
                choice,
                {"field": "a", "op": "ne", "value": 0},
                {"field": "z", "op": "gt", "value": 1},
                {"any": [{"field": "z", "op": "lt", "value": 1}]},
            ]
        }
    )
    began = time.process_time()
    assert never_passes([hostile]) == "a"
    never_passes([spread])
    assert time.process_time() - began < 1


@pytest.mark.parametrize(
    ("aggregate", "op", "value", "never"),
    [
        ({"function": "count"}, "lt", 0, True),
        ({"function": "count"}, "lt", 1, False),
        ({"function": "count", "min_events": 5}, "lt", 5, True),
        ({"function": "count", "min_events": 5}, "le", 5, False),
        ({"function": "count", "include_current": True}, "lt", 1, True),
        ({"function": "count", "include_current": True, "filter": {"all": []}}, "lt", 1, False),
        ({"function": "count"}, "eq", 2.5, True),
        ({"function": "count"}, "ne", 2.5, False),
        ({"function": "count_distinct", "field": "ip"}, "eq", -1, True),
        ({"function": "count_distinct", "field": "ip"}, "eq", 0.5, True),
        ({"function": "avg", "field": "amount_minor"}, "eq", 0.5, False),
        ({"function": "share", "field": "ip"}, "gt", 1, True),
        ({"function": "share", "field": "ip"}, "ge", 1, False),
        ({"function": "time_since_last"}, "ge", 60, True),
        ({"function": "time_since_last"}, "gt", 59.999, False),
        ({"function": "time_since_last"}, "ne", 60, False),
        ({"function": "sum", "field": "amount_minor"}, "lt", 0, False),
        ({"function": "ratio", "numerator": {"all": []}}, "lt", 0, True),
        ({"function": "ratio", "numerator": {"all": []}, "field": "amount_minor"}, "lt", 0, False),
    ],
)
def test_what_an_aggregate_never_comes_to(aggregate: dict[str, Any], op: str, value: float, never: bool) -> None:
    part = Aggregate.model_validate_json(json.dumps({"window_s": 60} | aggregate))
    why = never_holds(part, Condition.model_validate_json(json.dumps({"op": op, "value": value})))
    assert (why is not None) == never
    if why is not None:
        assert str(aggregate["function"]) in why
    assert never_holds(part, Condition(op="gt", factor=Decimal(1), left="amount_minor")) is None
