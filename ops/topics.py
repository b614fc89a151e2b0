"""Topics as they are against topics as the catalogue wants them. Pure: `ops.admin` asks and tells the broker.

What may be mended without touching a record is mended: missing topics are created and settings are altered. A
partition count is never changed, for that would move wallets to other partitions.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from schemas.topics import TOPICS, Durability, Topic, full_name, idempotency_floor_ms, replication_factor, topic_config

#: Settings where more is as good, and where less is.
_AT_LEAST: Final = frozenset({"min.insync.replicas"})
_AT_MOST: Final = frozenset({"segment.ms"})


class Observed(NamedTuple):
    """A topic as the broker describes it."""

    partitions: int
    #: Of the partition that has the fewest.
    replicas: int
    #: Every setting as it is in force.
    config: Mapping[str, str]
    #: Only the settings that the topic itself overrides.
    overrides: Mapping[str, str]
    #: Partitions that nobody leads at the moment.
    leaderless: tuple[int, ...] = ()


class Wanted(NamedTuple):
    """A topic as the catalogue wants it under the settings in force."""

    topic: Topic
    name: str
    partitions: int
    replicas: int
    config: Mapping[str, str]


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


class Problem(NamedTuple):
    """What is wrong, and how to mend it."""

    topic: str
    what: str
    mend: str


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
            "refused": [item._asdict() for item in self.refused],
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
        )
        for topic in TOPICS
    )


def plan(wanted: tuple[Wanted, ...], observed: Mapping[str, Observed]) -> Plan:
    """What leads from `observed` (by full name; missing topics are absent) to `wanted`."""
    create, alter, refused = [], [], []
    for want in wanted:
        seen = observed.get(want.name)
        if seen is None:
            create.append(Create(want.name, want.partitions, want.replicas, want.config))
            continue
        refused += _unmendable(want, seen)
        changes = {
            name: (seen.config.get(name), value)
            for name, value in want.config.items()
            if not _is_met(name, seen.config.get(name), value)
        }
        if changes:
            overrides = {**seen.overrides, **{name: value for name, (_, value) in changes.items()}}
            alter.append(Alter(want.name, changes, overrides))
    return Plan(tuple(create), tuple(alter), tuple(refused))


def problems(
    wanted: tuple[Wanted, ...], observed: Mapping[str, Observed], idempotency_retention_s: int
) -> list[Problem]:
    """Everything that `topics check` has to say; empty where all is well."""
    todo = plan(wanted, observed)
    found = [Problem(item.name, "is missing", "run `walletstream topics apply`") for item in todo.create]
    for item in todo.alter:
        for name, (is_now, must_be) in item.changes.items():
            what = f"{name} is {is_now if is_now is not None else 'not set'}, it must be {must_be}"
            found.append(Problem(item.name, what, "run `walletstream topics apply`"))
    found += todo.refused
    for want in wanted:
        seen = observed.get(want.name)
        if seen is not None and seen.leaderless:
            listed = ", ".join(map(str, seen.leaderless))
            what = f"no broker leads partition {listed}"
            found.append(Problem(want.name, what, "bring back the brokers that hold its replicas"))
    floor_s = idempotency_floor_ms() // 1000
    if idempotency_retention_s < floor_s:
        what = f"idempotency keys are kept {idempotency_retention_s} s, less than the {floor_s} s that records may live"
        mend = f"set WALLETSTREAM_IDEMPOTENCY_RETENTION_S to {floor_s} or more"
        found.append(Problem("(settings)", what, mend))
    return found


def _unmendable(want: Wanted, seen: Observed) -> list[Problem]:
    found = []
    if seen.partitions != want.partitions:
        found.append(
            Problem(
                want.name,
                f"has {seen.partitions} partitions, it must have {want.partitions}",
                f"set WALLETSTREAM_PARTITIONS to {seen.partitions} if that is the count of all topics; a count is "
                "never changed here, for wallets would move to other partitions"
                if want.topic.co_partitioned
                else "delete the topic and run `walletstream topics apply`: it is reference data with one partition",
            )
        )
    if seen.replicas < want.replicas:
        found.append(
            Problem(
                want.name,
                f"has {seen.replicas} replica{'s' if seen.replicas != 1 else ''}, it must have {want.replicas}",
                "add replicas by Kafka's kafka-reassign-partitions, or, for development on a single broker only, set "
                "WALLETSTREAM_DURABILITY=embedded",
            )
        )
    return found


def _is_met(name: str, is_now: str | None, must_be: str) -> bool:
    if is_now is None:
        return False
    if name in _AT_LEAST:
        return int(is_now) >= int(must_be)
    if name in _AT_MOST:
        return int(is_now) <= int(must_be)
    return is_now == must_be
