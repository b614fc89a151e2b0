"""Records of rules: read by the contract of rules alone, or refused with the reasons, and written. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from pydantic import ValidationError

from agents.fraud.rule_checks import Refusal
from schemas.fraud_rules import MAX_WINDOW_S, Rule

#: Largest record of a rule.
MAX_BYTES: Final = 65_536
#: Reasons that are given at once.
MAX_REASONS: Final = 10


class RuleRefused(ValueError):
    """A rule is not taken.

    Attributes:
        refusals: all reasons, the first ten where there are more.
    """

    def __init__(self, refusals: Iterable[Refusal]):
        self.refusals = tuple(refusals)
        super().__init__(" | ".join(map(str, self.refusals)))


def read_rule(value: bytes, key: str | None = None, max_bytes: int = MAX_BYTES) -> Rule:
    """A rule as it comes on the topic, by its contract alone; `RuleBook` checks what it looks at.

    Args:
        value: JSON.
        key: the record's key, which must be the rule's id; None where there is no record.
        max_bytes: largest value that is looked at.

    Raises:
        RuleRefused: it is too large, is no JSON, or does not fit the contract.
    """
    if len(value) > max_bytes:
        raise RuleRefused([too_large(len(value), max_bytes)])
    try:
        rule = Rule.model_validate_json(value)
    except ValidationError as error:
        raise RuleRefused(refusals_of(error)) from None
    if key is not None and key != rule.rule_id:
        raise RuleRefused([Refusal("rule_id", f"the record's key is {key[:80]!r}", f"use {rule.rule_id!r} as the key")])
    return rule


def refusals_of(error: ValidationError) -> Iterator[Refusal]:
    """Why something is no rule by its contract: one for each place, the first ten of many."""
    by_place: dict[str, list[Any]] = {}
    for each in error.errors(include_url=False, include_input=False, include_context=True):
        by_place.setdefault(_place(each["loc"]), []).append(each)
    for where, found in list(by_place.items())[:MAX_REASONS]:
        yield _told_of(where, found)
    if len(by_place) > MAX_REASONS:
        yield Refusal("", f"{len(by_place) - MAX_REASONS} more mistakes", "correct these first")


def wire(rule: Rule) -> bytes:
    """A rule as its record has it: what was left out stays out."""
    return rule.model_dump_json(by_alias=True, exclude_unset=True).encode()


def too_large(given: int, most: int) -> Refusal:
    """Why a record of so many bytes is not taken."""
    remedy = "put long lists of values into a list and ask for it by `in_list`"
    return Refusal("", f"{given:,} bytes, at most {most:,} are taken", remedy)


def said_of(message: str) -> str:
    """What pydantic says of a mistake, in the words of JSON."""
    return message.removeprefix("Value error, ").replace("an instance of Decimal", "a JSON number")


def _told_of(where: str, errors: list[Any]) -> Refusal:
    """All errors of one place."""
    kinds = {error["type"] for error in errors}
    last = where.rpartition(".")[2]
    if where == "key" and kinds & {"missing", "too_short"}:
        return Refusal(where, "it has none", 'say whose history it looks at, as in ["wallet_id"]')
    if last in ("window_s", "within_s") and "greater_than_equal" in kinds:
        return Refusal(where, "the window ends before it begins", f"give its length in seconds, 1 to {MAX_WINDOW_S}")
    if "missing" in kinds:
        return Refusal(where, "is missing", "add it")
    if "extra_forbidden" in kinds:
        return Refusal(where, "there is no such field", "leave it out, or correct its name")
    said = ", or: ".join(dict.fromkeys(said_of(error["msg"]) for error in errors))
    return Refusal(where, said[:500], "write it as one JSON object" if "json_invalid" in kinds else "correct it")


def _place(loc: tuple[Any, ...]) -> str:
    """Where in the rule: pydantic names the kinds of filters and values too, which are not written there."""
    found: list[str] = []
    for part in map(str, loc):
        if part not in ("check", "str") and not set(part) & set("[-") and (not found or found[-1] != part):
            found.append(part)
    return ".".join(found)[:200]
