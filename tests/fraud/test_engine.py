"""The engine against the naive evaluator: whatever the order of arrival, the same fires and alerts."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agents.fraud.alerts import Alert, Alerts, alert_id
from agents.fraud.compile import compile_rules
from agents.fraud.engine import Engine
from agents.fraud.entries import Entry, Fire
from schemas.fraud_rules import Rule
from tests.fraud import naive
from tests.fraud.drawn import Facts, histories, rule_sets

LATENESS_MS = 5_000


class Run:
    """An engine and what has come of it: the fires and alerts that its changes add up to."""

    def __init__(self, rules: list[Rule], lateness_ms: int | None = None):
        self.compiled = compile_rules(rules)
        self.lateness_ms = lateness_ms
        self.engine = Engine(self.compiled, lateness_ms)
        self.alerts = Alerts()
        self.fires: dict[tuple[str, tuple[Any, ...], naive.Order], Fire] = {}
        self.found: dict[str, Alert] = {}

    def show(self, order: tuple[int, int, int], fact: dict[str, Any]) -> int:
        """Insert a fact; how many changes that made."""
        changes = self.engine.insert_fact(order, fact)
        for change in changes:
            name = change.rule.rule.rule_id, change.key, change.entry.order
            if change.fire is None:
                del self.fires[name]
            else:
                assert self.fires.get(name) != change.fire
                self.fires[name] = change.fire
        for made in self.alerts.apply(changes):
            if made.what == "withdrawn":
                assert self.found.pop(made.alert.alert_id) == made.alert
            else:
                assert (made.what == "updated") == (made.alert.alert_id in self.found)
                self.found[made.alert.alert_id] = made.alert
        return len(changes)

    def trim(self, before_ms: int) -> None:
        """Nothing before `before_ms` comes any more."""
        assert self.lateness_ms is not None
        self.engine.trim(before_ms + self.lateness_ms)
        self.alerts.trim(before_ms)

    def reload(self, seen: Facts) -> None:
        """Begin anew from nothing but the entries and their fires, as a worker does that takes a partition over."""
        old, self.engine = self.engine, Engine(self.compiled, self.lateness_ms)
        for rule in self.compiled:
            for key in {key for _, key, _, ref, _ in old.standing() if ref == rule.ref} | _keys_of(old, rule.kind):
                entries = [Entry(each.order, each.fact, each.fires and dict(each.fires)) for each in old.entries(rule.kind, key)]
                self.engine.load(rule.kind, key, entries)


def _keys_of(engine: Engine, kind: tuple[str, ...]) -> set[tuple[Any, ...]]:
    return set(engine.keys(kind))


def same_fires(rules: list[Rule], run: Run, facts: Facts) -> None:
    """The fires and alerts are those of the naive evaluator."""
    expected = naive.all_fires(rules, facts)
    assert run.fires.keys() == expected.keys()
    squared = {rule.rule_id for rule in rules if "stddev" in rule.model_dump_json()}
    for name, said in expected.items():
        fire = run.fires[name]
        assert fire.contributions == said.contributions
        for found, wanted in ((fire.observed, said.observed), (fire.limit, said.limit), (fire.normal, said.normal)):
            if wanted is None or name[0] not in squared:
                assert found == wanted
            else:
                assert isinstance(found, int | Fraction)
                assert abs(float(found) - (1 if wanted >= 0 else -1) * abs(float(wanted)) ** 0.5) < 0.001
    groups = naive.all_alerts(rules, expected)
    refs = {rule.rule_id: (rule.version, rule.key) for rule in rules}
    ids = {alert_id((rule_id, refs[rule_id][0]), refs[rule_id][1], key, first): orders for (rule_id, key, first), orders in groups.items()}
    assert run.found.keys() == ids.keys()
    for name_of, orders in ids.items():
        alert = run.found[name_of]
        assert (alert.order, alert.last_seen_ms, alert.occurrences) == (orders[0], orders[-1][0], len(orders))
        assert alert.observed == run.fires[alert.rule_id, alert.key, orders[-1]].observed


@settings(max_examples=1_000, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(rules=rule_sets(), facts=histories(), again=st.integers(0, 13), reload_at=st.integers(0, 14))
def test_the_same_alerts_as_the_naive_evaluator_in_any_order(
    rules: list[Rule], facts: Facts, again: int, reload_at: int
) -> None:
    run = Run(rules, LATENESS_MS)
    for at, (order, fact) in enumerate(facts):
        run.trim(min(order[0] for order, _ in facts[at:]))
        if at == reload_at:
            run.reload(facts)
        run.show(order, fact)
    assert run.engine.too_late == 0
    in_order = Run(rules)
    for order, fact in sorted(facts, key=lambda each: each[0]):
        in_order.show(order, fact)
        if again % len(facts) == order[2]:
            assert in_order.show(order, fact) == 0, "a duplicate changed something"
    same_fires(rules, in_order, facts)
    assert run.fires == in_order.fires
    assert run.found == in_order.found
