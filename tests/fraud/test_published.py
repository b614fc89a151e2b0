"""Rules are checked when they are published: what is wrong is refused, with the reason and what to do."""

from __future__ import annotations

import json
from typing import Any

import pytest

from agents.fraud.published import Bounds, RuleBook
from agents.fraud.rule_records import RuleRefused, read_rule
from schemas.fraud_rules import MAX_WINDOW_S
from tests.fraud.publishing import COUNT, DAY_S, PLAIN, check, refused, unread
from tests.fraud.written import aggregate_rule, rule


def test_a_rule_is_taken_as_it_was_written() -> None:
    written = json.dumps(PLAIN | {"aggregate": COUNT, "condition": {"op": "ge", "value": 5}})
    book = RuleBook()
    assert book.publish(read_rule(written.encode(), "r")) is None
    assert book.rules["r"] == aggregate_rule("r", COUNT, {"op": "ge", "value": 5})
    assert book.in_effect() == [book.rules["r"]]
    assert book.cost > 0


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        (
            {"filter": check("amount", "gt", 1)},
            "filter: facts have no field 'amount'; is amount_minor meant?",
        ),
        ({"key": ["qqq"]}, "key: facts have no field 'qqq'; there are amount_minor, anomaly_score, asset,"),
        (
            {
                "aggregate": {"function": "sum", "field": "ammount_minor", "window_s": 1},
                "condition": {"op": "gt", "value": 1},
            },
            "aggregate.field: facts have no field 'ammount_minor'; is amount_minor meant?",
        ),
        (
            {"aggregate": COUNT, "condition": {"op": "gt", "left": "amuont_minor", "factor": 2}},
            "condition.left: facts have no field 'amuont_minor'",
        ),
        (
            {"sequence": {"steps": [{"all": []}, check("devise", "eq", "d")], "within_s": 1}},
            "sequence.steps.1: facts have no field 'devise'; is device meant?",
        ),
        (
            {
                "aggregate": {"function": "sum", "field": "merchant", "window_s": 1},
                "condition": {"op": "gt", "value": 1},
            },
            "aggregate.field: merchant is text and is taken for a number; compare it with what it is",
        ),
        ({"filter": check("amount_minor", "eq", "100")}, "amount_minor is a number and is taken for text"),
        ({"filter": check("merchant", "gt", 5)}, "merchant is text and is taken for a number"),
        (
            {"condition": {"left": "anomaly_score", "op": "ge", "value": 0.95}},
            "condition.value: anomaly_score is a whole number from 0 to 1,000; ask for 950",
        ),
        ({"filter": check("anomaly_score", "in", [700, 700.5])}, "from 0 to 1,000; ask for 700"),
        ({"filter": check("anomaly_score", "gt", 1000)}, "filter: no fact passes it"),
        (
            {"filter": check("party_id", "eq", "w")},
            "party_id is there in histories of parties only; put it into the key",
        ),
        (
            {"filter": check("party_id", "in_list", "l"), "key": ["party_id"]},
            "facts are compared with lists before they are seen from a party; compare wallet_id and to_wallet_id",
        ),
        (
            {"aggregate": COUNT | {"window_s": 31 * DAY_S}, "condition": {"op": "gt", "value": 1}},
            "aggregate.window_s: 2678400 s reach further back than histories do, 2592000 s; ask for at most 2592000",
        ),
        (
            {
                "aggregate": COUNT,
                "condition": {"op": "gt", "factor": 3, "against": COUNT | {"window_s": 31 * DAY_S}},
            },
            "condition.against.window_s: 2678400 s reach further back",
        ),
        ({"sequence": {"steps": [{"all": []}] * 2, "within_s": 31 * DAY_S}}, "sequence.within_s: 2678400 s"),
        ({"cooldown_s": 31 * DAY_S}, "cooldown_s: 2678400 s"),
        (
            {"aggregate": COUNT, "condition": {"op": "gt", "factor": 3, "against": COUNT | {"window_s": 30}}},
            "30 s of history are no measure for 60 s of the same; give the history a longer window",
        ),
        (
            {"aggregate": COUNT, "condition": {"op": "gt", "factor": 3, "against": COUNT}},
            "60 s of history are no measure for 60 s of the same",
        ),
        (
            {"filter": {"all": [check("amount_minor", "gt", 100), check("amount_minor", "lt", 50)]}},
            "filter: no fact passes it: what it asks of amount_minor contradicts itself; correct it",
        ),
        (
            {
                "filter": check("amount_minor", "gt", 100),
                "condition": {"left": "amount_minor", "op": "lt", "value": 50},
            },
            "filter: no fact passes it: what it asks of amount_minor contradicts itself",
        ),
        (
            {
                "filter": check("direction", "eq", "in"),
                "sequence": {"steps": [{"all": []}, check("direction", "eq", "out")], "within_s": 1},
            },
            "sequence.steps.1: no fact passes it: what it asks of direction contradicts itself",
        ),
        (
            {
                "filter": check("direction", "eq", "in"),
                "aggregate": {"function": "ratio", "numerator": check("direction", "eq", "out"), "window_s": 1},
                "condition": {"op": "gt", "value": 1},
            },
            "aggregate.numerator: no fact passes it",
        ),
        (
            {"aggregate": COUNT | {"min_events": 5}, "condition": {"op": "lt", "value": 3}},
            "condition: count is at least 5, which is never lt 3; correct the value",
        ),
        (
            {"combination": {"rules": ["s"], "within_s": 1, "threshold": 1}},
            "combination.rules: there is no rule s; publish it first",
        ),
        (
            {"combination": {"rules": ["r"], "within_s": 1, "threshold": 1}},
            "combination.rules: r is this rule itself, or adds it up; break the circle",
        ),
        (
            {"filter": {"all": [{"any": [check("ip", "eq", str(n)) for n in range(10)]} for _ in range(10)]}},
            "it costs 102 for each fact, at most 100 are allowed; ask for less: a check costs 1",
        ),
    ],
)
def test_a_rule_is_refused_with_the_reason_and_what_to_do(parts: dict[str, Any], said: str) -> None:
    assert said in refused(RuleBook(Bounds(retention_s=30 * DAY_S, cost_of_rule=100)), **parts)


