"""An engine shown facts, what has come of it, and the same as the naive evaluator has it."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

from agents.fraud.alerts import Alert, Alerts, alert_id
from agents.fraud.compile import compile_rules
from agents.fraud.engine import Engine
from agents.fraud.entries import Exact, Fire, entry_of
from agents.fraud.lists import Lists, list_checks
from schemas.fraud_rules import Rule
from tests.fraud import naive
from tests.fraud.drawn import LISTS, Facts


class Run:
    """An engine, and the fires and alerts that its changes add up to."""

    def __init__(self, rules: list[Rule], lateness_ms: int | None = None):
        self.compiled = compile_rules(rules)
        self.lateness_ms = lateness_ms
        self.engine = Engine(self.compiled, lateness_ms)
        self.alerts = Alerts()
        self.lists = Lists()
        for name, values in LISTS.items():
            self.lists.put(name, 1, values)
        self.checks = list_checks(rules)
        self.fires: dict[tuple[str, tuple[Any, ...], naive.Order], Fire] = {}
        self.found: dict[str, Alert] = {}

    def show(self, order: tuple[int, int, int], fact: dict[str, Any]) -> int:
        """Insert a fact; how many changes that made."""
        changes = self.engine.insert_fact(order, self.lists.enrich(fact, self.checks))
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

    def reload(self) -> None:
        """Begin anew from nothing but the entries and their fires, as a worker does that takes a partition over."""
        old, self.engine = self.engine, Engine(self.compiled, self.lateness_ms)
        for kind in old.kinds:
            for key in old.keys(kind):
                entries = [
                    entry_of(each.order, each.fact, each.fires and dict(each.fires)) for each in old.entries(kind, key)
                ]
                self.engine.load(kind, key, entries)

    def compare(self, rules: list[Rule], facts: Facts) -> None:
        """The fires and alerts are those of the naive evaluator, down to the numbers that they name."""
        facts = list({order: (order, fact) for order, fact in facts}.values())
        expected = naive.all_fires(rules, facts)
        assert self.fires.keys() == expected.keys()
        squared = {rule.rule_id for rule in rules if "stddev" in rule.model_dump_json()}
        for name, said in expected.items():
            fire = self.fires[name]
            assert fire.contributions == said.contributions
            assert fire.evidence[-1] == f"{name[2][1]}:{name[2][2]}"
            assert fire.events == said.events
            for found, wanted in (
                (fire.observed, said.observed),
                (fire.limit, said.limit),
                (fire.normal, said.normal),
            ):
                assert _is_shown(found, wanted, name[0] in squared), (name, found, wanted)
        self._compare_alerts(rules, expected)

    def _compare_alerts(self, rules: list[Rule], expected: naive.Fires) -> None:
        groups = naive.all_alerts(rules, expected)
        by_id = {rule.rule_id: rule for rule in rules}
        ids = {
            alert_id((rule_id, by_id[rule_id].version), by_id[rule_id].key, key, first): orders
            for (rule_id, key, first), orders in groups.items()
        }
        assert self.found.keys() == ids.keys()
        for name, orders in ids.items():
            alert = self.found[name]
            assert (alert.order, alert.last_seen_ms, alert.occurrences) == (orders[0], orders[-1][0], len(orders))
            last = self.fires[alert.rule_id, alert.key, orders[-1]]
            assert (alert.observed, alert.limit, alert.normal) == (last.observed, last.limit, last.normal)


def _is_shown(found: Exact | None, wanted: Fraction | None, squared: bool) -> bool:
    """Exactly; where squares are compared, the root to six digits after the point."""
    if found is None or wanted is None or not squared:
        return bool(found == wanted)
    root = math.copysign(math.sqrt(abs(wanted)), wanted)
    return abs(float(found) - root) <= max(2e-6, abs(root) * 1e-9)
