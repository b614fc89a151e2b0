"""What rules can say beside plain limits: two ends, whole multiples, places that are near."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import ValidationError

from agents.fraud.alerts import Alerts
from agents.fraud.compile import compile_rule
from agents.fraud.engine import Engine
from agents.fraud.sentences import sentence
from schemas.fraud_rules import Rule

COUNT = {"function": "count", "window_s": 60, "include_current": True}
AVG = {"function": "avg", "field": "amount_minor", "window_s": 60}


def rule(**parts: Any) -> Rule:
    """A rule of these parts."""
    given = {"rule_id": "r", "version": 1, "state": "active", "severity": "low", "score": 1, "key": ["wallet_id"]}
    return Rule.model_validate_json(json.dumps(given | parts))


def fired(one: Rule, *facts: dict[str, Any]) -> list[int]:
    """Which of the facts, a second apart, fire; an amount stands for a fact that has nothing else."""
    engine = Engine([compile_rule(one)])
    return [
        at for at, fact in enumerate(facts) if engine.insert_fact((at * 1_000, 0, at), fact | {"wallet_id": "alice"})
    ]


def amounts(*minor: Any) -> list[dict[str, Any]]:
    """Facts with these amounts."""
    return [{"amount_minor": each} for each in minor]


def test_a_value_has_an_end_on_the_other_side() -> None:
    between = {"op": "ge", "value": 2, "at_most": 3}
    assert fired(rule(aggregate=COUNT, condition=between), *amounts(1, 1, 1, 1, 1)) == [1, 2]
    assert fired(rule(condition={"left": "amount_minor", **between}), *amounts(1, 2, 3, 4)) == [1, 2]


def test_a_factor_has_an_end_on_the_other_side() -> None:
    against = {"op": "gt", "factor": 0.9, "at_most": 1.1, "left": "amount_minor"}
    assert fired(rule(aggregate=AVG, condition=against), *amounts(100, 90, 104.5, 200, 136, 120)) == [2, 5]
    halves = {"op": "ge", "factor": 1, "at_most": 2, "against": AVG}
    largest = {"function": "max", "field": "amount_minor", "window_s": 60}
    assert fired(rule(aggregate=largest, condition=halves), *amounts(1, 1, 9, 1, 1)) == [1, 2]


def test_a_standard_deviation_has_an_end_on_the_other_side() -> None:
    spread = {"function": "stddev", "field": "amount_minor", "window_s": 60, "include_current": True}
    ends = {"op": "gt", "value": 1, "at_most": 4}
    assert fired(rule(aggregate=spread, condition=ends), *amounts(0, 2, 8, 100)) == [2]


@pytest.mark.parametrize(
    ("condition", "problem"),
    [
        ({"op": "lt", "value": 2, "at_most": 3}, "only gt and ge"),
        ({"op": "ge", "value": 2, "at_most": 1}, "nothing lies between"),
        ({"op": "gt", "value": 2, "at_most": 2}, "nothing lies between"),
        ({"op": "ge", "factor": 2, "against": AVG, "at_most": 1}, "nothing lies between"),
    ],
)
def test_ends_that_make_no_sense_are_refused(condition: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        rule(aggregate=COUNT, condition=condition)


def test_whole_multiples() -> None:
    round_ = rule(filter={"field": "amount_minor", "op": "multiple_of", "value": 100})
    assert fired(round_, *amounts(100, 150, 0, 100.5, 200.0, "100", -300), {}) == [0, 2, 4, 6]


@pytest.mark.parametrize("value", [0, -1, 0.5, "x", None, [1]])
def test_multiples_of_what_is_no_count_are_refused(value: Any) -> None:
    with pytest.raises(ValidationError, match="multiple_of needs"):
        rule(filter={"field": "amount_minor", "op": "multiple_of", "value": value})


VIENNA = {"latitude": 48.2082, "longitude": 16.3738}
AIRPORT = {"latitude": 48.1103, "longitude": 16.5697}
LONDON = {"latitude": 51.5074, "longitude": -0.1278}


def test_what_is_near_has_no_speed() -> None:
    fast = {"op": "gt", "value": 900}
    speed = {"function": "speed_kmh", "window_s": 60}
    places = (VIENNA, AIRPORT, AIRPORT, LONDON)
    assert fired(rule(aggregate=speed, condition=fast), *places) == [1, 3]
    assert fired(rule(aggregate=speed | {"at_least_km": 50}, condition=fast), *places) == [3]
    with pytest.raises(ValidationError, match="only speed_kmh"):
        rule(aggregate=COUNT | {"at_least_km": 5}, condition=fast)


def test_sentences_name_both_ends() -> None:
    assert said(rule(aggregate=COUNT, condition={"op": "ge", "value": 1, "at_most": 2})) == (
        "Wallet alice: number of transactions within 1 minute 2 is at or above 1, and at most 2."
    )
    against = {"op": "ge", "factor": 0.5, "at_most": 1.5, "left": "amount_minor"}
    assert said(rule(aggregate=AVG, condition=against)) == (
        "Wallet alice: amount 100 is at or above 50, which is 0.5 times the average of amount within 1 minute, 100, "
        "and at most 150."
    )


def test_a_rule_that_computes_nothing_says_its_description() -> None:
    assert said(rule(description="The payee is on the list.")) == "Wallet alice: the payee is on the list."
    counted = rule(description="Too many.", aggregate=COUNT, condition={"op": "ge", "value": 2})
    assert said(counted) == ("Wallet alice: too many (number of transactions within 1 minute 2 is at or above 2).")
    assert said(rule()) == "Wallet alice: a transaction is as the rule describes."


def said(one: Rule, amounts: tuple[int, ...] = (100, 100)) -> str:
    """The sentence on the last of some facts."""
    engine, alerts = Engine([compile_rule(one)]), Alerts()
    for at, amount in enumerate(amounts):
        fact: dict[str, Any] = {"wallet_id": "alice", "amount_minor": amount}
        changed = alerts.apply(engine.insert_fact((at * 1_000, 0, at), fact))
    return sentence(one, changed[-1].alert)


def test_sentences_say_small_numbers() -> None:
    """A limit of 0.0004 is not said to be 0, nor one of a ten millionth in the notation of programmers."""
    share = {"function": "share", "field": "amount_minor", "window_s": 60, "include_current": True}
    assert "is at or above 0.0004." in said(rule(aggregate=share, condition={"op": "ge", "value": 0.0004}))
    little = {"left": "amount_minor", "op": "gt", "factor": 0.0000001}
    assert "is above 0.00001, which is 0.0000001 times" in said(rule(aggregate=AVG, condition=little))


def test_sentences_tell_apart_what_is_compared() -> None:
    """What is nearly the limit was said to be above what it is."""
    amounts = (100, 101, 100, 7)
    above = rule(aggregate=AVG, condition={"op": "gt", "value": 100.3333})
    assert "minute 100.33333 is above 100.3333." in said(above, amounts)
    below = rule(aggregate=AVG, condition={"op": "lt", "value": 100.33334})
    assert "minute 100.33333 is below 100.33334." in said(below, amounts)
    assert "minute 100.333 is below 100.34." in said(
        rule(aggregate=AVG, condition={"op": "lt", "value": 100.34}), amounts
    )
    same = rule(aggregate=AVG, condition={"op": "ge", "factor": 1, "against": AVG})
    assert "minute 100.333 is at or above 100.333, which" in said(same, amounts)
