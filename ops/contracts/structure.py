"""Whether every value of one schema is a value of another, decided by walking both: sound, but not complete.

An empty list of reasons is a proof. A reason may be a false alarm where two schemas say the same in ways that this
comparison does not see through; it is never a false calm. Both schemas are normalised (`ops.contracts.normal`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

from jsonschema import Draft202012Validator

Reasons = Iterator[str]

_JSON_TYPES: Final = ("string", "integer", "number", "boolean", "object", "array", "null")
#: Lower bounds: the narrower schema's has to be at least as high, absent counting as the default.
_LEAST: Final = {"minLength": 0, "minItems": 0, "minProperties": 0, "minimum": None, "exclusiveMinimum": None}
_MOST: Final = {"maxLength": None, "maxItems": None, "maxProperties": None, "maximum": None, "exclusiveMaximum": None}
#: Keywords that have to be the same, or absent from the wider schema.
_VERBATIM: Final = (
    *("pattern", "format", "contentEncoding", "multipleOf", "uniqueItems", "not", "patternProperties", "allOf"),
    "contains",
)
_WALKED: Final = frozenset(
    {"type", "enum", "anyOf", "properties", "required", "additionalProperties", "propertyNames", "items"}
    | {"prefixItems", "title", *_LEAST, *_MOST, *_VERBATIM}
)


def why_not_within(narrow: Any, wide: Any, path: str = "$") -> list[str]:
    """Why some value of `narrow` may not be a value of `wide`, each with its JSON path; empty where all are."""
    return list(_walk(narrow, wide, path))


def _walk(narrow: Any, wide: Any, path: str) -> Reasons:
    if narrow is False or wide == {} or narrow == wide:
        return
    if wide is False:
        yield f"{path}: is not allowed any more"
    elif "anyOf" in narrow:
        for variant in narrow["anyOf"]:
            yield from _walk(variant, _partner(variant, wide), path)
    elif "anyOf" in wide:
        yield from _in_union(narrow, wide, path)
    elif "enum" in narrow:
        validator = Draft202012Validator(wide)
        yield from (f"{path}: {value!r} is refused" for value in narrow["enum"] if not validator.is_valid(value))
    elif "enum" in wide:
        yield f"{path}: values other than {wide['enum']} are refused"
    else:
        yield from _keywords(narrow, wide, path)


def _partner(variant: Any, wide: Any) -> Any:
    """The variant of the union `wide` that bears the same title, where there is one, else `wide` itself."""
    title = variant.get("title") if isinstance(variant, dict) else None
    if title is not None and isinstance(wide, dict):
        for candidate in wide.get("anyOf", ()):
            if isinstance(candidate, dict) and candidate.get("title") == title:
                return candidate
    return wide


def _in_union(narrow: Any, wide: Any, path: str) -> Reasons:
    partner = _partner(narrow, wide)
    if partner is not wide:
        yield from _walk(narrow, partner, path)
        return
    attempts = [list(_walk(narrow, candidate, path)) for candidate in wide["anyOf"]]
    if all(attempts):
        yield from min(attempts, key=len)


def _keywords(narrow: dict[str, Any], wide: dict[str, Any], path: str) -> Reasons:
    types, wide_types = _types(narrow), _types(wide)
    refused = [one for one in types if one not in wide_types and not (one == "integer" and "number" in wide_types)]
    if refused:
        yield f"{path}: {' or '.join(refused)} is refused, only {' or '.join(wide_types)} is taken"
        return
    yield from _bounds(narrow, wide, path)
    for keyword in _VERBATIM:
        if keyword in wide and narrow.get(keyword) != wide[keyword]:
            yield f"{path}: {keyword} {wide[keyword]!r} is asked for, which was {narrow.get(keyword)!r}"
    yield from (f"{path}: cannot judge the keyword {unknown}" for unknown in sorted(wide.keys() - _WALKED))
    if "object" in types:
        yield from _objects(narrow, wide, path)
    if "array" in types:
        yield from _arrays(narrow, wide, path)


def _types(schema: dict[str, Any]) -> tuple[str, ...]:
    kind = schema.get("type", _JSON_TYPES)
    return (kind,) if isinstance(kind, str) else tuple(kind)


def _bounds(narrow: dict[str, Any], wide: dict[str, Any], path: str) -> Reasons:
    sides: tuple[tuple[dict[str, Any], Callable[[Any, Any], bool]], ...] = (
        (_LEAST, lambda ours, asked: bool(ours >= asked)),
        (_MOST, lambda ours, asked: bool(ours <= asked)),
    )
    for bounds, holds in sides:
        for keyword, default in bounds.items():
            if keyword not in wide:
                continue
            ours = narrow.get(keyword, default)
            if ours is None or not holds(ours, wide[keyword]):
                yield f"{path}: {keyword} {wide[keyword]} is asked for, which was {ours}"


def _objects(narrow: dict[str, Any], wide: dict[str, Any], path: str) -> Reasons:
    ours, theirs = narrow.get("properties", {}), wide.get("properties", {})
    rest, their_rest = narrow.get("additionalProperties", {}), wide.get("additionalProperties", {})
    for name in wide.get("required", ()):
        if name not in narrow.get("required", ()):
            yield f"{path}.{name}: is required, but may be absent"
    for name in ours:
        yield from _walk(ours[name], theirs.get(name, their_rest), f"{path}.{name}")
    for name in theirs.keys() - ours.keys():
        yield from _walk(rest, theirs[name], f"{path}.{name}")
    yield from _walk(rest, their_rest, f"{path}.*")
    yield from _walk(narrow.get("propertyNames", {}), wide.get("propertyNames", {}), f"{path} (names)")


def _arrays(narrow: dict[str, Any], wide: dict[str, Any], path: str) -> Reasons:
    ours, theirs = narrow.get("prefixItems", []), wide.get("prefixItems", [])
    rest, their_rest = narrow.get("items", {}), wide.get("items", {})
    for index in range(max(len(ours), len(theirs))):
        ours_here = ours[index] if index < len(ours) else rest
        theirs_here = theirs[index] if index < len(theirs) else their_rest
        yield from _walk(ours_here, theirs_here, f"{path}[{index}]")
    yield from _walk(rest, their_rest, f"{path}[]")
