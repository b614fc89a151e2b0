"""Scenarios of fraud rules: playing them on the engine.

Sentences: `rule ID name=value ...` takes a rule of the library in, `list NAME: a, b` puts a list there, `says TEXT` is
what an alert of the end must say, `would fire with name=value ...` is what a near miss says of how near it is. A table
has a row for each fact: when (`3d 10:00:05`, or `10:00 x20 1m` for twenty a minute apart), fields, and which rules
fire at it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from random import Random
from typing import Any, Final, NamedTuple

from agents.fraud.alerts import Alert, Alerts
from agents.fraud.compile import CompiledRule, compile_rules
from agents.fraud.engine import Engine
from agents.fraud.facts import DAY_MS, add_calendar, direction_of
from agents.fraud.lists import Lists, list_checks
from agents.fraud.sentences import sentence
from ops.fraud.library.shipped import shipped
from schemas.facts import FACT_FIELDS
from schemas.fraud_rules import Rule
from tests.scenarios.table import Row, Scenario, ScenarioError, Sentence, Table

#: Monday 2026-03-02, 00:00 UTC.
START_MS: Final = 1_772_409_600_000
_UNITS_MS: Final = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": DAY_MS}
_AT: Final = re.compile(r"(?:(\d+)d )?(\d\d):(\d\d)(?::(\d\d))?(?:\.(\d{3}))?(?: x(\d+) (\d+)([a-z]+))?")

Order = tuple[int, int, int]


class Shown(NamedTuple):
    """One fact, and where it stands in the file."""

    where: str
    order: Order
    fact: dict[str, Any]
    fires: frozenset[str]


class Played(NamedTuple):
    """What has come of it: the rules that fire at each fact, and the alerts that stand in the end."""

    fires: dict[Order, frozenset[str]]
    alerts: dict[str, Alert]


class Play:
    """One scenario, read.

    Raises:
        ScenarioError: a step is not understood.
    """

    def __init__(self, scenario: Scenario):
        self.name = scenario.name
        #: Id -> settings, of each rule that is taken in.
        self.rules: dict[str, list[str]] = {}
        self.says: list[str] = []
        self.would_fire: list[str] | None = None
        self.facts: list[Shown] = []
        self._lists: dict[str, list[str]] = {}
        for step in scenario.steps:
            if isinstance(step, Table):
                for row in step.rows:
                    self._add(row)
            else:
                self._sentence(step)

    @property
    def is_near_miss(self) -> bool:
        """Whether it shows what must not fire."""
        return "near miss" in self.name

    def __str__(self) -> str:
        return self.name

    @property
    def fires(self) -> bool:
        """Whether the rule that it is about is to fire."""
        return any(self.about in shown.fires for shown in self.facts)

    @property
    def about(self) -> str:
        """The rule that it is about: the last that is taken in, a combination after its parts."""
        return list(self.rules)[-1]

    def compiled(self, *changed: str) -> list[CompiledRule]:
        """Its rules, that which it is about with some more settings."""
        return compile_rules(
            shipped(name).with_settings([*settings, *(changed if name == self.about else ())])
            for name, settings in self.rules.items()
        )

    def in_order(self, *changed: str) -> Played:
        """Every fact as it happened."""
        rules = self.compiled(*changed)
        arriving = [(shown.order[0], shown) for shown in self._enriched(rules)]
        return _play(rules, None, sorted(arriving, key=lambda each: each[1].order))

    def late(self, seed: int, lateness_ms: int) -> Played:
        """Every fact arrives up to `lateness_ms` after it happened, and some twice."""
        rng, rules = Random(seed), self.compiled()
        facts = self._enriched(rules)
        again = rng.sample(facts, (len(facts) + 2) // 3)
        arriving = [(shown.order[0] + rng.randint(0, lateness_ms), shown) for shown in facts + again]
        return _play(rules, lateness_ms, sorted(arriving, key=lambda each: each[0]))

    def _enriched(self, rules: list[CompiledRule]) -> list[Shown]:
        lists = Lists()
        for version, (name, entries) in enumerate(self._lists.items(), start=1):
            lists.put(name, version, entries)
        checks = list_checks(rule.rule for rule in rules)
        return [shown._replace(fact=dict(lists.enrich(shown.fact, checks))) for shown in self.facts]

    def _sentence(self, step: Sentence) -> None:
        word, _, rest = step.text.partition(" ")
        if word == "rule":
            name, *settings = rest.split()
            self.rules[name] = settings
        elif word == "list":
            name, _, entries = rest.partition(": ")
            self._lists[name] = entries.split(", ")
        elif word == "says":
            self.says.append(rest)
        elif step.text.startswith("would fire with "):
            self.would_fire = step.text.removeprefix("would fire with ").split()
        else:
            raise ScenarioError(step.where, f"{step.text!r} is not understood")

    def _add(self, row: Row) -> None:
        found = _AT.fullmatch(row.cells["at"])
        if found is None:
            raise ScenarioError(row.where, f"{row.cells['at']!r} is no time such as `10:00`, or `3d 10:00 x20 1m`")
        days, hours, minutes, seconds, ms, times, step, unit = found.groups(default="0")
        t_ms = START_MS + int(days) * DAY_MS + ((int(hours) * 60 + int(minutes)) * 60 + int(seconds)) * 1_000 + int(ms)
        fires = frozenset({*row.cells["fires"].split(", ")} - {"."})
        for nth in range(int(times) or 1):
            at_ms = t_ms + nth * int(step) * _UNITS_MS.get(unit, 1)
            order = (at_ms, len(self.facts) % 3, len(self.facts))
            self.facts.append(Shown(row.where, order, _fact(row, at_ms), fires))


def _fact(row: Row, t_ms: int) -> dict[str, Any]:
    """A fact of a row: where nothing else is said an accepted transfer or debit of EUR."""
    fact: dict[str, Any] = {"asset": "EUR", "status": "accepted"}
    for name, cell in row.cells.items():
        if cell != "." and name not in ("at", "|", "fires"):
            fact[name] = cell if FACT_FIELDS.get(name, ("number",))[0] == "text" else _number(cell)
    payee = "to_wallet_id" in fact
    fact.setdefault("operation", "transfer" if payee else "debit")
    direction = direction_of(fact["operation"], payee)
    if direction is not None:
        fact["direction"] = direction
    add_calendar(fact, t_ms)
    return fact


def _number(cell: str) -> int | float:
    return float(cell) if "." in cell else int(cell)


def _play(rules: list[CompiledRule], lateness_ms: int | None, arriving: list[tuple[int, Shown]]) -> Played:
    engine, alerts = Engine(rules, lateness_ms), Alerts()
    fires: dict[Order, set[str]] = {}
    found: dict[str, Alert] = {}
    for now_ms, shown in arriving:
        engine.trim(now_ms)
        if lateness_ms is not None:
            alerts.trim(now_ms - lateness_ms)
        changes = engine.insert_fact(shown.order, shown.fact)
        for change in changes:
            at: set[str] = fires.setdefault(change.entry.order[:3], set())
            keep: Callable[[str], None] = at.discard if change.fire is None else at.add
            keep(change.rule.rule.rule_id)
        for made in alerts.apply(changes):
            if made.what == "withdrawn":
                del found[made.alert.alert_id]
            else:
                found[made.alert.alert_id] = made.alert
    assert engine.too_late == 0
    return Played({order: frozenset(at) for order, at in fires.items() if at}, found)


def sentences(rules: list[CompiledRule], played: Played) -> set[str]:
    """What the alerts say."""
    by_id: dict[str, Rule] = {rule.rule.rule_id: rule.rule for rule in rules}
    return {sentence(by_id[alert.rule_id], alert) for alert in played.alerts.values()}
