"""Reads the rules of a file, and checks that they fit each other and what a table can say."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from agents.fraud.published import Bounds, RuleBook
from agents.fraud.rule_records import refusals_of
from agents.fraud.uses import uses
from ops.errors import OperationError
from ops.fraud.documents import Documents, read_as, read_documents, told_of
from schemas.facts import ANOMALY_SCORE, FieldKind
from schemas.fraud_rules import Rule

#: Most rules in one file: beyond it a backtest would take days.
MAX_RULES: Final = 1_000
#: Derived fields that every fact has.
_ALWAYS: Final[Mapping[str, FieldKind]] = {"direction": "text", "hour": "number", "weekday": "number"}
#: What the learned score is learned of.
_LEARNED_OF: Final = frozenset({"wallet_id", "amount_minor"})
_PARTIES: Final = ("wallet_id", "to_wallet_id")


def read_rules(path: Path) -> list[Rule]:
    """The rules of a file: one rule, a list of them, `{"rules": [..]}`, or one in each line.

    Raises:
        OperationError: it cannot be read, or one of them is no rule; all mistakes are told.
    """
    return rules_of(read_documents(path, "rules"))


def rules_of(documents: Documents) -> list[Rule]:
    """The rules of a file that was read.

    Raises:
        OperationError: one of them is no rule, or they do not fit each other.
    """
    path = documents.path
    if not documents.found:
        raise OperationError(f"{path} has no rules")
    if len(documents.found) > MAX_RULES:
        raise OperationError(f"{path} has {len(documents.found):,} rules, at most {MAX_RULES:,} are taken: split it")
    rules = read_as(documents, Rule, "rule", "rule_id", refusals_of)
    wrong: list[str] = []
    by_id: dict[str, Rule] = {}
    for rule in rules:
        if rule.rule_id in by_id:
            wrong.append(
                f"rule {rule.rule_id} is there twice: one version of it can be tried at a time; --against compares two"
            )
        by_id[rule.rule_id] = rule
    wrong += [mistake for rule in rules for mistake in _combined_wrongly(rule, by_id)]
    if wrong:
        raise OperationError(told_of(path, wrong))
    return rules


def _combined_wrongly(rule: Rule, by_id: Mapping[str, Rule]) -> Iterator[str]:
    """What does not fit the rules that a combination adds up."""
    for rule_id in rule.combination.rules if rule.combination is not None else ():
        other = by_id.get(rule_id)
        if other is None:
            yield f"rule {rule.rule_id}: it combines {rule_id}, which is not in the file: add it"
        elif other.key != rule.key:
            yield (
                f"rule {rule.rule_id}: it combines {rule_id}, whose key is {', '.join(other.key)} and not "
                f"{', '.join(rule.key)}: only rules of one key are combined"
            )
        elif rule.rule_id in _reached(rule_id, by_id):
            yield f"rule {rule.rule_id}: it combines {rule_id}, which combines it in turn: break the circle"


def _reached(rule_id: str, by_id: Mapping[str, Rule]) -> set[str]:
    """All rules that a combination rests on, itself among them."""
    found: set[str] = set()
    waiting = [rule_id]
    while waiting:
        each = waiting.pop()
        if each not in found:
            found.add(each)
            rule = by_id.get(each)
            waiting += rule.combination.rules if rule is not None and rule.combination is not None else ()
    return found


def numeric_fields(rules: Iterable[Rule]) -> frozenset[str]:
    """Fields that rules look at as numbers, and never as text."""
    kinds: dict[str, set[FieldKind]] = {}
    for rule in rules:
        for use in uses(rule):
            if use.kind is not None:
                kinds.setdefault(use.field, set()).add(use.kind)
    return frozenset(field for field, found in kinds.items() if found == {"number"})


def fields_of(rules: Iterable[Rule]) -> frozenset[str]:
    """All fields that rules look at."""
    return frozenset(use.field for rule in rules for use in uses(rule))


def unmapped(rules: Sequence[Rule], kinds: Mapping[str, FieldKind]) -> dict[str, list[str]]:
    """Rules that look at fields which facts never have -> those fields; with those that combine such rules."""
    known = kinds.keys() | _ALWAYS.keys()
    if kinds.keys() >= _LEARNED_OF:
        known |= {ANOMALY_SCORE}
    found: dict[str, list[str]] = {}
    for rule in rules:
        missing = sorted({use.field for use in uses(rule) if use.field not in known})
        if "party_id" in missing and any(field in kinds for field in _PARTIES):
            missing.remove("party_id")
        if missing:
            found[rule.rule_id] = missing
    by_id = {rule.rule_id: rule for rule in rules}
    for rule in rules:
        if rule.rule_id not in found and rule.combination is not None:
            resting_on = sorted(_reached(rule.rule_id, by_id) & found.keys())
            if resting_on:
                found[rule.rule_id] = sorted({field for each in resting_on for field in found[each]})
    return found


def misread(rules: Iterable[Rule], kinds: Mapping[str, FieldKind]) -> list[str]:
    """What rules take for text that is a number, or the other way round: it would never fire, or always."""
    kinds = {**_ALWAYS, "party_id": "text", ANOMALY_SCORE: "number", **kinds}
    return [
        f"rule {rule.rule_id}, {use.where}: {use.field} holds {'text' if use.kind == 'number' else 'a number'} and is "
        f'taken for {"a number" if use.kind == "number" else "text"}; change the value, or say "kind" in the mapping'
        for rule in rules
        for use in uses(rule)
        if use.kind is not None and kinds.get(use.field, use.kind) != use.kind
    ]


def refused_when_published(rules: Sequence[Rule], kinds: Mapping[str, FieldKind]) -> list[str]:
    """Rules that a backtest shows but the stream would not take: that can never fire, or cost too much."""
    book = RuleBook(Bounds(rules=MAX_RULES), {**_ALWAYS, "party_id": "text", ANOMALY_SCORE: "number", **kinds})
    return [f"rule {rule_id}: {refused}" for rule_id, refused in book.publish_all(rules).items()]
