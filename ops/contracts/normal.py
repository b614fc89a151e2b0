"""Schemas in a plain form in which two can be compared: no references, no annotations, one way to say a thing."""

from __future__ import annotations

from typing import Any, Final

JsonSchema = dict[str, Any]

#: Keywords that describe or help tools, but refuse nothing.
_ANNOTATIONS: Final = frozenset(
    {"$schema", "$id", "$defs", "$comment", "description", "default", "examples", "discriminator", "deprecated"}
)
_NAMED_SCHEMAS: Final = frozenset({"properties", "patternProperties"})
_SCHEMA: Final = frozenset({"additionalProperties", "propertyNames", "items", "contains", "not"})
_SCHEMA_LISTS: Final = frozenset({"anyOf", "allOf", "prefixItems"})


class RecursiveSchema(ValueError):
    """A schema refers to itself within a `not`; contracts here do not."""


def normalise(schema: JsonSchema) -> JsonSchema:
    """The same schema with references inlined, annotations dropped, `const` as `enum` and `oneOf` as `anyOf`.

    Titles stay on the variants of a union, where they say which variant is which. `oneOf` may become `anyOf`
    because the variants of our unions differ in a constant.

    Where a definition refers to itself, as filters that nest do, a constant with its name stands instead. Comparing
    two schemas so is induction over the depth of a value: if each level is within the other's, given that the levels
    below are, all of it is.

    Raises:
        RecursiveSchema: the schema refers to itself within a `not`, where that would prove nothing.
        ValueError: a reference leads nowhere.
    """
    plain = _plain(schema, schema.get("$defs", {}), ())
    assert isinstance(plain, dict)
    return plain


def _plain(schema: Any, definitions: JsonSchema, above: tuple[str, ...], negated: bool = False) -> Any:
    if isinstance(schema, bool):
        return {} if schema else False
    if "$ref" in schema:
        name = schema["$ref"].removeprefix("#/$defs/")
        if name in above:
            if negated:
                raise RecursiveSchema(f"{name} refers to itself within a `not`")
            return {"enum": [f"{name}, a level below"]}
        if name not in definitions:
            raise ValueError(f"reference {schema['$ref']!r} leads nowhere")
        if schema.keys() - _ANNOTATIONS - {"$ref", "title"}:
            raise ValueError(f"reference {schema['$ref']!r} has constraints beside it, which would be lost")
        return _plain(definitions[name], definitions, (*above, name), negated)
    plain: JsonSchema = {}
    for keyword, value in schema.items():
        if keyword in _ANNOTATIONS:
            continue
        if keyword == "const":
            plain["enum"] = [value]
        elif keyword == "oneOf":
            plain["anyOf"] = [_plain(one, definitions, above, negated) for one in value]
        elif keyword in _NAMED_SCHEMAS:
            plain[keyword] = {name: _plain(one, definitions, above, negated) for name, one in value.items()}
        elif keyword in _SCHEMA:
            plain[keyword] = _plain(value, definitions, above, negated or keyword == "not")
        elif keyword in _SCHEMA_LISTS:
            plain[keyword] = [_plain(one, definitions, above, negated) for one in value]
        else:
            plain[keyword] = value
    if "properties" not in plain:
        plain.pop("title", None)
    if "enum" in plain:
        plain.pop("type", None)
    if plain.get("additionalProperties") == {}:
        del plain["additionalProperties"]
    return plain


def as_written(schema: Any) -> Any:
    """A normalised schema as its writer keeps to it: objects hold the properties it names and no others.

    A reader that ignores unknown fields has an open schema; whoever writes by that schema writes none of them.
    """
    if isinstance(schema, list):
        return [as_written(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    written: JsonSchema = {}
    for keyword, value in schema.items():
        if keyword in _NAMED_SCHEMAS:
            written[keyword] = {name: as_written(one) for name, one in value.items()}
        elif keyword in _SCHEMA or keyword in _SCHEMA_LISTS:
            written[keyword] = value if keyword == "not" else as_written(value)
        else:
            written[keyword] = value
    if "properties" in written and "additionalProperties" not in written:
        written["additionalProperties"] = False
    return written
