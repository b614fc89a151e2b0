"""The topic of fraud rules: what is in effect, and how a rule gets there. The same checks as a worker's."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from agents.fraud.published import Bounds, RuleBook
from agents.fraud.rule_records import RuleRefused, read_rule, wire
from ops.alone import alone, until_visible
from ops.consuming import Record
from ops.errors import OperationError
from ops.fraud.documents import read_as, read_documents
from ops.reading import TopicReader
from schemas.clock import rfc3339
from schemas.fraud_alerts import Alert
from schemas.fraud_rules import Rule, RuleState
from schemas.topics import FRAUD_RULES, LISTS, full_name

_WORK = "fraud-rules"
_LOOK_AT = "walletstream fraud rules"


class HeldRule(NamedTuple):
    """The latest record of a rule: what it says, and why workers pass it over, if they do."""

    rule_id: str
    record: Record
    rule: Rule | None
    problem: str | None


@dataclass(slots=True)
class PublishedRules:
    """What the topic says."""

    book: RuleBook
    held: dict[str, HeldRule] = field(default_factory=dict)

    def as_json(self, held: HeldRule, paused: Alert | None) -> dict[str, Any]:
        """One rule for scripts."""
        return {
            "rule_id": held.rule_id,
            "published_at": rfc3339(held.record.timestamp),
            "problem": held.problem,
            "paused_by_breaker": None if paused is None else paused.sentence,
            "rule": None if held.rule is None else held.rule.model_dump(mode="json", by_alias=True, exclude_unset=True),
        }


async def read_published(reader: TopicReader, retention_s: int) -> PublishedRules:
    """All that the topic says; a combination that stands before its rules is taken with them.

    Raises:
        OperationError: the topic is missing or cannot be read.
    """
    lists = await _names_of_lists(reader)
    found = PublishedRules(RuleBook(Bounds(retention_s=retention_s), has_list=lists.__contains__))
    latest: dict[str, Record] = {}
    async for records in reader.read(FRAUD_RULES):
        for record in records:
            key = (record.key or b"").decode(errors="replace")
            latest.pop(key, None)
            if record.value is not None:
                latest[key] = record
    rules: list[Rule] = []
    for key, record in latest.items():
        try:
            rule = read_rule(record.value or b"", key)
        except RuleRefused as error:
            found.held[key] = HeldRule(key, record, None, str(error))
            continue
        rules.append(rule)
        found.held[key] = HeldRule(key, record, rule, None)
    for key, refused in found.book.publish_all(rules).items():
        found.held[key] = found.held[key]._replace(problem=str(refused))
    return found


async def _names_of_lists(reader: TopicReader) -> set[str]:
    names: set[str] = set()
    async for records in reader.read(LISTS):
        for record in records:
            name = (record.key or b"").decode(errors="replace")
            (names.discard if record.value is None else names.add)(name)
    return names


def read_rule_file(path: Path) -> list[Rule]:
    """The rules of a file: one, a list of them, `{"rules": [..]}`, or one in each line.

    Raises:
        OperationError: it cannot be read, or one of them is no rule.
    """
    rules = read_as(read_documents(path, "rules"), Rule, "rule", "rule_id")
    if not rules:
        raise OperationError(f"{path} has no rules")
    return rules


async def publish(reader: TopicReader, rules: list[Rule], retention_s: int) -> None:
    """Publish rules, all in one transaction, once each is checked as workers will.

    Raises:
        OperationError: one is refused, with all reasons; then none is written.
    """
    async with alone(reader, _WORK, _LOOK_AT) as producer:
        book = (await read_published(reader, retention_s)).book
        refused = book.publish_all(rules)
        if refused:
            told = "\n".join(f"rule {rule_id}: {error}" for rule_id, error in refused.items())
            raise OperationError(f"{told}\nnothing was published")
        name = full_name(reader.namespace, FRAUD_RULES)
        async with producer.transaction():
            waiting = [await producer.send(name, wire(rule), key=rule.rule_id.encode()) for rule in rules]
            written = [await one for one in waiting]
        await until_visible(reader, FRAUD_RULES, written)


async def set_state(reader: TopicReader, rule_id: str, state: RuleState, retention_s: int) -> Rule:
    """Publish a rule as it is, but in another state; returns it.

    Raises:
        OperationError: there is no such rule, or it is refused.
    """
    published = await read_published(reader, retention_s)
    rule = published.book.rules.get(rule_id)
    if rule is None:
        held = published.held.get(rule_id)
        why = "it is not among the rules" if held is None else f"workers pass it over: {held.problem}"
        raise OperationError(f"no rule {rule_id!r}: {why}; `{_LOOK_AT}` lists them")
    changed = rule.model_copy(update={"state": state})
    if changed != rule:
        await publish(reader, [changed], retention_s)
    return changed


async def remove(reader: TopicReader, rule_id: str, retention_s: int) -> None:
    """Remove a rule, by a tombstone; also one that workers pass over.

    Raises:
        OperationError: there is none.
    """
    async with alone(reader, _WORK, _LOOK_AT) as producer:
        if rule_id not in (await read_published(reader, retention_s)).held:
            raise OperationError(f"no rule {rule_id!r}; `{_LOOK_AT}` lists them")
        async with producer.transaction():
            written = await producer.send_and_wait(full_name(reader.namespace, FRAUD_RULES), None, key=rule_id.encode())
        await until_visible(reader, FRAUD_RULES, [written])
