"""Topics as they are against topics as the catalogue wants them. Pure: `ops.admin` asks and tells the broker.

What may be mended without touching a record is mended: missing topics are created and settings are altered. A
partition count is never changed, for that would move wallets to other partitions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, NamedTuple

from schemas.catalogue import TOPICS
from schemas.topic_config import Durability, replication_factor, topic_config
from schemas.topics import INPUTS, LEDGER_EVENTS, Topic, full_name
from streams.settings import Settings
from streams.topic_rules import Problem, TopicState, find_differences, find_problems, layout_problems, unmet_settings


class Wanted(NamedTuple):
    """A topic as the catalogue wants it under the settings in force."""

    topic: Topic
    name: str
    partitions: int
    replicas: int
    config: Mapping[str, str]
    durability: Durability


class Create(NamedTuple):
    """A topic that is missing."""

    name: str
    partitions: int
    replicas: int
    config: Mapping[str, str]


class Alter(NamedTuple):
    """A topic whose settings differ: setting -> (as it is, as it must be)."""

    name: str
    changes: Mapping[str, tuple[str | None, str]]
    #: All overrides that the topic has afterwards: Kafka's AlterConfigs replaces them as a whole.
    overrides: Mapping[str, str]


class Plan(NamedTuple):
    """What `topics apply` would do, and what it refuses to do."""

    create: tuple[Create, ...]
    alter: tuple[Alter, ...]
    refused: tuple[Problem, ...]

    @property
    def nothing_to_do(self) -> bool:
        """Whether every topic is as it must be."""
        return not (self.create or self.alter or self.refused)

    def as_json(self) -> dict[str, Any]:
        """The plan for scripts."""
        return {
            "create": [{**item._asdict(), "config": dict(item.config)} for item in self.create],
            "alter": [
                {"name": item.name, "changes": {k: {"from": a, "to": b} for k, (a, b) in item.changes.items()}}
                for item in self.alter
            ],
            "refused": [asdict(item) for item in self.refused],
        }


def wanted_topics(namespace: str, partitions: int, durability: Durability) -> tuple[Wanted, ...]:
    """Every topic of the catalogue as it must be."""
    replicas = replication_factor(durability)
    return tuple(
        Wanted(
            topic,
            full_name(namespace, topic.name),
            topic.partition_count(partitions),
            replicas,
            topic_config(topic, durability),
            durability,
        )
        for topic in TOPICS
    )


def plan(wanted: tuple[Wanted, ...], observed: Mapping[str, TopicState]) -> Plan:
    """What leads from `observed` (by full name; missing topics are absent) to `wanted`."""
    create, alter, refused = [], [], []
    for want in wanted:
        seen = observed.get(want.name)
        if seen is None:
            create.append(Create(want.name, want.partitions, want.replicas, want.config))
            continue
        refused += layout_problems(want.name, want.topic, seen, want.partitions, want.durability)
        changes = unmet_settings(want.config, seen)
        if changes:
            overrides = {**seen.overrides, **{name: value for name, (_, value) in changes.items()}}
            alter.append(Alter(want.name, changes, overrides))
    return Plan(tuple(create), tuple(alter), tuple(refused))


def problems(settings: Settings, observed: Mapping[str, TopicState]) -> list[Problem]:
    """Everything that `topics check` has to say; empty where all is well.

    First that on which a worker refuses to start, in its words, then what else differs from the catalogue.
    """
    names = {topic.name: full_name(settings.namespace, topic.name) for topic in TOPICS}
    states = {name: observed[full] for name, full in names.items() if full in observed}
    found = find_problems(settings, TOPICS, states, INPUTS, LEDGER_EVENTS)
    return [*found, *find_differences(settings, TOPICS, states, found)]
