"""Tables of the fields of msgspec structs: what we write ourselves."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec.structs

from ops.reference.markdown import table

_NAMES: Final = {
    "str": "text",
    "int": "integer",
    "bool": "true or false",
    "bytes": "text (Base64)",
    "Headers": "list of pairs of texts",
}
_NOT_THERE: Final = {"None", "msgspec.UnsetType"}


def field_table(struct: type[msgspec.Struct], meaning: Mapping[str, str]) -> str:
    """One row for each field.

    Raises:
        KeyError: a field has no meaning given.
    """
    rows = [
        (f"`{field.encode_name}`", type_name(struct.__annotations__[field.name]), _present(struct, field), meaning[key])
        for field in msgspec.structs.fields(struct)
        for key in (field.encode_name,)
    ]
    return table(("field", "type", "there", "meaning"), rows)


def undescribed(struct: type[msgspec.Struct], meaning: Mapping[str, str]) -> set[str]:
    """Fields without a meaning, and meanings without a field."""
    return {field.encode_name for field in msgspec.structs.fields(struct)} ^ meaning.keys()


def type_name(annotation: str) -> str:
    """A field's type for people: `tuple[Entry, ...]` is a list of `Entry`, which is a section of the page."""
    parts = [part.strip() for part in annotation.split("|")]
    return " or ".join(_one(part) for part in parts if part not in _NOT_THERE)


def _one(part: str) -> str:
    if part in _NAMES:
        return _NAMES[part]
    if part == "msgspec.Raw":
        return "object"
    if found := re.fullmatch(r"tuple\[(\w+), \.\.\.\]", part):
        return f"list of {_one(found[1])}"
    if found := re.fullmatch(r"dict\[str, (\w+)\]", part):
        return f"object of {_one(found[1])}"
    return f"[{part}](#{part.lower()})"


def _present(struct: type[msgspec.Struct], field: Any) -> str:
    """Whether a field stands in every record: structs that omit defaults leave out what says nothing."""
    required = field.default is msgspec.NODEFAULT and field.default_factory is msgspec.NODEFAULT
    return "always" if required or not struct.__struct_config__.omit_defaults else "if it says something"
