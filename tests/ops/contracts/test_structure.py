from __future__ import annotations

from typing import Any

import pytest

from ops.contracts.structure import why_not_within
from tests.ops.contracts.cases import APART, INTEGER, NULLABLE, STRING, WITHIN, obj


@pytest.mark.parametrize(("narrow", "wide"), [pytest.param(n, w, id=name) for name, n, w in WITHIN])
def test_within_one_way_only(narrow: Any, wide: Any) -> None:
    assert why_not_within(narrow, wide) == []
    assert why_not_within(wide, narrow) != []
    assert why_not_within(wide, wide) == []


@pytest.mark.parametrize(("one", "other"), [pytest.param(a, b, id=name) for name, a, b in APART])
def test_apart(one: Any, other: Any) -> None:
    assert why_not_within(one, other) != []
    assert why_not_within(other, one) != []


def test_a_reason_names_the_place() -> None:
    old = obj("a", a=obj("x", x=INTEGER), b=STRING)
    new = obj("a c", a=obj("x", x=STRING), b=STRING, c=STRING)
    assert why_not_within(old, new) == [
        "$.c: is required, but may be absent",
        "$.a.x: integer is refused, only string is taken",
    ]
    assert why_not_within(new, old)[-1] == "$.c: is not allowed any more"


@pytest.mark.parametrize(
    ("narrow", "wide"),
    [
        ({"type": "string", "pattern": "^a$"}, {"type": "string", "pattern": "^b$"}),
        (STRING, {"type": "string", "format": "date-time"}),
        (STRING, {"type": "string", "contentEncoding": "base64"}),
        ({"type": "array", "items": INTEGER}, {"type": "array", "items": INTEGER, "uniqueItems": True}),
        ({"type": "array", "prefixItems": [STRING], "items": False}, {"type": "array", "prefixItems": [INTEGER]}),
        ({"type": "object"}, {"type": "object", "propertyNames": {"maxLength": 3}}),
        ({"type": "object"}, {"type": "object", "maxProperties": 3}),
        (NULLABLE, STRING),
    ],
)
def test_what_cannot_be_proved_is_refused(narrow: Any, wide: Any) -> None:
    assert why_not_within(narrow, wide) != []


def test_variants_are_compared_with_those_of_the_same_title() -> None:
    """An open variant that takes nearly anything must not hide that its neighbour broke."""
    catch_all = {"title": "Any", **obj("t", closed=False, t=STRING)}
    seal = {"title": "Seal", **obj("t n", closed=False, t=STRING, n=INTEGER)}
    broken = {"title": "Seal", **obj("t n", closed=False, t=STRING, n=STRING)}
    assert why_not_within({"anyOf": [broken, catch_all]}, {"anyOf": [seal, catch_all]}) == [
        "$.n: string is refused, only integer is taken"
    ]
    assert why_not_within(broken, {"anyOf": [seal, catch_all]}) != []
