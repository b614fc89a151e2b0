"""The topic of fraud rules: what is in effect, and how a rule gets there. The same checks as a worker's."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from agents.fraud.followed import Followed
from agents.fraud.lists import list_checks
from agents.fraud.published import RuleBook
from agents.fraud.rule_records import RuleRefused, read_rule, refusals_of, wire
from ops.alone import alone, until_visible
from ops.consuming import Record
from ops.errors import OperationError
from ops.fraud.documents import read_as, read_documents
from ops.fraud.live_alerts import read_alerts
from ops.reading import TopicReader
from schemas.clock import rfc3339
from schemas.fraud_alerts import PAUSE, Alert
from schemas.fraud_rules import Rule, RuleState
from schemas.reference import Reference
from schemas.topics import FRAUD_RULES, LISTS, full_name

_WORK = "fraud-rules"
_LOOK_AT = "walletstream fraud rules"


class HeldRule(NamedTuple):
    """The latest record of a rule, and what comes of it.

    Attributes:
        rule: what workers go by, which is an older record where they pass the latest over; what the latest says where
            they know none; None where it cannot be read.
        is_known: whether workers know a version of it.
        problem: why workers pass the latest record over, if they do.
        missing_lists: names of lists that the rule asks and that are not there.
        missing_rules: ids of rules that it adds up and that are not there: it goes on without them.
    """

    rule_id: str
    record: Record
    rule: Rule | None
    is_known: bool
    problem: str | None
    missing_lists: tuple[str, ...]
    missing_rules: tuple[str, ...]


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
            "known_to_workers": held.is_known,
            "problem": held.problem,
            "missing_lists": list(held.missing_lists),
            "missing_rules": list(held.missing_rules),
            "paused_by_breaker": None if paused is None else paused.sentence,
            "rule": None if held.rule is None else held.rule.model_dump(mode="json", by_alias=True, exclude_unset=True),
        }


async def read_published(reader: TopicReader, retention_s: int) -> PublishedRules:
    """All that the topic says, record by record, taken as workers take it.

    Raises:
        OperationError: the topic is missing or cannot be read.
    """
    lists = await _names_of_lists(reader)
    followed = Followed(retention_s)
    latest: dict[str, tuple[Record, str | None]] = {}
    async for records in reader.read(FRAUD_RULES):
        for record in records:
            key = (record.key or b"").decode(errors="replace")
            problem = _taken(followed, record)
            latest.pop(key, None)
            if record.value is not None:
                latest[key] = record, problem
    followed.prepare()
    book = followed.book
    book.has_list = lists.__contains__
    held = {key: _held(book, lists, key, *found) for key, found in latest.items()}
    return PublishedRules(book, held)


def _taken(followed: Followed, record: Record) -> str | None:
    """Why workers pass a record over; None where they do not."""
    try:
        followed.take(FRAUD_RULES, (record.key or b"").decode(), record.value)
    except ValueError as error:
        return str(error)
    return None


def _held(book: RuleBook, lists: Collection[str], key: str, record: Record, problem: str | None) -> HeldRule:
    rule, said = book.rules.get(key), _said(key, record)
    if problem is None and said != rule and said is not None:
        # A combination that was refused once the rules were there that it adds up, or were not to come.
        problem = str(RuleRefused(book.refusals(said)))
    rule = rule or said
    asked = set() if rule is None else {check.list_name for check in list_checks([rule])}
    added_up = set() if rule is None or rule.combination is None else set(rule.combination.rules)
    missing = tuple(sorted(asked - set(lists))), tuple(sorted(added_up - book.rules.keys()))
    return HeldRule(key, record, rule, key in book.rules, problem, *missing)


def _said(key: str, record: Record) -> Rule | None:
    try:
        return read_rule(record.value or b"", key)
    except RuleRefused:
        return None


async def _names_of_lists(reader: TopicReader) -> set[str]:
    """The lists that workers know."""
    reference = Reference()
    async for records in reader.read(LISTS):
        for record in records:
            with suppress(ValueError):
                reference = reference.with_record(LISTS, (record.key or b"").decode(), record.value)
    return set(reference.lists)


def read_rule_file(path: Path) -> list[Rule]:
    """The rules of a file: one, a list of them, `{"rules": [..]}`, or one in each line.

    Raises:
        OperationError: it cannot be read, or one of them is no rule.
    """
    rules = read_as(read_documents(path, "rules"), Rule, "rule", "rule_id", refusals_of)
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
    """Publish a rule, as workers know it, in another state; returns it.

    Raises:
        OperationError: there is no such rule, it is refused, or the circuit breaker has paused its version.
    """
    published = await read_published(reader, retention_s)
    rule, held = published.book.rules.get(rule_id), published.held.get(rule_id)
    if rule is None:
        why = "it is not among the rules" if held is None else f"workers pass it over: {held.problem}"
        raise OperationError(f"no rule {rule_id!r}: {why}; `{_LOOK_AT}` lists them")
    changed = rule.model_copy(update={"state": state})
    await check_not_paused(reader, [changed])
    # What is passed over is the latest record all the same: the one that workers go by has to come after it.
    if changed != rule or held is None or held.problem is not None:
        await publish(reader, [changed], retention_s)
    return changed


async def check_not_paused(reader: TopicReader, rules: list[Rule]) -> None:
    """Refuse to put rules into effect whose version the circuit breaker has paused: workers leave them paused.

    Raises:
        OperationError: it has paused one of them; all are told.
    """
    in_effect = [rule for rule in rules if rule.state in ("active", "shadow")]
    # Whoever pauses one is in a hurry, and there may be many alerts.
    pauses = pauses_of(await read_alerts(reader)) if in_effect else {}
    paused = [
        f"the circuit breaker has paused {rule.rule_id} version {rule.version}: change it, and publish that as version "
        f"{rule.version + 1}; `{_LOOK_AT}` says why"
        for rule in in_effect
        if (rule.rule_id, rule.version) in pauses
    ]
    if paused:
        raise OperationError("\n".join(paused))


def pauses_of(alerts: Mapping[str, Alert]) -> dict[tuple[str, int], Alert]:
    """Rule and version -> the alert that says that the circuit breaker has paused it."""
    return {(alert.rule_id, alert.version): alert for alert in alerts.values() if alert.action == PAUSE}


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
