"""What is late and not looked at itself still counts for what comes after it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from agents.fraud.compile import compile_rule
from agents.fraud.engine import Engine
from schemas.fraud_rules import Rule

IN = {"direction": "in", "amount_minor": 10}
OUT = {"direction": "out", "amount_minor": 10}


@pytest.mark.parametrize("early", [[], [(100, IN)], [(1_000, OUT)], [(9_000, IN)], [(1_000, OUT), (9_500, IN)]])
@pytest.mark.parametrize("function", ["sum", "count"])
def test_a_late_fact_counts_for_those_that_come_after_all(function: str, early: list[tuple[int, Any]]) -> None:
    given = {"rule_id": "r", "version": 1, "state": "active", "severity": "low", "score": 1, "key": ["wallet_id"]}
    direction = {"field": "direction", "op": "eq"}
    aggregate = {"function": function, "window_s": 10, "filter": direction | {"value": "in"}}
    aggregate |= {"field": "amount_minor"} if function == "sum" else {}
    rule = given | {
        "filter": direction | {"value": "out"},
        "aggregate": aggregate,
        "condition": {"op": "ge", "value": 0},
    }
    compiled = compile_rule(Rule.model_validate_json(json.dumps(rule)))
    # The first is late: it comes after a fact that it is older than.
    arriving = [*early, (10_500, IN), (10_000, IN), (11_000, OUT)]
    late, in_order = _last(compiled, arriving), _last(compiled, sorted(arriving, key=lambda each: each[0]))
    assert late == in_order


def _last(compiled: Any, arriving: list[tuple[int, Any]]) -> Any:
    """What is observed at the last fact."""
    engine = Engine([compiled])
    for t_ms, fact in arriving:
        changes = engine.insert_fact((t_ms, 0, t_ms), fact | {"wallet_id": "alice"})
    assert changes[-1].fire is not None
    return changes[-1].fire.observed
