"""Rules that are kept beside each other: their keys, versions, lists, combinations, and how many there may be."""

from __future__ import annotations

import json
from typing import Any

import pytest

from agents.fraud.published import Bounds, RuleBook
from agents.fraud.rule_records import RuleRefused
from tests.fraud.publishing import COUNT, PLAIN, check, refused, unread
from tests.fraud.written import aggregate_rule, rule


def test_the_records_key_is_the_rules_id() -> None:
    assert "rule_id: the record's key is 'other'; use 'r' as the key" in unread(json.dumps(PLAIN), "other")


def test_versions_stay_as_they_are() -> None:
    book = RuleBook()
    book.publish(rule("r", version=3, score=40))
    with pytest.raises(RuleRefused, match=r"version: 2 is older than 3, which is there; publish it as version 4"):
        book.publish(rule("r", version=2))
    with pytest.raises(
        RuleRefused, match=r"version: 3 is there already and has another score: versions stay; publish it"
    ):
        book.publish(rule("r", version=3, score=50))
    assert book.rules["r"].score == 40
    before = book.publish(rule("r", version=3, score=40, state="paused"))
    assert before is not None, "the state alone may change"
    assert not book.in_effect()
    assert book.cost == 0
    book.publish(rule("r", version=3, score=40, state="paused"))
    book.publish(rule("r", version=4, score=50))
    assert book.remove("r") == rule("r", version=4, score=50)
    assert book.remove("r") is None


def test_lists_that_are_not_there_are_named_where_that_is_asked() -> None:
    asks = {"all": [check("device", "in_list", "known"), check("user", "resembles", "sanctions")]}
    assert "filter: there is no list sanctions; put it on the topic `lists` first" in refused(
        RuleBook(has_list=lambda name: name == "known"), filter=asks
    )
    assert RuleBook().publish(rule("r", filter=asks)) is None


def test_a_backtest_has_the_fields_of_its_table() -> None:
    book = RuleBook(fields={"customer": "text", "cents": "number"})
    assert book.publish(rule("r", key=["customer"], filter=check("cents", "gt", 1))) is None
    with pytest.raises(RuleRefused, match="there are cents, customer"):
        book.publish(rule("s"))


def test_a_combination_is_of_rules_that_are_there_have_its_key_and_can_add_up() -> None:
    book = RuleBook()
    for each in (rule("a", score=30), rule("b", score=40), rule("other", key=["device"])):
        book.publish(each)

    def combination(threshold: int, *members: str) -> dict[str, Any]:
        return {"rules": list(members), "within_s": 60, "threshold": threshold}

    said = refused(book, combination=combination(1, "a", "other"))
    assert "combination.rules: other has the key device; combine rules of one key only" in said
    said = refused(book, combination=combination(71, "a", "b", "b"))
    assert "combination.threshold: 71 is never reached: the scores of its rules add up to 70; ask for less" in said
    book.publish(rule("both", combination=combination(70, "a", "b")))
    with pytest.raises(RuleRefused, match="key: both adds it up and has another key; give it the key wallet_id"):
        book.publish(rule("a", version=2, key=["ip"]))
    with pytest.raises(RuleRefused, match="both is this rule itself, or adds it up; break the circle"):
        book.publish(rule("a", version=2, combination=combination(1, "both")))
    book.remove("b")
    assert "both" in book.rules, "it goes on without it"


def test_rules_are_taken_in_whatever_order_they_come() -> None:
    """A topic that is read anew has the latest record of each rule, combinations before what they add up among them."""
    combination = {"within_s": 60, "threshold": 1}
    rules = [
        rule("top", combination={**combination, "rules": ["middle"]}),
        rule("middle", combination={**combination, "rules": ["a"]}),
        rule("lost", combination={**combination, "rules": ["nobody"]}),
        rule("egg", combination={**combination, "rules": ["hen"]}),
        rule("hen", combination={**combination, "rules": ["egg"]}),
        rule("a"),
        rule("wrong", filter=check("amount", "gt", 1)),
    ]
    book = RuleBook()
    refused_ = book.publish_all(rules)
    assert set(book.rules) == {"a", "middle", "top"}
    assert set(refused_) == {"lost", "egg", "hen", "wrong"}
    assert "there is no rule nobody" in str(refused_["lost"])


def test_as_many_rules_are_kept_as_are_allowed_and_cost_as_much() -> None:
    book = RuleBook(Bounds(rules=3, kinds=2, cost_of_all=30))
    book.publish(aggregate_rule("a", COUNT, {"op": "gt", "value": 1}))
    book.publish(rule("b", key=["device"]))
    said = refused(book, key=["ip"])
    assert "key: rules in effect have 2 different keys, as many as facts are sent on for; use one that is there" in said
    said = refused(book, filter={"all": [check("hour", "gt", 1)] * 30})
    assert "state: with it all rules would cost" in said
    book.publish(rule("c", state="draft", key=["ip"], filter={"all": [check("hour", "gt", 1)] * 30}))
    said = refused(book)
    assert "there are 3 rules, as many as are kept; remove one first" in said
    book.publish(rule("b", version=2, key=["device"])), "one that is there may change"
    book.remove("c")
    book.publish(rule("d"))
