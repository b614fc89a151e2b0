"""The shipped rules as files: what they say of themselves is so, and what is made of them is checked."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from click.testing import CliRunner, Result

from agents.fraud.compile import cost_of
from agents.fraud.published import Bounds, RuleBook
from ops.cli import main
from ops.errors import OperationError
from ops.fraud.library.shipped import COMMON, FOLDER, Shipped, Source, fields_of, library, shipped, wire
from schemas.facts import FACT_FIELDS
from schemas.fraud_rules import Rule
from streams.settings import Settings

SOURCES = {"a": Source(by="A. Author", title="On Fraud", year=2001)}
RULES = sorted(library())


def command(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["fraud", "library", *arguments])


def test_there_are_rules_for_all_that_is_promised() -> None:
    assert len(RULES) >= 25
    assert set(RULES) >= {
        *("velocity-out", "velocity-in", "structuring", "fan-in", "fan-out", "pass-through", "mule-ratio"),
        *("quick-follow-up", "above-own-mean", "dormant-reactivation", "new-account-value", "new-payee"),
        *("impossible-travel", "failed-attempts", "card-testing", "device-sharing", "ip-sharing", "chargeback-ratio"),
        *("refund-abuse", "promotion-abuse", "points-farming", "round-amounts", "account-emptying"),
        *("sanctioned-name", "tier-cap", "takeover-score"),
    }


def test_all_of_them_can_be_published_together_where_nothing_is_set() -> None:
    book = RuleBook(Bounds(retention_s=Settings.model_fields["fraud_retention_s"].default))
    assert book.publish_all(each.rule for each in library().values()) == {}
    assert book.cost <= book.bounds.cost_of_all


@pytest.mark.parametrize("name", RULES)
def test_a_rule_looks_at_what_live_facts_have(name: str) -> None:
    one = shipped(name)
    assert set(fields_of(one.rule)) <= FACT_FIELDS.keys()
    assert one.rule.state == "shadow"
    assert one.rule.description
    assert one.rule.description.endswith(".")
    assert one.rule.source
    assert cost_of(one.rule) <= 60


def another(value: Any) -> Any:
    """A value of the same kind that is a little different."""
    if isinstance(value, list | str):
        return [*value, "OTHER"] if isinstance(value, list) else f"{value}2"
    return round(value * 1.02, 6) if isinstance(value, float) else value + 1


@pytest.mark.parametrize("name", RULES)
def test_every_parameter_can_be_set_and_changes_the_rule(name: str) -> None:
    one = shipped(name)
    for parameter in one.parameters:
        changed = one.with_values({parameter: "USD" if parameter == "in_asset" else another(one.default(parameter))})
        assert wire(changed) != wire(one.rule), parameter
        assert changed.rule_id == name


@pytest.mark.parametrize("name", RULES)
def test_a_parameter_has_a_name_of_its_own(name: str) -> None:
    one = shipped(name)
    assert not set(one.parameters) & set(COMMON)
    assert one.with_settings(["score=7", "cooldown_s=11"]).score == 7


@pytest.mark.parametrize("name", RULES)
def test_combinations_are_of_rules_that_are_there_with_the_same_key(name: str) -> None:
    rule = shipped(name).rule
    members = rule.combination.rules if rule.combination else ()
    assert all(shipped(member).rule.key == rule.key for member in members)
    assert rule.combination is None or sum(shipped(m).rule.score for m in members) >= rule.combination.threshold


def test_every_source_is_cited() -> None:
    cited = {
        citation["id"]
        for path in (FOLDER / "rules").glob("*.json")
        for citation in json.loads(path.read_text())["sources"]
    }
    assert cited == json.loads((FOLDER / "sources.json").read_text()).keys()


def test_what_is_set_is_read_as_what_stands_there() -> None:
    rule = shipped("points-cashed-quickly").with_settings(
        ['assets=["STARS"]', "floor=5", "version=7", "state=active", "rule_id=stars-cashed", "action=review"]
    )
    assert (rule.rule_id, rule.version, rule.state, rule.action) == ("stars-cashed", 7, "active", "review")
    assert wire(rule)["filter"]["value"] == ["STARS"]
    assert wire(rule)["sequence"]["steps"][0]["all"][2]["value"] == 5
    assert shipped("sanctioned-name").with_settings(["list=2026"]) != shipped("sanctioned-name").rule
    both = wire(shipped("structuring-sum").with_settings(["threshold_minor=900000"]))
    assert both["condition"]["value"] == both["filter"]["all"][4]["value"] == 900_000


@pytest.mark.parametrize(
    ("name", "setting", "problem"),
    [
        ("velocity-out", "payments", "sets nothing"),
        ("velocity-out", "payment=3", "has no parameter 'payment'; it has payments, window_s, rule_id"),
        ("velocity-out", "payments=many", "'many' is no JSON"),
        ("velocity-out", "window_s=0", "aggregate.window_s: Input should be greater than or equal to 1"),
        ("velocity-out", "window_s=1.5", "aggregate.window_s"),
        ("velocity-out", "state=on", "state: Input should be 'draft'"),
        ("velocity-out", "version=x", "no JSON"),
        ("mule-ratio", "most=0.5", "nothing lies between"),
        (
            "structuring",
            "threshold_minor=500000",
            "filter: no fact passes it: what it asks of amount_minor contradicts itself",
        ),
        ("round-amounts", "multiple_minor=0", "multiple_of needs"),
        ("anomaly", "from_score=0.7", "anomaly_score is a whole number from 0 to 1,000; ask for 700"),
    ],
)
def test_what_is_set_wrongly_is_refused_with_the_reason(name: str, setting: str, problem: str) -> None:
    with pytest.raises(OperationError) as found:
        shipped(name).with_settings([setting])
    assert problem in str(found.value)


def file(**changed: Any) -> bytes:
    """A file of the library."""
    rule = {"rule_id": "r", "version": 1, "state": "shadow", "severity": "low", "score": 1, "key": ["wallet_id"]}
    rule |= {"condition": {"left": "amount_minor", "op": "gt", "value": 5}}
    given = {
        "group": "g",
        "about": "What it is against, when it is wrong and how it is set.",
        "sources": [{"id": "a", "part": "Chapter 1"}],
        "parameters": {"limit": {"at": ["/condition/value"], "unit": "minor units", "description": "above which"}},
        "rule": rule,
    }
    return json.dumps(given | changed).encode()


def test_a_file_is_a_rule_with_its_sources() -> None:
    one = Shipped(file(), SOURCES)
    assert one.rule.source == "A. Author 2001"
    assert one.citations == [(SOURCES["a"], "Chapter 1")]
    assert one.default("limit") == 5


def parameter(*at: str) -> dict[str, Any]:
    return {"limit": {"at": at, "unit": "u", "description": "d"}}


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"sources": [{"id": "b"}]}, "there is no b in sources.json"),
        ({"parameters": parameter("/condition/factor")}, "nothing at /condition/factor"),
        ({"parameters": parameter("/condition/value/0")}, "nothing at"),
        ({"parameters": parameter("/key/7")}, "nothing at /key/7"),
        ({"parameters": parameter("/condition/value", "/score")}, "its places hold different values"),
        ({"rule": {"rule_id": "r"}}, "nothing at"),
        ({"about": "short"}, "about"),
        ({"parameters": {"score": parameter("/score")["limit"]}}, "every rule has score"),
        ({"more": 1}, "more: Extra inputs"),
    ],
)
def test_a_file_that_is_wrong_is_refused(changed: Mapping[str, Any], problem: str) -> None:
    with pytest.raises(OperationError) as found:
        Shipped(file(**changed), SOURCES)
    assert problem in str(found.value)


def test_ls_names_all_rules() -> None:
    shown = command("ls")
    assert shown.exit_code == 0
    assert all(f"  {name} " in shown.output for name in RULES)
    listed = json.loads(command("ls", "--json").output)
    assert sorted(each["rule_id"] for each in listed) == RULES
    assert all(each["parameters"] and each["sources"] and each["fields"] for each in listed)


def test_show_explains() -> None:
    shown = command("show", "impossible-travel", "--set", "kmh=1000")
    assert shown.exit_code == 0
    for part in ("latitude", "longitude", "least_km", "Delegated Regulation (EU) 2018/389", '"value": 1000'):
        assert part in shown.output


def test_show_as_json_is_what_is_published() -> None:
    one = json.loads(command("show", "velocity-out", "--set", "payments=5", "--json").output)
    assert Rule.model_validate_json(json.dumps(one)) == shipped("velocity-out").with_values({"payments": 5})
    some = json.loads(command("show", "fan-in", "fan-out", "--json").output)
    assert [each["rule_id"] for each in some] == ["fan-in", "fan-out"]
    every = json.loads(command("show", "--all", "--json").output)
    assert sorted(each["rule_id"] for each in every) == RULES


@pytest.mark.parametrize(
    ("arguments", "exit_code", "problem"),
    [
        (("show",), 2, "name rules, or give --all"),
        (("show", "--all", "fan-in"), 2, "name rules, or give --all"),
        (("show", "fan-in", "fan-out", "--set", "payers=3"), 2, "--set is about one rule"),
        (("show", "fan-inn"), 1, "did you mean fan-in or fan-out?"),
        (("show", "xyz"), 1, "`walletstream fraud library ls` lists them"),
        (("show", "fan-in", "--set", "payers=-"), 1, "no JSON"),
    ],
)
def test_mistakes_are_told(arguments: tuple[str, ...], exit_code: int, problem: str) -> None:
    shown = command(*arguments)
    assert shown.exit_code == exit_code
    assert problem in shown.output
