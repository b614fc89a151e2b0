"""Clear cases of schemas within one another, decided alike by both ways of deciding."""

from __future__ import annotations

from typing import Any


def obj(required: str = "", closed: bool = True, **properties: Any) -> dict[str, Any]:
    """An object schema; `required` lists names separated by blanks."""
    schema: dict[str, Any] = {"type": "object", "properties": properties, "required": required.split()}
    return {**schema, "additionalProperties": False} if closed else schema


STRING: dict[str, Any] = {"type": "string"}
INTEGER: dict[str, Any] = {"type": "integer"}
NUMBER: dict[str, Any] = {"type": "number"}
NULLABLE: dict[str, Any] = {"anyOf": [STRING, {"type": "null"}]}
EUR: dict[str, Any] = {"enum": ["EUR"]}
EUR_USD: dict[str, Any] = {"enum": ["EUR", "USD"]}
BASE = obj("a", a=INTEGER, b=STRING)

#: name, narrow, wide: every value of the first is a value of the second, and not the other way round.
WITHIN: list[tuple[str, Any, Any]] = [
    ("an optional field is added", BASE, obj("a", a=INTEGER, b=STRING, c=STRING)),
    ("a field becomes optional", obj("a b", a=INTEGER, b=STRING), BASE),
    ("an object opens", BASE, obj("a", closed=False, a=INTEGER, b=STRING)),
    ("an open object forgets a field", obj("a", closed=False, a=INTEGER, b=STRING), obj("a", closed=False, a=INTEGER)),
    ("a type widens", obj("a", a=INTEGER), obj("a", a=NUMBER)),
    ("a field becomes nullable", obj("a", a=STRING), obj("a", a=NULLABLE)),
    ("an enum widens", obj("a", a=EUR), obj("a", a=EUR_USD)),
    ("an enum becomes any string", EUR_USD, STRING),
    ("a length grows", {"type": "string", "maxLength": 200}, {"type": "string", "maxLength": 255}),
    ("a least length shrinks", {"type": "string", "minLength": 2}, {"type": "string", "minLength": 1}),
    ("a range grows", {"type": "integer", "minimum": 1, "maximum": 9}, {"type": "integer", "minimum": 0}),
    ("a list grows", {"type": "array", "items": INTEGER, "maxItems": 2}, {"type": "array", "items": INTEGER}),
    ("items widen", {"type": "array", "items": INTEGER}, {"type": "array", "items": NUMBER}),
    ("a variant is added", {"anyOf": [obj("a", a=EUR)]}, {"anyOf": [obj("a", a=EUR), obj("b", b=STRING)]}),
    ("values of a map widen", {"type": "object", "additionalProperties": INTEGER}, {"type": "object"}),
    ("a pattern goes", {"type": "string", "pattern": "^[a-z]{3}$"}, STRING),
    ("nothing is within everything", False, {}),
]

#: name, one, other: neither is within the other.
APART: list[tuple[str, Any, Any]] = [
    ("a type changes", obj("a", a=STRING), obj("a", a=INTEGER)),
    ("a required field is added", obj("a", a=STRING), obj("a b", a=STRING, b=STRING)),
    ("a field is renamed", obj("a", a=STRING), obj("b", b=STRING)),
    ("enums overlap", EUR_USD, {"enum": ["USD", "GBP"]}),
]
