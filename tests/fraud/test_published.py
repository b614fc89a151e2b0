"""Rules are checked when they are published: what is wrong is refused, with the reason and what to do."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from agents.fraud.compile import compile_rules
from agents.fraud.engine import Engine
from agents.fraud.published import MAX_BYTES, Bounds, RuleBook, RuleRefused, read_rule
from schemas.fraud_rules import MAX_WINDOW_S
from tests.fraud.written import aggregate_rule, rule

DAY_S = 86_400
COUNT = {"function": "count", "window_s": 60}
PLAIN: dict[str, Any] = {
    "rule_id": "r",
    "version": 1,
    "state": "active",
    "severity": "low",
    "score": 50,
    "key": ["wallet_id"],
}


def refused(book: RuleBook, **parts: Any) -> str:
    """Why a rule is not taken."""
    with pytest.raises(RuleRefused) as caught:
        book.publish(rule("r", **parts))
    assert caught.value.refusals
    assert all(each.reason and each.remedy for each in caught.value.refusals)
    assert "r" not in book.rules
    return str(caught.value)


def unread(value: bytes | str, key: str | None = None) -> str:
    """Why a record is no rule."""
    with pytest.raises(RuleRefused) as caught:
        read_rule(value.encode() if isinstance(value, str) else value, key)
    assert len(caught.value.refusals) <= 11
    assert all(each.reason and each.remedy and len(str(each)) < 1_000 for each in caught.value.refusals)
    return str(caught.value)


def check(field: str, op: str, value: Any) -> dict[str, Any]:
    return {"field": field, "op": op, "value": value}


def test_a_rule_is_taken_as_it_was_written() -> None:
    written = json.dumps(PLAIN | {"aggregate": COUNT, "condition": {"op": "ge", "value": 5}})
    book = RuleBook()
    assert book.publish(read_rule(written.encode(), "r")) is None
    assert book.rules["r"] == aggregate_rule("r", COUNT, {"op": "ge", "value": 5})
    assert book.in_effect() == [book.rules["r"]]
    assert book.cost > 0


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        (
            {"filter": check("amount", "gt", 1)},
            "filter: facts have no field 'amount'; is amount_minor meant?",
        ),
        ({"key": ["qqq"]}, "key: facts have no field 'qqq'; there are amount_minor, anomaly_score, asset,"),
        (
            {
                "aggregate": {"function": "sum", "field": "ammount_minor", "window_s": 1},
                "condition": {"op": "gt", "value": 1},
            },
            "aggregate.field: facts have no field 'ammount_minor'; is amount_minor meant?",
        ),
        (
            {"aggregate": COUNT, "condition": {"op": "gt", "left": "amuont_minor", "factor": 2}},
            "condition.left: facts have no field 'amuont_minor'",
        ),
        (
            {"sequence": {"steps": [{"all": []}, check("devise", "eq", "d")], "within_s": 1}},
            "sequence.steps.1: facts have no field 'devise'; is device meant?",
        ),
        (
            {
                "aggregate": {"function": "sum", "field": "merchant", "window_s": 1},
                "condition": {"op": "gt", "value": 1},
            },
            "aggregate.field: merchant is text and is taken for a number; compare it with what it is",
        ),
        ({"filter": check("amount_minor", "eq", "100")}, "amount_minor is a number and is taken for text"),
        ({"filter": check("merchant", "gt", 5)}, "merchant is text and is taken for a number"),
        (
            {"filter": check("party_id", "eq", "w")},
            "party_id is there in histories of parties only; put it into the key",
        ),
        (
            {"filter": check("party_id", "in_list", "l"), "key": ["party_id"]},
            "facts are compared with lists before they are seen from a party; compare wallet_id and to_wallet_id",
        ),
        (
            {"aggregate": COUNT | {"window_s": 31 * DAY_S}, "condition": {"op": "gt", "value": 1}},
            "aggregate.window_s: 2678400 s reach further back than histories do, 2592000 s; ask for at most 2592000",
        ),
        (
            {
                "aggregate": COUNT,
                "condition": {"op": "gt", "factor": 3, "against": COUNT | {"window_s": 31 * DAY_S}},
            },
            "condition.against.window_s: 2678400 s reach further back",
        ),
        ({"sequence": {"steps": [{"all": []}] * 2, "within_s": 31 * DAY_S}}, "sequence.within_s: 2678400 s"),
        ({"cooldown_s": 31 * DAY_S}, "cooldown_s: 2678400 s"),
        (
            {"aggregate": COUNT, "condition": {"op": "gt", "factor": 3, "against": COUNT | {"window_s": 30}}},
            "30 s of history are no measure for 60 s of the same; give the history a longer window",
        ),
        (
            {"aggregate": COUNT, "condition": {"op": "gt", "factor": 3, "against": COUNT}},
            "60 s of history are no measure for 60 s of the same",
        ),
        (
            {"filter": {"all": [check("amount_minor", "gt", 100), check("amount_minor", "lt", 50)]}},
            "filter: no fact passes it: what it asks of amount_minor contradicts itself; correct it",
        ),
        (
            {
                "filter": check("amount_minor", "gt", 100),
                "condition": {"left": "amount_minor", "op": "lt", "value": 50},
            },
            "filter: no fact passes it: what it asks of amount_minor contradicts itself",
        ),
        (
            {
                "filter": check("direction", "eq", "in"),
                "sequence": {"steps": [{"all": []}, check("direction", "eq", "out")], "within_s": 1},
            },
            "sequence.steps.1: no fact passes it: what it asks of direction contradicts itself",
        ),
        (
            {
                "filter": check("direction", "eq", "in"),
                "aggregate": {"function": "ratio", "numerator": check("direction", "eq", "out"), "window_s": 1},
                "condition": {"op": "gt", "value": 1},
            },
            "aggregate.numerator: no fact passes it",
        ),
        (
            {"aggregate": COUNT | {"min_events": 5}, "condition": {"op": "lt", "value": 3}},
            "condition: count is at least 5, which is never lt 3; correct the value",
        ),
        (
            {"combination": {"rules": ["s"], "within_s": 1, "threshold": 1}},
            "combination.rules: there is no rule s; publish it first",
        ),
        (
            {"combination": {"rules": ["r"], "within_s": 1, "threshold": 1}},
            "combination.rules: r is this rule itself, or adds it up; break the circle",
        ),
        (
            {"filter": {"all": [{"any": [check("ip", "eq", str(n)) for n in range(10)]} for _ in range(10)]}},
            "it costs 102 for each fact, at most 100 are allowed; ask for less: a check costs 1",
        ),
    ],
)
def test_a_rule_is_refused_with_the_reason_and_what_to_do(parts: dict[str, Any], said: str) -> None:
    assert said in refused(RuleBook(Bounds(retention_s=30 * DAY_S, cost_of_rule=100)), **parts)


def test_all_reasons_are_given_at_once_but_not_hundreds() -> None:
    said = refused(RuleBook(), filter=check("amount", "gt", 1), key=["walet_id"], cooldown_s=3)
    assert "amount_minor" in said
    assert "wallet_id" in said
    many = {"all": [check(f"f{number}", "present", None) for number in range(100)]}
    with pytest.raises(RuleRefused) as caught:
        RuleBook().publish(rule("r", filter=many))
    assert len(caught.value.refusals) == 11
    assert caught.value.refusals[-1].reason == "90 more reasons"


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"key": None}, 'key: it has none; say whose history it looks at, as in ["wallet_id"]'),
        ({"key": []}, "key: it has none; say whose history"),
        ({"key": ["wallet_id", "wallet_id"]}, "a field stands there twice"),
        (
            {"aggregate": COUNT | {"window_s": -5}},
            "aggregate.window_s: the window ends before it begins; give its length",
        ),
        ({"aggregate": COUNT | {"window_s": 0}}, "the window ends before it begins"),
        ({"aggregate": COUNT | {"window_s": MAX_WINDOW_S + 1}}, "less than or equal to 34560000"),
        (
            {"sequence": {"steps": [{"all": []}] * 2, "within_s": -1}},
            "sequence.within_s: the window ends before it begins",
        ),
        ({"severity": "catastrophic"}, "severity: "),
        ({"severity": None}, "severity: is missing; add it"),
        ({"windows": 3}, "windows: there is no such field; leave it out, or correct its name"),
        ({"filter": {"field": "ip", "op": "matches", "value": "(a+)+$"}}, "filter.op: Input should be 'gt', 'ge'"),
        ({"filter": {"code": "__import__('os')"}}, 'A filter is {"all": [..]}'),
        ({"aggregate": COUNT}, "condition: an aggregate needs one"),
        ({"filter": {"all": [{"all": [{"field": "ip"}]}]}}, "filter.all.0.all.0.op: is missing"),
    ],
)
def test_what_does_not_fit_the_contract_is_refused(changed: dict[str, Any], said: str) -> None:
    value = {name: part for name, part in (PLAIN | changed).items() if part is not None}
    assert said in unread(json.dumps(value))


def nested(depth: int) -> bytes:
    """A filter of so many levels above its last, all of them `not`."""
    return with_filter('{"not": ' * depth + '{"field": "hour", "op": "gt", "value": 1}' + "}" * depth)


def with_filter(text: str) -> bytes:
    """A rule with a filter that is put in as text."""
    return f'{json.dumps(PLAIN)[:-1]}, "filter": {text}}}'.encode()


def with_parts(**parts: Any) -> bytes:
    return json.dumps(PLAIN | parts).encode()


HOSTILE = {
    "nothing": b"",
    "no text": b"\x00\xff\xfe",
    "null": b"null",
    "a list": b"[]",
    "a string": b'"rule"',
    "half an object": b"{",
    "two objects": b"{}" * 2,
    "60,000 lists": b"[" * 60_000,
    "12,000 objects": b'{"a":' * 12_000,
    "quotes without end": b'{"rule_id": "' + b'\\"' * 30_000,
    "a number of 60,000 digits": b'{"score": ' + b"9" * 60_000 + b"}",
    "a score of 4,000 digits": with_parts(score=10**4_000),
    "a value of 4,000 digits": with_filter('{"field": "hour", "op": "gt", "value": 1' + "0" * 4_000 + "}"),
    "a value of 5,000 digits": with_filter('{"field": "hour", "op": "gt", "value": 1' + "0" * 5_000 + "}"),
    "a value of 71 bits": with_filter('{"field": "hour", "op": "gt", "value": 2361183241434822606848}'),
    "not a number": with_filter('{"field": "hour", "op": "gt", "value": NaN}'),
    "infinity": with_filter('{"field": "hour", "op": "gt", "value": Infinity}'),
    "a number too large for a float": with_filter('{"field": "hour", "op": "gt", "value": 1e400}'),
    "a number of 17 digits": with_filter('{"field": "hour", "op": "gt", "value": 0.12345678901234567}'),
    "101 conditions": with_parts(filter={"all": [check("hour", "gt", 1)] * 101}),
    "110 conditions in ten parts": with_parts(filter={"any": [{"any": [check("hour", "gt", 1)] * 11}] * 10}),
    "2,500 parts without a condition": with_parts(filter={"all": [{"all": [{"all": []}] * 50}] * 50}),
    "1,001 values": with_parts(filter=check("hour", "in", list(range(1_001)))),
    "51 rules": with_parts(combination={"rules": ["a"] * 51, "within_s": 1, "threshold": 1}),
    "2,000 fields": with_parts(**{f"field{number}": None for number in range(2_000)}),
    "an id that is too long": with_parts(rule_id="r" * 65),
    "an id that is a path": with_parts(rule_id="../../etc/passwd"),
    "a text that is too long": with_parts(description="x" * 201),
    "a version that is true": with_parts(version=True),
    "a version with a point": with_parts(version=1.0),
    "a version too large": with_parts(version=2**63),
    "nine levels": nested(8),
    "a hundred levels": nested(100),
    "four thousand levels": nested(4_000),
}


@pytest.mark.parametrize("value", HOSTILE.values(), ids=HOSTILE.keys())
def test_what_is_malformed_or_hostile_is_refused_at_once(value: bytes) -> None:
    began = time.process_time()
    assert unread(value)
    assert time.process_time() - began < 0.5


def test_a_rule_of_the_deepest_filter_is_taken() -> None:
    assert RuleBook().publish(read_rule(nested(7))) is None


def test_a_record_that_is_too_large_is_not_read() -> None:
    values = [f"{number:0200}" for number in range(400)]
    said = unread(json.dumps(PLAIN | {"filter": check("device", "in", values)}))
    assert f"at most {MAX_BYTES:,} are taken; put long lists of values into a list and ask for it by `in_list`" in said


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


@pytest.mark.parametrize("state", ["active", "draft"])
def test_ten_thousand_rules_do_no_harm(state: str) -> None:
    """What is taken is bounded, the rest is refused one by one, and a fact costs no more than is allowed."""
    book = RuleBook()
    began = time.process_time()
    read = [
        read_rule(
            json.dumps(
                PLAIN
                | {
                    "rule_id": f"r{number}",
                    "state": state,
                    "aggregate": {"function": "stddev", "field": "amount_minor", "window_s": MAX_WINDOW_S},
                    "condition": {"op": "gt", "value": number},
                }
            ).encode()
        )
        for number in range(10_000)
    ]
    found = book.publish_all(read)
    assert time.process_time() - began < 10
    assert len(book.rules) + len(found) == 10_000
    assert len(book.rules) == (1_000 if state == "draft" else 227)
    assert book.cost <= book.bounds.cost_of_all
    assert all("remove one first" in str(why) or "pause another first" in str(why) for why in found.values())
    engine = Engine(compile_rules(book.in_effect()))
    began = time.process_time()
    for at in range(50):
        engine.insert_fact((at, 0, at), {"wallet_id": "w", "amount_minor": at, "asset": "EUR"})
    assert time.process_time() - began < 1


def test_ten_thousand_combinations_in_a_row_do_no_harm() -> None:
    rules = [
        rule(f"r{number}", state="draft", combination={"rules": [f"r{number + 1}"], "within_s": 1, "threshold": 1})
        for number in range(10_000)
    ]
    began = time.process_time()
    book = RuleBook()
    refused_ = book.publish_all([*rules, rule("r10000")])
    assert time.process_time() - began < 10
    assert len(book.rules) == 1_000
    assert len(refused_) == 9_001
