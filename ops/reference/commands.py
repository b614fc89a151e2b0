"""`docs/reference/commands.md`: what producers and operators may ask for."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import orjson

from ops.reference.markdown import fenced, listed, page, table
from schemas.commands import CONTRACTS
from schemas.contract import NOT_FINGERPRINTED, Command, OperatorCommand
from schemas.topics import OPERATOR_COMMANDS, topic_named

EXAMPLES: Final = Path(__file__).resolve().parents[2] / "schemas" / "examples"

_INTRODUCTION = """
A command is one JSON object in UTF-8, the value of a Kafka record whose key is its `wallet_id`. Contracts are strict
and closed: no coercion (`"10"` and `10.0` are not integers), no unknown field. What does not fit is answered
`malformed` and kept in `dead-letters`. Amounts are integers of minor units: 1999 is 19.99 EUR, 1999 JPY or 1.999 KWD.

Send with `acks=all` and the idempotent producer, and partition by murmur2 of the key. Java's client and aiokafka do;
for clients of librdkafka set `partitioner=murmur2_random`, or the ledger has to forward each request, which takes
longer. CloudEvents headers (`ce_*`) and `traceparent` are optional; a `ce_type` that is there must be
`wallet.<topic>.v1`.
"""


def commands_page() -> str:
    """The page."""
    fingerprint = (
        "The same `idempotency_key` with the same command is answered with its first answer. "
        f"{listed(NOT_FINGERPRINTED)} say nothing of what is asked for and may differ; every other field may not."
    )
    parts = ["## Fields of every command", fingerprint, _fields(Command, ())]
    for topic, adapter in CONTRACTS.items():
        schema = adapter.json_schema()
        parts.append(f"## On `{topic}`\n\n{topic_named(topic).description}")
        base: type[Command] = Command
        if topic == OPERATOR_COMMANDS:
            base = OperatorCommand
            parts.append(f"### Fields of every operator command\n\n{_fields(OperatorCommand, Command.model_fields)}")
        parts += [_section(topic, operation, schema, base) for operation in schema["discriminator"]["mapping"]]
    return page("Commands", "`schemas/commands.py` and the golden examples", _INTRODUCTION, *parts)


def _section(topic: str, operation: str, schema: dict[str, Any], base: type[Command]) -> str:
    name = schema["discriminator"]["mapping"][operation].rpartition("/")[2]
    definition = schema["$defs"][name]
    own = _rows(definition, schema["$defs"], set(base.model_fields) - _OVERRIDDEN.get(operation, set()))
    fields = table(("field", "type", "default", "meaning"), own) if own else "No fields of its own."
    return "\n\n".join(
        [f"### {operation}", definition["description"], fields, fenced(_example(topic, operation), "json")]
    )


def _example(topic: str, operation: str) -> str:
    """The shortest golden example of the operation."""
    texts = [path.read_text(encoding="utf-8") for path in sorted((EXAMPLES / f"{topic}.v1").glob("*.json"))]
    return min((text for text in texts if orjson.loads(text)["operation"] == operation), key=len)


#: Fields of every command that an operation redefines: they stand in its own table too.
_OVERRIDDEN: Final = {"open_sub_wallet": {"sub_wallet"}}


def _fields(model: type[Command], without: Any) -> str:
    schema = model.model_json_schema()
    rows = _rows(schema, schema.get("$defs", {}), set(without))
    return table(("field", "type", "default", "meaning"), rows)


def _rows(definition: dict[str, Any], definitions: dict[str, Any], without: set[str]) -> list[tuple[str, ...]]:
    required = set(definition.get("required", ()))
    return [
        (
            f"`{name}`",
            "one of those below" if name == "operation" else _type(field, definitions),
            _default(name, field, required),
            _meaning(name, field),
        )
        for name, field in definition["properties"].items()
        if name not in without
    ]


def _default(name: str, field: dict[str, Any], required: set[str]) -> str:
    if name in required:
        return "required"
    return "none" if field.get("default") is None else f"`{field['default']}`"


def _meaning(name: str, field: dict[str, Any]) -> str:
    said = [one["description"] for one in (field, *field.get("anyOf", ())) if "description" in one]
    return said[0] if said else "What is asked for." if name == "operation" else ""


def _type(field: dict[str, Any], definitions: dict[str, Any]) -> str:
    if "anyOf" in field:
        return " or ".join(_type(one, definitions) for one in field["anyOf"] if one.get("type") != "null")
    if "$ref" in field:
        fields = definitions[field["$ref"].rpartition("/")[2]]["properties"]
        return f"object of {listed(fields)}"
    if "const" in field:
        return f"`{field['const']}`"
    if "enum" in field:
        return listed(field["enum"])
    kind = field.get("type", "")
    if kind == "array":
        return f"list of {field.get('minItems', 0)} to {field.get('maxItems', 'any number')} texts"
    if kind == "object":
        return f"object of at most {field.get('maxProperties', 'any number of')} texts"
    if kind == "string":
        return _text(field)
    return {"integer": "integer", "number": "number", "boolean": "true or false"}[kind]


def _text(field: dict[str, Any]) -> str:
    if "pattern" in field:
        pattern = field["pattern"]
        return "time" if "T(" in pattern else f"text `{pattern}`"
    return f"text of {field.get('minLength', 0)} to {field.get('maxLength', 'any number of')} characters"
