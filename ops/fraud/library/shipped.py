"""The shipped rules: read from their files, and made into rules of one's own by setting parameters.

A file in `rules/` holds a whole rule as it stands on the wire, and names the places in it that are parameters by JSON
Pointer (RFC 6901): what stands there is the default. What is cited stands in `sources.json`.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import Field, TypeAdapter, ValidationError

from agents.fraud.compile import AMOUNTS
from agents.fraud.published import LIVE_FIELDS
from agents.fraud.rule_checks import of_contradictions, of_fields, of_scores, of_windows
from agents.fraud.uses import uses
from ops.errors import OperationError
from schemas.contract import Contract, Text
from schemas.fraud_rules import MAX_WINDOW_S, Rule

FOLDER: Final = Path(__file__).parent
#: Fields of any rule that can be set beside its own parameters.
COMMON: Final = (
    *("rule_id", "version", "state", "severity", "score", "cooldown_s"),
    *("action", "actions_per_hour", "alerts_per_hour", "shadow_max_bps"),
)


class Source(Contract):
    """A paper, a standard or a handbook."""

    by: Text
    title: Text
    year: Annotated[int, Field(ge=1900, le=2100)]


class Citation(Contract):
    """What of a source a rule goes by."""

    id: str
    part: Text | None = None


class Parameter(Contract):
    """Places in a rule that are set together."""

    at: Annotated[tuple[Annotated[str, Field(pattern=r"^(/[a-z0-9_]+)+$")], ...], Field(min_length=1)]
    unit: Text
    description: Text


class _File(Contract):
    """A file of the library."""

    group: Text
    about: Annotated[str, Field(min_length=40)]
    sources: Annotated[tuple[Citation, ...], Field(min_length=1)]
    parameters: Annotated[dict[str, Parameter], Field(min_length=1)]
    rule: dict[str, Any]


class Shipped:
    """One rule of the library.

    Attributes:
        rule: with all defaults.
        group, about: what it belongs to, and what it is against: when it is wrong, and how it is set.
        parameters: name -> where it stands.
        citations: each source with the part that is meant; None for all of it.

    Raises:
        OperationError: the file is not as this module describes.
    """

    def __init__(self, text: bytes, sources: Mapping[str, Source]):
        try:
            held = _File.model_validate_json(text)
        except ValidationError as error:
            raise OperationError(_first(error)) from None
        self.group, self.about, self.parameters = held.group, held.about, held.parameters
        unknown = [each.id for each in held.sources if each.id not in sources]
        if unknown:
            raise OperationError(f"sources: there is no {', '.join(unknown)} in sources.json")
        taken = sorted(self.parameters.keys() & set(COMMON))
        if taken:
            raise OperationError(f"parameters: every rule has {', '.join(taken)}: give it another name")
        self.citations = [(sources[each.id], each.part) for each in held.sources]
        self._wire = held.rule | {"source": "; ".join(f"{source.by} {source.year}" for source, _ in self.citations)}
        for name in self.parameters:
            self.default(name)
        self.rule = self.with_values({})

    def default(self, name: str) -> Any:
        """What a parameter is if nobody sets it.

        Raises:
            OperationError: its places do not exist, or do not hold the same.
        """
        found = [_place(self._wire, pointer) for pointer in self.parameters[name].at]
        values = [parent[step] for parent, step in found]
        if any(value != values[0] for value in values):
            raise OperationError(f"parameters.{name}: its places hold different values")
        return values[0]

    def with_values(self, values: Mapping[str, Any]) -> Rule:
        """The rule with some of its parameters, or of the fields that all rules have, set.

        Raises:
            OperationError: there is no such parameter, or the rule that comes of it is refused, as it would be
                when it is published; says why.
        """
        wire = copy.deepcopy(self._wire)
        for name, value in values.items():
            if name in self.parameters:
                for pointer in self.parameters[name].at:
                    parent, step = _place(wire, pointer)
                    parent[step] = value
            elif name in COMMON:
                wire[name] = value
            else:
                known = ", ".join([*self.parameters, *COMMON])
                raise OperationError(f"{self._wire['rule_id']} has no parameter {name!r}; it has {known}")
        try:
            rule = Rule.model_validate_json(json.dumps(wire))
        except ValidationError as error:
            raise OperationError(f"{self._wire['rule_id']}: {_first(error)}") from None
        refusals = [
            *of_fields(rule, LIVE_FIELDS),
            *of_windows(rule, MAX_WINDOW_S),
            *of_scores(rule),
            *of_contradictions(rule),
        ]
        if refusals:
            raise OperationError(f"{self._wire['rule_id']}: {' | '.join(map(str, refusals))}")
        return rule

    def with_settings(self, settings: Iterable[str]) -> Rule:
        """The rule with settings such as `limit_minor=100000`: a text where the default is one, else JSON.

        Raises:
            OperationError: a setting is no `name=value` or no JSON, or see `with_values`.
        """
        values: dict[str, Any] = {}
        for setting in settings:
            name, equals, text = setting.partition("=")
            if not equals:
                raise OperationError(f"{setting!r} sets nothing: write name=value, as in version=2")
            is_text = isinstance(self.default(name) if name in self.parameters else self._wire.get(name, ""), str)
            try:
                values[name] = text if is_text and name not in _COUNTS else json.loads(text)
            except ValueError:
                raise OperationError(f'{name}: {text!r} is no JSON; a number is 5 or 0.5, a list ["A", "B"]') from None
        return self.with_values(values)


#: Fields of any rule that hold numbers, though a file may leave them out.
_COUNTS: Final = frozenset({"version", "score", "cooldown_s", "actions_per_hour", "alerts_per_hour", "shadow_max_bps"})


@cache
def library() -> Mapping[str, Shipped]:
    """All shipped rules by id, group by group.

    Raises:
        OperationError: a file is not as it must be; names it.
    """
    sources = TypeAdapter(dict[str, Source]).validate_json((FOLDER / "sources.json").read_bytes())
    found: list[Shipped] = []
    for path in sorted((FOLDER / "rules").glob("*.json")):
        try:
            one = Shipped(path.read_bytes(), sources)
        except OperationError as error:
            raise OperationError(f"{path.name}: {error}") from None
        if one.rule.rule_id != path.stem:
            raise OperationError(f"{path.name}: the rule in it is called {one.rule.rule_id}")
        found.append(one)
    return {one.rule.rule_id: one for one in sorted(found, key=lambda one: (one.group, one.rule.rule_id))}


def shipped(rule_id: str) -> Shipped:
    """One rule of the library.

    Raises:
        OperationError: there is none of this id; names those that are like it.
    """
    found = library().get(rule_id)
    if found is None:
        alike = [name for name in library() if set(rule_id.split("-")) & set(name.split("-"))]
        raise OperationError(
            f"the library has no rule {rule_id!r}; "
            + (f"did you mean {' or '.join(alike)}?" if alike else "`walletstream fraud library ls` lists them")
        )
    return found


def wire(rule: Rule) -> dict[str, Any]:
    """A rule as it is published: what is left out stays out."""
    found: dict[str, Any] = rule.model_dump(mode="json", by_alias=True, exclude_unset=True)
    return found


def fields_of(rule: Rule) -> list[str]:
    """The fields that a rule looks at; of what is counted by asset that too."""
    names = {use.field for use in uses(rule)}
    aggregates = [rule.aggregate, rule.condition.against if rule.condition else None]
    by_asset = any(each is not None and each.field in AMOUNTS for each in aggregates)
    return sorted(names | ({"asset"} if by_asset else set()))


def _place(wire: Any, pointer: str) -> tuple[Any, Any]:
    """The object or array that a pointer ends in, and the name or index there.

    Raises:
        OperationError: there is nothing.
    """
    parent, step, found = None, None, wire
    try:
        for part in pointer[1:].split("/"):
            parent, step = found, int(part) if isinstance(found, list) else part
            found = parent[step]
    except (KeyError, IndexError, ValueError, TypeError):
        raise OperationError(f"parameters: the rule has nothing at {pointer}") from None
    return parent, step


def _first(error: ValidationError) -> str:
    """The first thing that is wrong, and where."""
    first = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(map(str, first["loc"]))
    problem = first["msg"].removeprefix("Value error, ")
    return f"{where}: {problem}" if where else problem
