"""What is malformed, hostile, huge or very many is refused at once, and harms nothing."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from agents.fraud.compile import compile_rules
from agents.fraud.engine import Engine
from agents.fraud.published import RuleBook
from agents.fraud.rule_records import MAX_BYTES, RuleRefused, read_rule
from schemas.fraud_rules import MAX_WINDOW_S
from tests.fraud.publishing import PLAIN, check, refused, unread
from tests.fraud.written import rule


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
    "an integer of 16 digits with a point": with_filter('{"field": "hour", "op": "gt", "value": 9007199254740993.0}'),
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


def test_a_rule_whose_record_would_be_too_large_is_refused_before_it_is_one() -> None:
    """Whoever publishes a file has no record yet; and a short one may be long as tools write it when they pause it."""
    values = [f"{number:0200}" for number in range(400)]
    said = refused(RuleBook(), filter=check("device", "in", values))
    assert f"bytes, at most {MAX_BYTES:,} are taken; put long lists of values into a list" in said
    part = '{"field": "late_ms", "op": "in", "value": [' + "1e18," * 999 + "1e18]}"
    short = with_filter('{"any": [' + ",".join([part] * 10) + "]}")
    assert len(short) < MAX_BYTES
    with pytest.raises(RuleRefused, match="bytes, at most"):
        RuleBook().publish(read_rule(short))


@pytest.mark.slow
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


@pytest.mark.slow
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
