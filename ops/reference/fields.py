"""Tables of the fields of commands: type with bounds, default and meaning, from the contracts' JSON Schema."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from ops.reference.markdown import listed, table
from schemas.contract import Command

_HEAD: Final = ("field", "type", "default", "meaning")


def model_fields(model: type[Command], without: Iterable[str] = ()) -> str | None:
    """A row for each field of a model, but for those named in `without`; None where there is none."""
    schema = model.model_json_schema()
    definitions, required, left_out = schema.get("$defs", {}), set(schema.get("required", ())), set(without)
    rows = [
        (f"`{name}`", _type(name, field, definitions), _default(name, field, required), _meaning(name, field))
        for name, field in schema["properties"].items()
        if name not in left_out
    ]
    return table(_HEAD, rows) if rows else None


def _default(name: str, field: dict[str, Any], required: set[str]) -> str:
    if name in required:
        return "required"
    default = field.get("default")
    return "none" if default is None else f"`{str(default).lower() if isinstance(default, bool) else default}`"


def _meaning(name: str, field: dict[str, Any]) -> str:
    said = [one["description"] for one in (field, *field.get("anyOf", ())) if "description" in one]
    return said[0] if said else "What is asked for." if name == "operation" else ""


def _type(name: str, field: dict[str, Any], definitions: dict[str, Any]) -> str:
    if name == "operation" and "const" not in field:
        return "[one of those that there are](operations/README.md)"
    if "anyOf" in field:
        return " or ".join(_type(name, one, definitions) for one in field["anyOf"] if one.get("type") != "null")
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
    return _number(field) if kind in ("integer", "number") else "true or false"


def _number(field: dict[str, Any]) -> str:
    least, most = field.get("minimum"), field.get("maximum")
    return f"{field['type']}" if least is None or most is None else f"{field['type']}, {least:,} to {most:,}"


def _text(field: dict[str, Any]) -> str:
    if "pattern" in field:
        pattern = field["pattern"]
        return "time" if "T(" in pattern else f"text `{pattern}`"
    return f"text of {field.get('minLength', 0)} to {field.get('maxLength', 'any number of')} characters"