def test_all_reasons_are_given_at_once_but_not_hundreds() -> None:
    said = refused(RuleBook(), filter=check("amount", "gt", 1), key=["walet_id"], cooldown_s=3)
    assert "amount_minor" in said
    assert "wallet_id" in said
    many = {"all": [check(f"f{number}", "present", None) for number in range(100)]}
    with pytest.raises(RuleRefused) as caught:
        RuleBook().publish(rule("r", filter=many))
    assert len(caught.value.refusals) == 11
    assert caught.value.refusals[-1].reason == "90 more reasons"


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"key": None}, 'key: it has none; say whose history it looks at, as in ["wallet_id"]'),
        ({"key": []}, "key: it has none; say whose history"),
        ({"key": ["wallet_id", "wallet_id"]}, "a field stands there twice"),
        (
            {"aggregate": COUNT | {"window_s": -5}},
            "aggregate.window_s: the window ends before it begins; give its length",
        ),
        ({"aggregate": COUNT | {"window_s": 0}}, "the window ends before it begins"),
        ({"aggregate": COUNT | {"window_s": MAX_WINDOW_S + 1}}, "less than or equal to 34560000"),
        (
            {"sequence": {"steps": [{"all": []}] * 2, "within_s": -1}},
            "sequence.within_s: the window ends before it begins",
        ),
        ({"severity": "catastrophic"}, "severity: "),
        ({"severity": None}, "severity: is missing; add it"),
        ({"windows": 3}, "windows: there is no such field; leave it out, or correct its name"),
        ({"filter": {"field": "ip", "op": "matches", "value": "(a+)+$"}}, "filter.op: Input should be 'gt', 'ge'"),
        ({"filter": {"code": "__import__('os')"}}, 'A filter is {"all": [..]}'),
        ({"aggregate": COUNT}, "condition: an aggregate needs one"),
        ({"filter": {"all": [{"all": [{"field": "ip"}]}]}}, "filter.all.0.all.0.op: is missing"),
    ],
)
def test_what_does_not_fit_the_contract_is_refused(changed: dict[str, Any], said: str) -> None:
    value = {name: part for name, part in (PLAIN | changed).items() if part is not None}
    assert said in unread(json.dumps(value))


@pytest.mark.parametrize("value", ["true", '"5"', "[5]"])
def test_a_value_that_is_no_number_is_told_in_the_words_of_json(value: str) -> None:
    written = json.dumps(PLAIN | {"condition": {"left": "amount_minor", "op": "gt", "value": 77}})
    said = unread(written.replace("77", value))
    assert "condition.value: Input should be a JSON number" in said


SUM = {"function": "sum", "field": "amount_minor", "window_s": 60}


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        (
            {"left": "available_minor", "op": "lt", "factor": 0.1},
            "condition.left: available_minor is in the fact's own asset, and is compared with amounts in EUR",
        ),
        (
            {"op": "gt", "factor": 2, "against": SUM | {"function": "avg", "window_s": 600}},
            "condition.against: amounts in EUR are compared with amounts in the fact's own asset; give both the same",
        ),
        (
            {"op": "gt", "factor": 2, "against": SUM | {"window_s": 600, "in_asset": "USD"}},
            "condition.against: amounts in EUR are compared with amounts in USD",
        ),
        ({"left": "amount_minor", "op": "gt", "factor": 0.5}, None),
        ({"op": "gt", "factor": 2, "against": SUM | {"window_s": 600, "in_asset": "EUR"}}, None),
        ({"op": "gt", "factor": 100, "against": COUNT | {"window_s": 600}}, None),
    ],
)
def test_amounts_of_different_assets_are_not_compared(condition: dict[str, Any], said: str | None) -> None:
    parts: dict[str, Any] = {"aggregate": SUM | {"in_asset": "EUR"}, "condition": condition}
    if said is None:
        RuleBook().publish(rule("r", **parts))
    else:
        assert said in refused(RuleBook(), **parts)
