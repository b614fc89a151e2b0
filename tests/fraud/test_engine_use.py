"""How the engine and its alerts are used: what is held, loaded, forgotten, exchanged and left alone."""

from __future__ import annotations

from typing import Any

import pytest

from agents.fraud.alerts import Alerts
from agents.fraud.compile import compile_rule, compile_rules, exchange_assets, in_effect
from agents.fraud.engine import Engine
from agents.fraud.entries import entry_of
from agents.fraud.filters import compile_filter
from agents.fraud.history import Change
from schemas.fraud_rules import Rule
from tests.fraud.written import aggregate_rule, rule

KIND = ("wallet_id",)
COUNT = {"function": "count", "window_s": 60, "include_current": True}
TWICE = aggregate_rule("twice", COUNT, {"op": "ge", "value": 2}, cooldown_s=60)


def fact(**fields: Any) -> dict[str, Any]:
    return {"wallet_id": "w", "amount_minor": 100, "asset": "EUR"} | fields


def run(*times_ms: int, rules: tuple[Rule, ...] = (TWICE,)) -> tuple[Engine, Alerts, list[Change]]:
    engine, alerts, said = Engine(compile_rules(rules)), Alerts(), list[Change]()
    for at, t_ms in enumerate(times_ms):
        changes = engine.insert_fact((t_ms, 0, at), fact())
        alerts.apply(changes)
        said += changes
    return engine, alerts, said


def test_a_history_is_forgotten_and_loaded_again() -> None:
    engine, _, _ = run(0, 1_000)
    assert engine.kinds == [KIND]
    assert engine.retained_ms(KIND) == 60_000
    assert engine.retained_ms(("ip",)) == 0
    held = list(engine.entries(KIND, ("w",)))
    assert [each.order[0] for each in held] == [0, 1_000]
    assert repr(held[0]) == f"Entry((0, 0, 0, 0), {fact()})"
    engine.forget(KIND, ("w",))
    assert not engine.holds(KIND, ("w",))
    assert engine.entries(KIND, ("w",)) == ()
    engine.load(KIND, ("w",), held)
    assert engine.holds(KIND, ("w",))
    (change,) = engine.insert_fact((2_000, 0, 2), fact())
    assert change.fire is not None
    assert change.fire.observed == 3


def test_what_no_rule_looks_at_is_not_held() -> None:
    engine = Engine(compile_rules([TWICE]))
    entry = entry_of((0, 0, 0, 0), fact())
    assert engine.insert(("ip",), ("1.2.3.4",), entry) == []
    engine.load(("ip",), ("1.2.3.4",), [entry])
    assert not engine.holds(("ip",), ("1.2.3.4",))
    assert engine.insert_fact((0, 0, 0), {"amount_minor": 1}) == [], "a fact without the key"
    engine.insert_fact((0, 0, 0), fact())
    engine.replace([])
    assert engine.keys(KIND) == []


def test_of_two_versions_of_a_rule_one_is_looked_at() -> None:
    with pytest.raises(ValueError, match="rule 'twice' is there twice"):
        Engine(compile_rules([TWICE, TWICE.model_copy(update={"version": 2})]))
    assert repr(compile_rule(TWICE)) == "CompiledRule('twice', version 1)"


def test_drafts_and_paused_rules_see_nothing() -> None:
    rules = [rule(state, state=state) for state in ("draft", "shadow", "active", "paused")]
    assert [each.rule_id for each in in_effect(rules)] == ["shadow", "active"]


def test_the_assets_that_rules_exchange_into_are_named() -> None:
    total = {"function": "sum", "field": "amount_minor", "window_s": 60, "in_asset": "EUR"}
    usual = total | {"in_asset": "USD", "window_s": 600}
    rules = [
        aggregate_rule("a", total, {"op": "gt", "factor": 2, "against": usual}),
        rule("b", condition={"left": "amount_minor", "op": "gt", "value": 1}),
    ]
    assert exchange_assets(rules) == {"EUR", "USD"}


def test_alerts_come_back_from_the_fires_that_stand() -> None:
    engine, alerts, _ = run(0, 1_000, 2_000, 90_000, 91_000)
    compiled = engine.rules[0]
    before = alerts.of(compiled.ref, ("w",))
    assert [alert.occurrences for alert in before] == [2, 1]
    alerts.forget(compiled.ref, ("w",))
    assert alerts.of(compiled.ref, ("w",)) == []
    fires = [Change(compiled, key, entry, fire) for _, key, entry, _, fire in engine.standing()]
    alerts.load(compiled, ("w",), fires)
    assert alerts.of(compiled.ref, ("w",)) == before
    alerts.load(compiled, ("nobody",), [])
    assert alerts.of(compiled.ref, ("nobody",)) == []


def check(value: int) -> dict[str, Any]:
    return {"field": "amount_minor", "op": "ne", "value": value}


@pytest.mark.parametrize("parts", range(1, 6))
def test_filters_of_any_length_look_at_all_their_parts(parts: int) -> None:
    every = compile_filter(rule("r", filter={"all": [check(each) for each in range(parts)]}).filter)
    some = compile_filter(rule("r", filter={"any": [{"not": check(each)} for each in range(parts)]}).filter)
    for amount in range(parts + 1):
        assert every(fact(amount_minor=amount)) == (amount == parts)
        assert some(fact(amount_minor=amount)) == (amount < parts)
