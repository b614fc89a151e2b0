"""Whether every value of one schema is a value of another: by `jsonsubschema` where it can tell, else by structure.

Source of the first way: Habib, Shinnar, Hirzel, Pradel, "Finding Data Compatibility Bugs with JSON Subschema
Checks" (2021). It knows draft 4 only, trips over some regular expressions and may take very long: it runs in a
process of its own with a time limit, on schemas prepared for it. Some of what it allows it should not, such as a
shorter string beside a pattern: what the structure rules out stays ruled out where neither a union nor a regular
expression could have misled it.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any, Final, Literal

from jsonsubschema import isSubschema

from ops.contracts.structure import why_not_within

TIME_LIMIT_S: Final = 20.0
#: What `jsonsubschema` knows; any other keyword is not put before it.
_KNOWN: Final = frozenset(
    {"type", "enum", "anyOf", "allOf", "not", "properties", "required", "additionalProperties", "minProperties"}
    | {"maxProperties", "items", "additionalItems", "minItems", "maxItems", "uniqueItems", "minLength", "maxLength"}
    | {"pattern", "minimum", "maximum", "patternProperties"}
)
_LENGTHS: Final = frozenset({"minLength", "maxLength"})
_SAME: Final = {"enum": ["the same on both sides"]}


class Undecided(Exception):
    """`jsonsubschema` cannot tell; the message says why."""


@dataclass(frozen=True)
class Within:
    """Whether the values of one schema are all values of another, which way it was decided, and what is in the way."""

    holds: bool
    way: Literal["jsonsubschema", "structure"]
    reasons: tuple[str, ...] = ()


def within(narrow: Any, wide: Any, time_limit_s: float = TIME_LIMIT_S) -> Within:
    """Decide for two normalised schemas. The reasons come from the structure and may name more than is at fault."""
    reasons = tuple(why_not_within(narrow, wide))
    try:
        pairs = list(_pairs(narrow, wide))
        holds = all(_ask(one, other, time_limit_s) for one, other in pairs)
        if holds and reasons and any(why_not_within(*pair) and _is_plain(_prepare(*pair)) for pair in pairs):
            raise Undecided("it takes what the structure rules out")
    except Undecided:
        return Within(not reasons, "structure", reasons)
    return Within(holds, "jsonsubschema", () if holds else reasons or ("$: jsonsubschema finds a value refused",))


def _is_plain(schema: Any) -> bool:
    """Whether it says nothing that the structure may not see through: no union, no regular expression."""
    if isinstance(schema, dict):
        return schema.keys().isdisjoint(("anyOf", "pattern")) and all(_is_plain(one) for one in schema.values())
    return all(_is_plain(one) for one in schema) if isinstance(schema, list | tuple) else True


def _pairs(narrow: Any, wide: Any) -> Iterator[tuple[Any, Any]]:
    """The variants of two unions side by side, by title; asking variant by variant takes far less time."""
    candidates = {one["title"]: one for one in _variants(wide) if "title" in one}
    for variant in _variants(narrow):
        yield variant, candidates.get(variant.get("title"), wide)


def _variants(schema: Any) -> list[Any]:
    if not isinstance(schema, dict):
        return [{"not": {}}]
    return [one for one in schema.get("anyOf", [schema]) if isinstance(one, dict)]


def _ask(narrow: Any, wide: Any, time_limit_s: float) -> bool:
    if narrow == wide:
        return True
    ours, theirs = _prepare(narrow, wide)
    if ours == theirs:
        return True
    context = multiprocessing.get_context("fork")
    receiving, sending = context.Pipe(duplex=False)
    process = context.Process(target=_answer, args=(sending, ours, theirs), daemon=True)
    process.start()
    sending.close()
    try:
        if not receiving.poll(time_limit_s):
            raise Undecided(f"no answer within {time_limit_s:g} s")
        answer = receiving.recv()
    except EOFError:
        raise Undecided("its process ended without an answer") from None
    finally:
        process.kill()
        process.join()
        receiving.close()
    if not isinstance(answer, bool):
        raise Undecided(str(answer))
    return answer


def _answer(sending: Connection, narrow: Any, wide: Any) -> None:
    try:
        answer: object = isSubschema(narrow, wide)
    except Exception as error:
        answer = f"{type(error).__name__}: {error}"
    sending.send(answer)


def _prepare(narrow: Any, wide: Any) -> tuple[Any, Any]:
    """Both schemas in draft 4, with what is equal on both sides at the same place made one plain constant.

    That changes nothing of the answer, but spares regular expressions and keywords that it does not know.
    """
    ours, theirs = _without_the_equal(narrow, wide)
    return _draft_4(ours), _draft_4(theirs)


def _without_the_equal(narrow: Any, wide: Any) -> tuple[Any, Any]:
    if not isinstance(narrow, dict) or not isinstance(wide, dict):
        return narrow, wide
    if narrow == wide and narrow:
        return _SAME, _SAME
    ours, theirs = dict(narrow), dict(wide)
    for keyword in ("items", "additionalProperties"):
        if keyword in ours and keyword in theirs:
            ours[keyword], theirs[keyword] = _without_the_equal(ours[keyword], theirs[keyword])
    if "properties" in ours and "properties" in theirs:
        our_properties, their_properties = dict(ours["properties"]), dict(theirs["properties"])
        for name in our_properties.keys() & their_properties.keys():
            pair = _without_the_equal(our_properties[name], their_properties[name])
            our_properties[name], their_properties[name] = pair
        ours["properties"], theirs["properties"] = our_properties, their_properties
    return ours, theirs


def _draft_4(schema: Any) -> Any:
    if not isinstance(schema, dict):
        return schema
    if "pattern" in schema and not _LENGTHS.isdisjoint(schema):
        raise Undecided("it forgets the length of a string that has a pattern")
    if any(isinstance(value, bool) for value in schema.get("enum", ())):
        raise Undecided("it takes true for every boolean")
    old: dict[str, Any] = {}
    for keyword, value in schema.items():
        if keyword == "title" or (keyword == "items" and "prefixItems" in schema):
            continue
        if keyword == "prefixItems":
            old["items"] = [_draft_4(one) for one in value]
            old["additionalItems"] = _draft_4(schema.get("items", {}))
        elif keyword not in _KNOWN:
            raise Undecided(f"it does not know {keyword}")
        elif keyword in ("properties", "patternProperties"):
            old[keyword] = {name: _draft_4(one) for name, one in value.items()}
        elif keyword in ("anyOf", "allOf"):
            old[keyword] = [_draft_4(one) for one in value]
        else:
            old[keyword] = _draft_4(value)
    return old
