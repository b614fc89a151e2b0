from __future__ import annotations

import time
from typing import Any

import pytest

from ops.contracts import within as module
from ops.contracts.normal import as_written, normalise
from ops.contracts.within import within
from tests.contracts.codecs import SCHEMAS
from tests.ops.contracts.cases import APART, INTEGER, STRING, WITHIN, obj


@pytest.mark.parametrize(("narrow", "wide"), [pytest.param(n, w, id=name) for name, n, w in WITHIN])
def test_within_one_way_only(narrow: Any, wide: Any) -> None:
    there, back = within(narrow, wide), within(wide, narrow)
    assert (there.holds, there.reasons) == (True, ())
    assert not back.holds
    assert back.reasons
    assert there.way == "jsonsubschema"


@pytest.mark.parametrize(("one", "other"), [pytest.param(a, b, id=name) for name, a, b in APART])
def test_apart(one: Any, other: Any) -> None:
    for answer in (within(one, other), within(other, one)):
        assert not answer.holds
        assert answer.way == "jsonsubschema"


def test_it_sees_through_what_the_structure_cannot() -> None:
    """A range cut in two is the same range."""
    halves = {"anyOf": [{"type": "integer", "maximum": 5}, {"type": "integer", "minimum": 6}]}
    assert within(INTEGER, halves).holds
    assert within({"type": "string", "pattern": "^[ab]$"}, {"type": "string", "pattern": "^[a-c]$"}).holds


@pytest.mark.parametrize(
    ("narrow", "wide"),
    [
        ({"type": "object", "propertyNames": {"maxLength": 3}}, {"type": "object", "propertyNames": {"maxLength": 4}}),
        ({"type": "string", "format": "date"}, STRING),
    ],
)
def test_what_jsonsubschema_does_not_know_is_decided_by_structure(narrow: Any, wide: Any) -> None:
    there, back = within(narrow, wide), within(wide, narrow)
    assert (there.holds, there.way) == (True, "structure")
    assert (back.holds, back.way) == (False, "structure")


@pytest.mark.parametrize(
    ("narrow", "wide"),
    [
        pytest.param(
            {"type": "string", "pattern": "^[A-Z]{1,16}$"},
            {"type": "string", "pattern": "^[A-Z]{1,16}$", "maxLength": 1},
            id="a length beside a pattern",
        ),
        pytest.param({"type": "string", "minLength": 1, "maxLength": 1}, {"enum": ["a", "bc"]}, id="lengths, values"),
        pytest.param({"type": "boolean"}, {"enum": ["a", True]}, id="one of the booleans"),
        pytest.param({"type": "integer", "maximum": 0, "multipleOf": 10}, {"type": "boolean"}, id="multiples"),
        pytest.param(
            {"type": "object", "properties": {"c": STRING}, "additionalProperties": {"type": "integer", "minimum": 5}},
            {"type": "object", "properties": {"c": STRING}, "additionalProperties": False},
            id="further properties",
        ),
    ],
)
def test_what_jsonsubschema_wrongly_allows_is_refused(narrow: Any, wide: Any) -> None:
    answer = within(narrow, wide)
    assert not answer.holds
    assert answer.reasons


def test_equal_parts_are_not_put_before_jsonsubschema() -> None:
    """The patterns of wallet ids trip its parser; a contract that has them can be judged all the same."""
    wallet = {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,64}$"}
    metadata = {"type": "object", "propertyNames": {"minLength": 1}, "additionalProperties": STRING}
    old = obj("w", w=wallet, m=metadata)
    new = obj("w", w=wallet, m=metadata, c=STRING)
    there, back = within(old, new), within(new, old)
    assert (there.holds, there.way) == (True, "jsonsubschema")
    assert (back.holds, back.way) == (False, "jsonsubschema")


def test_a_time_limit_falls_back_to_the_structure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_answer", lambda *arguments: time.sleep(60))
    before = time.monotonic()
    answer = within(obj("a", a=INTEGER), obj("a", a=INTEGER, b=STRING), time_limit_s=0.05)
    assert time.monotonic() - before < 10
    assert (answer.holds, answer.way) == (True, "structure")


def test_a_crash_falls_back_to_the_structure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_answer", lambda *arguments: None)
    assert within(STRING, INTEGER).way == "structure"


@pytest.mark.slow
@pytest.mark.parametrize("topic", SCHEMAS)
def test_every_contract_of_ours_is_within_itself(topic: str) -> None:
    plain = normalise(SCHEMAS[topic])
    assert within(as_written(plain), plain).holds
