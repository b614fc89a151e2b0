"""What rules say now does not depend on when a worker has read them."""

from __future__ import annotations

import json

import pytest

from agents.fraud.followed import Followed
from agents.fraud.published import RuleBook
from agents.fraud.rule_records import RuleRefused
from schemas.fraud_rules import Rule
from schemas.topics import FRAUD_RULES
from tests.fraud.role import Json, RoleWorld, payment, rule


def amounts(rule_id: str, above: int) -> Json:
    """Fires at each amount above a number."""
    return rule(rule_id, ["wallet_id"], filter={"field": "amount_minor", "op": "gt", "value": above}, action="alert")


def added_up(rule_id: str, *members: str) -> Json:
    return rule(rule_id, ["wallet_id"], combination={"rules": list(members), "within_s": 60, "threshold": 50})


def ids(*records: Json) -> list[str]:
    """The rules that are in effect once a worker has read these records."""
    followed = Followed(1 << 30)
    for record in records:
        followed.take(FRAUD_RULES, record["rule_id"], json.dumps(record).encode() if len(record) > 1 else None)
    followed.prepare()
    return [each.rule.rule_id for each in followed.rules]


def test_a_combination_goes_on_without_a_rule_that_is_gone_for_whoever_starts_later_too() -> None:
    """The topic is compacted: a worker that starts finds no trace of what was removed."""
    gone: Json = {"rule_id": "a"}
    a, b, both, top = amounts("a", 1), amounts("b", 99), added_up("both", "a", "b"), added_up("top", "both")
    assert ids(a, b, both, top, gone) == ids(b, both, top, gone) == ids(top, both, b) == ["b", "both", "top"]
    assert ids(both, a, b) == ["a", "b", "both"]
    world = RoleWorld([both, b], partitions=1)
    payment(world, 1, "w1", 0, amount_minor=50)
    payment(world, 2, "w1", 0, amount_minor=100)
    world.run()
    assert {alert.rule_id for alert in world.alerts().values()} == {"b", "both"}


def test_a_combination_may_come_before_all_that_it_adds_up() -> None:
    world = RoleWorld([], partitions=1)
    world.publish(added_up("both", "a", "b"))
    payment(world, 1, "w1", 0)
    world.run()
    assert not world.alerts()
    world.publish(amounts("b", 1) | {"state": "paused"})
    world.publish(amounts("a", 1) | {"score": 60})
    payment(world, 2, "w1", 0)
    world.run()
    found = {alert.rule_id: alert for alert in world.alerts().values()}
    assert set(found) == {"a", "both"}
    assert found["both"].contributions[0].rule_id == "a"


def test_a_combination_is_paused_whatever_has_gone_of_what_it_adds_up() -> None:
    gone: Json = {"rule_id": "a"}
    a, b, both = amounts("a", 1), amounts("b", 99), added_up("both", "a", "b")
    paused = both | {"state": "paused"}
    assert ids(a, b, both, gone, paused) == ["b"]
    book = RuleBook()
    for each in (a, b, both):
        book.publish(Rule.model_validate_json(json.dumps(each)))
    book.remove("a")
    book.publish(Rule.model_validate_json(json.dumps(paused)))
    with pytest.raises(RuleRefused, match="there is no rule a"):
        book.publish(Rule.model_validate_json(json.dumps(both)))
