from __future__ import annotations

import pytest

from ops.contracts.normal import RecursiveSchema, as_written, normalise
from ops.contracts.within import within


def test_references_are_inlined_and_annotations_dropped() -> None:
    schema = {
        "$schema": "x",
        "description": "x",
        "$defs": {
            "A": {"title": "A", "type": "object", "properties": {"description": {"const": 1, "type": "integer"}}}
        },
        "type": "array",
        "items": {"$ref": "#/$defs/A", "description": "beside a reference"},
    }
    assert normalise(schema) == {
        "type": "array",
        "items": {"title": "A", "type": "object", "properties": {"description": {"enum": [1]}}},
    }


def test_one_of_becomes_any_of_and_true_becomes_no_constraint() -> None:
    schema = {"oneOf": [{"type": "string", "title": "t"}, True, False], "discriminator": {"propertyName": "x"}}
    assert normalise(schema) == {"anyOf": [{"type": "string"}, {}, False]}


def nested(leaf: str) -> dict[str, object]:
    return {
        "$ref": "#/$defs/A",
        "$defs": {"A": {"anyOf": [{"type": leaf}, {"type": "array", "items": {"$ref": "#/$defs/A"}}]}},
    }


def test_a_schema_that_refers_to_itself_is_compared_level_by_level() -> None:
    assert normalise(nested("string")) == {
        "anyOf": [{"type": "string"}, {"type": "array", "items": {"enum": ["A, a level below"]}}]
    }
    assert within(normalise(nested("integer")), normalise(nested("number"))).holds
    assert not within(normalise(nested("number")), normalise(nested("integer"))).holds


def test_a_schema_that_refers_to_itself_within_a_not_is_refused() -> None:
    with pytest.raises(RecursiveSchema):
        normalise({"$ref": "#/$defs/A", "$defs": {"A": {"not": {"items": {"$ref": "#/$defs/A"}}}}})


@pytest.mark.parametrize(
    "schema", [{"$ref": "#/$defs/B"}, {"$ref": "#/$defs/A", "maxLength": 3, "$defs": {"A": {"type": "string"}}}]
)
def test_a_reference_that_would_lose_something_is_refused(schema: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="reference"):
        normalise(schema)


def test_a_writer_keeps_to_the_fields_it_knows() -> None:
    inner = {"type": "object", "properties": {"a": {"type": "string"}}}
    closed = {**inner, "additionalProperties": False}
    free = {"type": "object", "additionalProperties": {"type": "string"}}
    schema = {"anyOf": [{**inner, "properties": {"deep": {"type": "array", "items": inner}, "free": free}}, closed]}
    assert as_written(schema) == {
        "anyOf": [
            {**closed, "properties": {"deep": {"type": "array", "items": closed}, "free": free}},
            closed,
        ]
    }
