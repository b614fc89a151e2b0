"""The engine against the naive evaluator: whatever the order of arrival, the same fires and alerts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from agents.fraud import engine, evaluating, history, measures, sequences, windows
from agents.fraud import rule_sets as sets_of_rules
from agents.fraud.entries import Entry, Fire, Key, Kind, entry_of, keyed_by
from schemas.fraud_rules import Rule
from tests.fraud import naive
from tests.fraud.drawn import Facts, histories, rule_sets
from tests.fraud.run import Run
from tests.ledger.profiles import runs

LATENESS_MS = 5_000


def in_any_order(rules: list[Rule], facts: Facts, reload_at: int) -> None:
    """Shown as they arrive, forgetting what can be forgotten and begun anew once; and in order: always the same."""
    run = Run(rules, LATENESS_MS)
    for at, (order, fact) in enumerate(facts):
        run.trim(min(order[0] for order, _ in facts[at:]))
        if at == reload_at:
            run.reload()
        run.show(order, fact)
    assert run.engine.too_late == 0
    in_order = Run(rules)
    for order, fact in sorted(facts, key=lambda each: each[0]):
        in_order.show(order, fact)
    in_order.compare(rules, facts)
    assert run.fires == in_order.fires
    assert run.found == in_order.found
    assert all(in_order.show(order, fact) == 0 for order, fact in facts), "a duplicate changed something"


@pytest.mark.slow
@runs(1_000, 50_000)
@given(rules=rule_sets(), facts=histories(), reload_at=st.integers(0, 16))
def test_the_same_alerts_as_the_naive_evaluator_in_any_order(rules: list[Rule], facts: Facts, reload_at: int) -> None:
    in_any_order(rules, facts, reload_at)


@runs(100, 10_000)
@given(rules=rule_sets(), facts=histories(), at_once=st.integers(2, 9))
def test_many_at_once_say_what_one_by_one_does(rules: list[Rule], facts: Facts, at_once: int) -> None:
    """Key by key, as a backtest shows them, those of one time in whatever order."""
    one_by_one = Run(rules)
    for order, fact in facts:
        one_by_one.show(order, fact)
    many = Run(rules)
    fires: dict[tuple[str, tuple[Any, ...], naive.Order], Fire] = {}
    for start in range(0, len(facts), at_once):
        waiting: dict[tuple[Kind, Key], list[Entry]] = {}
        for order, plain in facts[start : start + at_once]:
            shown = many.lists.enrich(plain, many.checks)
            for kind in many.engine.kinds:
                for key, seen, leg in keyed_by(kind)(shown):
                    waiting.setdefault((kind, key), []).append(entry_of((*order, leg), seen))
        for (kind, key), entries in waiting.items():
            for change in many.engine.insert_all(kind, key, entries):
                name = change.rule.rule.rule_id, change.key, change.entry.order
                if change.fire is None:
                    del fires[name]
                else:
                    fires[name] = change.fire
    assert fires == one_by_one.fires


@runs(200, 10_000)
@given(rules=rule_sets(), facts=histories(), lateness_ms=st.sampled_from((0, 1, 500, 2_000)))
def test_what_comes_later_than_is_allowed_is_counted_and_not_seen(
    rules: list[Rule], facts: Facts, lateness_ms: int
) -> None:
    run = Run(rules, lateness_ms)
    seen: Facts = []
    latest_ms = 0
    too_late: list[tuple[int, int, int]] = []
    for order, fact in facts:
        latest_ms = max(latest_ms, order[0])
        run.trim(latest_ms - lateness_ms)
        before, changes = run.engine.too_late, run.show(order, fact)
        if order[0] < latest_ms - lateness_ms:
            too_late.append(order)
            assert not changes
            kinds = {rule.key: rule for rule in rules}.values()
            assert run.engine.too_late - before == sum(
                len(entries) for rule in kinds for entries in naive.keyed(rule, [(order, fact)]).values()
            )
        else:
            assert run.engine.too_late == before
            seen.append((order, fact))
    run.compare(rules, seen)


@runs(200, 10_000)
@given(rules=rule_sets(), facts=histories(), data=st.data())
def test_a_rule_that_comes_later_sees_what_was_before_it(rules: list[Rule], facts: Facts, data: st.DataObject) -> None:
    """And says nothing of it: its first word is of the first fact after it. The others go on as if nothing was."""
    facts = sorted({order: (order, fact) for order, fact in facts}.values(), key=lambda each: each[0])
    rules = [rule for rule in rules if rule.combination is None]
    new = {rule.rule_id for rule in rules if data.draw(st.booleans())}
    since = data.draw(st.integers(0, len(facts)))
    always, run = Run(rules), Run([rule for rule in rules if rule.rule_id not in new])
    run.checks = always.checks
    for at, (order, fact) in enumerate(facts):
        if at == since:
            run.engine.replace(always.compiled)
        always.show(order, fact)
        run.show(order, fact)
    old_kinds = {rule.key for rule in rules if rule.rule_id not in new}
    # Of a kind of key that no rule looked at before there is no history.
    late_kinds = {rule.rule_id for rule in rules if rule.key not in old_kinds}
    orders = {(*order, leg) for order, _ in facts[since:] for leg in (0, 1)}
    expected = {
        name: fire
        for name, fire in always.fires.items()
        if name[0] not in late_kinds and (name[0] not in new or name[2] in orders)
    }
    assert {name: fire for name, fire in run.fires.items() if name[0] not in late_kinds} == expected


BREAKS: dict[str, tuple[Any, str, Callable[[Any], Any]]] = {
    "windows that are a millisecond too long": (
        windows.Window,
        "__init__",
        lambda real: lambda self, spec, track: real(self, replace(spec, window_ms=spec.window_ms + 1), track),
    ),
    "rules that wait for an entry too many": (
        sets_of_rules,
        "least_of",
        lambda real: lambda rule: real(rule)._replace(entries=real(rule).entries + 1),
    ),
    "sums that wait for an amount too many": (
        sets_of_rules,
        "least_of",
        lambda real: lambda rule: real(rule)._replace(minor=2 * real(rule).minor + 1),
    ),
    "late entries that change no other": (
        evaluating.AggregateEvaluation,
        "again",
        lambda _real: lambda self, came, _entries, settle: [self._look(entry, settle) for entry in came],
    ),
    "a sum that is not given back": (measures.Total, "remove", lambda _real: lambda self, _value: None),
    "histories that are trimmed too early": (
        engine.Engine,
        "trim",
        lambda real: lambda self, now_ms, histories=1_000: real(self, now_ms + 500, histories),
    ),
    "combinations that say nothing": (history.History, "_combine", lambda _real: lambda _self, _combined: None),
    "chains that forget": (
        sequences.SequenceEvaluation,
        "load",
        lambda _real: lambda _self, _entry: None,
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", BREAKS)
def test_a_broken_engine_does_not_pass(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    where, method, broken = BREAKS[name]
    monkeypatch.setattr(where, method, broken(getattr(where, method)))

    @settings(runs(5_000, 5_000), phases=[Phase.generate])
    @given(rules=rule_sets(), facts=histories(), reload_at=st.integers(0, 16))
    def property_(rules: list[Rule], facts: Facts, reload_at: int) -> None:
        in_any_order(rules, facts, reload_at)

    with pytest.raises((AssertionError, KeyError, ExceptionGroup)):
        property_()
