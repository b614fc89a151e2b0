"""The benchmark of fraud rules shows facts to rules that look at them, some of which fire."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import get_args

import pytest
from click.testing import CliRunner

from agents.fraud.published import RuleBook
from ops.bench.fraud_engine import MANY, main, make_facts, measure_engine
from ops.bench.fraud_rules import RULES, every_function
from schemas.facts import FACT_FIELDS
from schemas.fraud_rules import Function


def test_its_rules_are_such_as_are_taken() -> None:
    book = RuleBook()
    assert book.publish_all(RULES) == {}
    assert len(book.in_effect()) == len(RULES) == 25
    assert book.cost < book.bounds.cost_of_all / 4
    assert {rule.aggregate.function for rule in every_function(60) if rule.aggregate} == set(get_args(Function)) - {
        "speed_kmh"
    }


def test_its_facts_have_the_fields_of_live_ones_and_are_the_same_each_time() -> None:
    shown = list(make_facts(2_000))
    assert shown == list(make_facts(2_000))
    assert shown != list(make_facts(2_000, seed=2))
    assert {name for _, fact in shown for name in fact} <= set(FACT_FIELDS)
    assert len({order for order, _ in shown}) == 2_000
    assert any(one[0][0] > other[0][0] for one, other in pairwise(shown)), "some are late"


@pytest.mark.slow
def test_it_measures_and_prints() -> None:
    found = measure_engine(5_000, (10, 50))
    assert found.alerts[25] >= found.alerts[10] > 0
    assert all(per_s > 100 for per_s in found.facts_per_s.values())
    ran = CliRunner().invoke(main, ["--facts", "1000", "--json"])
    assert ran.exit_code == 0, ran.output
    assert set(json.loads(ran.output)["us_by_window"]) == {"10", str(MANY)}
    ran = CliRunner().invoke(main, ["--facts", "1000", "--profile", "--rules", "3"])
    assert "alerts" in ran.output
