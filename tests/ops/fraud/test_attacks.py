"""Generated attacks: each is found whole by the rule it is made for, however it arrives; honest people are let be."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from agents.fraud.compile import compile_rules
from agents.fraud.engine import Engine
from agents.fraud.facts import add_calendar, direction_of
from agents.fraud.lists import Lists, list_checks
from ops.cli import main
from ops.fraud.attacks.files import MAPPING, lists, rules_for, unseen
from ops.fraud.attacks.generated import ARRIVALS, LATENESS_MS, Arrival, Size, arriving, attacked, background
from ops.fraud.attacks.honest import Row
from ops.fraud.attacks.kinds import KINDS
from ops.fraud.library.shipped import library, shipped
from schemas.facts import FactValue
from schemas.fraud_rules import Rule

pytestmark = pytest.mark.slow

SIZE = Size(people=100, days=36, attacks=3)
SEEDS = (1, 2, 3)
#: Signs that are weak alone: what honest people do looks like them now and then. Share of rows, at most.
WEAK = {
    "above-own-mean": 0.04,
    "above-own-maximum": 0.005,
    "busier-than-usual": 0.003,
    "far-below-usual": 0.03,
    "new-payee": 0.01,
    "unusual-hour": 0.01,
}


@cache
def in_order(kind: str, seed: int) -> list[Row]:
    return attacked(kind, seed, SIZE)


def fact_of(row: Row) -> dict[str, FactValue]:
    """The fact that a row is: as the mapping and a backtest make it."""
    fields = row._asdict()
    fact = {name: fields[name] for name in MAPPING if name != "time" and fields[name] not in ("", None)}
    direction = direction_of(row.operation, bool(row.to_wallet_id))
    if direction is not None:
        fact["direction"] = direction
    add_calendar(fact, row.t_ms)
    return fact


def fired(rules: Sequence[Rule], rows: Sequence[Row]) -> dict[str, set[str]]:
    """Ids of transactions at which each rule fires, as they arrive; one that comes again is known by its place."""
    named = Lists()
    for each in lists():
        named.put(each["name"], each["version"], each["entries"])
    checks = list_checks(rules)
    engine = Engine(compile_rules(rules), LATENESS_MS)
    found: dict[str, set[str]] = {rule.rule_id: set() for rule in rules}
    number = {name: at for at, name in enumerate(sorted({row.transaction_id for row in rows}))}
    latest_ms = 0
    for at, row in enumerate(rows):
        latest_ms = max(latest_ms, row.t_ms)
        if at % 200 == 0:
            engine.trim(latest_ms)
        fact = named.enrich(fact_of(row), checks)
        for change in engine.insert_fact((row.t_ms, 0, number[row.transaction_id]), fact):
            keep = found[change.rule.rule.rule_id]
            (keep.discard if change.fire is None else keep.add)(change.entry.evidence_id())
    assert engine.too_late == 0
    return found


@pytest.mark.parametrize("arrival", ARRIVALS)
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("kind", KINDS)
def test_every_labelled_transaction_is_found(kind: str, seed: int, arrival: Arrival) -> None:
    rows = in_order(kind, seed)
    rules = rules_for(kind)
    found = fired(rules, arriving(rows, arrival, seed))[KINDS[kind].rule_id]
    labelled = {row.transaction_id for row in rows if row.label}
    assert labelled
    assert labelled <= found, "recall is not 1.0"
    # What else fires is part of an attack, or at most one honest transaction in a thousand.
    honest = {row.transaction_id for row in rows if not row.attack}
    assert len(found & honest) <= len(honest) / 1_000


@pytest.mark.parametrize("kind", KINDS)
def test_a_rule_that_is_too_lax_misses_some(kind: str) -> None:
    rule_id = KINDS[kind].rule_id
    name = {"takeover": "threshold", "refund-abuse": "events", "card-testing": "attempts"}.get(kind)
    name = name or next(each for each in shipped(rule_id).parameters if each.endswith(("s", "deposits")))
    rules = [*rules_for(kind)[:-1], shipped(rule_id).with_values({name: shipped(rule_id).default(name) * 3})]
    rows = in_order(kind, 1)
    found = fired(rules, rows)[rule_id]
    assert not {row.transaction_id for row in rows if row.label} <= found


@pytest.mark.parametrize("kind", KINDS)
def test_labels_are_of_attacks_and_each_attack_has_some(kind: str) -> None:
    rows = in_order(kind, 1)
    assert all(row.attack for row in rows if row.label)
    attacks = {row.attack for row in rows if row.attack}
    assert len(attacks) == SIZE.attacks == len({row.attack for row in rows if row.label})
    assert [row for row in rows if not row.attack] != []
    assert [row.t_ms for row in rows] == sorted(row.t_ms for row in rows)
    assert len({row.transaction_id for row in rows}) == len(rows)


def test_the_same_seed_gives_the_same_rows_and_another_others() -> None:
    for kind in KINDS:
        assert attacked(kind, 1, SIZE) == in_order(kind, 1)
        assert in_order(kind, 1) != in_order(kind, 2)


def test_rows_arrive_late_or_twice() -> None:
    rows = in_order("burst", 1)
    late, doubled = arriving(rows, "late", 1), arriving(rows, "doubled", 1)
    assert arriving(rows, "in-order", 1) == rows
    assert late != rows
    assert sorted(late) == sorted(rows)
    latest_ms = 0
    for row in late:
        latest_ms = max(latest_ms, row.t_ms)
        assert latest_ms - row.t_ms <= LATENESS_MS
    times = Counter(doubled)
    assert set(times) == set(rows)
    assert 0.1 < sum(1 for count in times.values() if count == 2) / len(rows) < 0.3


def test_nobody_is_short_of_money() -> None:
    assert all(row.available_minor is None or row.available_minor >= 0 for row in background(1, SIZE))


@pytest.mark.parametrize("seed", SEEDS[:2])
def test_honest_people_are_let_be(seed: int) -> None:
    """All shipped rules at once: strong ones say next to nothing, weak ones little."""
    rows = background(seed, SIZE)
    rules = [each.rule for each in library().values() if not unseen(each.rule)]
    assert len(rules) >= 40
    found = fired(rules, rows)
    too_many = {name: len(at) for name, at in found.items() if len(at) > WEAK.get(name, 0.0005) * len(rows)}
    assert too_many == {}, f"of {len(rows)} rows"


def test_too_few_days_are_refused() -> None:
    with pytest.raises(ValueError, match="30 are too few"):
        attacked("refund-abuse", 1, Size(days=30))


def test_files_are_what_a_backtest_takes(tmp_path: Path) -> None:
    arguments = ["--out", str(tmp_path / "a"), "--people", "100", "--days", "36", "--attacks", "2", "--seed", "9"]
    shown = CliRunner().invoke(main, ["fraud", "attacks", *arguments])
    assert shown.exit_code == 0, shown.output
    for at, kind in enumerate(KINDS):
        assert f"{kind}.late.csv" in shown.output
        name = (kind, f"{kind}.late", f"{kind}.doubled")[at % 3]
        report = tried(tmp_path / "a", f"{kind}.rules.json", f"{name}.csv")
        rule = report["rules"][-1]
        assert (rule["rule_id"], rule["recall"], report["bad_rows"]) == (KINDS[kind].rule_id, 1.0, 0)
    report = tried(tmp_path / "a", "all.rules.json", "honest.csv")
    assert report["labelled"] == 0
    again = CliRunner().invoke(
        main, ["fraud", "attacks", *arguments[:1], str(tmp_path / "b"), *arguments[2:], "--json"]
    )
    written = json.loads(again.output)
    assert len(written) == 1 + len(KINDS) * len(ARRIVALS)
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()
    with (tmp_path / "a" / "burst.csv").open() as file:
        labelled = sum(int(row["label"]) for row in csv.DictReader(file))
    assert labelled == next(each["labelled"] for each in written if each["for"] == "velocity-out")


def tried(folder: Path, rules: str, table: str) -> dict[str, Any]:
    """What a backtest says."""
    arguments = ["--rules", rules, "--transactions", table, "--mapping", "mapping.json", "--lists", "lists.json"]
    named = [str(folder / each) if each.endswith((".json", ".csv")) else each for each in arguments]
    shown = CliRunner().invoke(
        main, ["fraud", "backtest", *named, "--labels", "label", "--unique", "transaction_id", "--json"]
    )
    assert shown.exit_code == 0, shown.output
    found: dict[str, Any] = json.loads(shown.stdout)
    return found


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    shown = CliRunner().invoke(main, ["fraud", "attacks", "--out", str(tmp_path / "file" / "x")])
    assert shown.exit_code == 1
    assert "cannot be written" in shown.output
