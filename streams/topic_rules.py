"""What topics must be, in one place: for a worker to start, for `topics check`, and for what `topics plan` refuses.

Pure. A worker refuses what would lose or double money; `topics check` says the same in the same words, and besides what
else differs from the catalogue.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from schemas.topic_config import IDEMPOTENCY_MARGIN_MS, Durability, replication_factor, topic_config
from schemas.topics import DEAD_LETTERS, ENVELOPE_MAX_BYTES, Topic, full_name
from streams.settings import Settings

_DAY_MS: Final = 86_400_000
_FOR_EVER: Final = "-1"
#: Besides twice the input's bytes (a value as JSON text), what an envelope needs.
_ENVELOPE_BYTES: Final = 64 << 10
_APPLY: Final = "run `walletstream topics apply`"
#: Settings where more is as good, and where less is.
_AT_LEAST: Final = frozenset({"min.insync.replicas"})
_AT_MOST: Final = frozenset({"segment.ms"})


@dataclass(frozen=True)
class Problem:
    """What is wrong with a topic (its full name), and how to mend it."""

    topic: str
    what: str
    mend: str
    #: Whether a worker refuses to start on it.
    stops_workers: bool = True
    #: Kafka's name of the setting that is wrong, where it is one.
    setting: str | None = None

    def __str__(self) -> str:
        return f"{self.topic}: {self.what}; {self.mend}"


@dataclass(frozen=True)
class TopicState:
    """A topic as the cluster has it."""

    partitions: int
    #: Replicas of the partition that has the fewest.
    replicas: int
    #: Settings in force by Kafka's names, defaults among them.
    config: Mapping[str, str]
    #: Only the settings that the topic itself overrides.
    overrides: Mapping[str, str] = field(default_factory=dict)
    #: Partitions that nobody leads at the moment.
    leaderless: tuple[int, ...] = ()


def find_problems(
    settings: Settings,
    topics: Sequence[Topic],
    states: Mapping[str, TopicState],
    inputs: Sequence[str],
    event_log: str,
) -> list[Problem]:
    """Everything on which a worker refuses to start.

    Args:
        settings: namespace, partitions, durability and retention of idempotency keys.
        topics: entries of the catalogue.
        states: the existing topics by short name.
        inputs: short names of those that are read.
        event_log: short name of the log that the state is a fold of.
    """
    problems: list[Problem] = []
    for topic in topics:
        name = full_name(settings.namespace, topic.name)
        state = states.get(topic.name)
        if state is None:
            problems.append(Problem(name, "does not exist", _APPLY))
            continue
        problems += layout_problems(name, topic, state, settings.partitions, settings.durability)
        found = [
            *_durability_problems(settings.durability, state),
            *_log_problems(topic, state, topic.name == event_log, topic.name in inputs),
        ]
        problems += [Problem(name, what, _APPLY, setting=setting) for setting, what in found]
    return [
        *problems,
        *_size_problems(settings, topics, states, inputs),
        *_retention_problems(settings, topics, states, inputs),
    ]


def find_differences(
    settings: Settings, topics: Sequence[Topic], states: Mapping[str, TopicState], problems: Sequence[Problem]
) -> list[Problem]:
    """What else is not as the catalogue asks, besides `problems`: no worker refuses to start on it."""
    said = {(problem.topic, problem.setting) for problem in problems}
    found = []
    for topic in topics:
        name, state = full_name(settings.namespace, topic.name), states.get(topic.name)
        if state is None:
            continue
        for setting, (is_now, must_be) in unmet_settings(topic_config(topic, settings.durability), state).items():
            if (name, setting) not in said:
                what = f"{setting} is {is_now if is_now is not None else 'not set'}, the catalogue asks for {must_be}"
                found.append(Problem(name, what, _APPLY, stops_workers=False, setting=setting))
        if state.leaderless:
            what = f"no broker leads partition {', '.join(map(str, state.leaderless))}"
            found.append(Problem(name, what, "bring back the brokers that hold its replicas", stops_workers=False))
    return found


def unmet_settings(wanted: Mapping[str, str], state: TopicState) -> dict[str, tuple[str | None, str]]:
    """Settings that are neither as wanted nor better: name -> (as it is, as it must be)."""
    return {
        name: (state.config.get(name), must_be)
        for name, must_be in wanted.items()
        if not _is_met(name, state.config.get(name), must_be)
    }


def _is_met(name: str, is_now: str | None, must_be: str) -> bool:
    if is_now is None:
        return False
    # What takes more than inputs do may take yet more: a match of very many lines, say, is one record.
    if name in _AT_LEAST or (name == "max.message.bytes" and int(must_be) >= ENVELOPE_MAX_BYTES):
        return int(is_now) >= int(must_be)
    if name in _AT_MOST:
        return int(is_now) <= int(must_be)
    return is_now == must_be


def layout_problems(
    name: str, topic: Topic, state: TopicState, partitions: int, durability: Durability
) -> list[Problem]:
    """Partition and replica counts: what no command of ours changes."""
    problems = []
    expected = topic.partition_count(partitions)
    if state.partitions != expected:
        mend = (
            f"set WALLETSTREAM_PARTITIONS={state.partitions} if all topics have as many; never add partitions to a "
            "topic in use, for wallets would move"
            if topic.co_partitioned
            else "delete the topic and run `walletstream topics apply`: it is reference data with one partition"
        )
        plural = "" if state.partitions == 1 else "s"
        problems.append(Problem(name, f"has {state.partitions} partition{plural} instead of {expected}", mend))
    replicas = replication_factor(durability)
    if state.replicas < replicas:
        mend = (
            "add replicas by Kafka's kafka-reassign-partitions, or, for development on a single broker only, set "
            "WALLETSTREAM_DURABILITY=embedded"
        )
        problems.append(Problem(name, f"has only {state.replicas} of {replicas} replicas", mend))
    return problems


def _durability_problems(durability: Durability, state: TopicState) -> list[tuple[str, str]]:
    problems = []
    in_sync = 2 if durability == "replicated" else 1
    if int(state.config["min.insync.replicas"]) < in_sync:
        what = f"min.insync.replicas is {state.config['min.insync.replicas']}, below {in_sync}"
        problems.append(("min.insync.replicas", what))
    if state.config["unclean.leader.election.enable"] != "false":
        what = "unclean.leader.election.enable loses what was acknowledged"
        problems.append(("unclean.leader.election.enable", what))
    return problems


def _log_problems(topic: Topic, state: TopicState, is_event_log: bool, is_input: bool) -> list[tuple[str, str]]:
    config = state.config
    problems = []
    if (topic.append_time or is_input) and config["message.timestamp.type"] != "LogAppendTime":
        what = "message.timestamp.type is not LogAppendTime: the broker does not say when"
        problems.append(("message.timestamp.type", what))
    if (is_event_log or is_input) and config["cleanup.policy"] != "delete":
        problems.append(("cleanup.policy", f"cleanup.policy is {config['cleanup.policy']}: records would vanish"))
    if is_event_log:
        problems += [
            (key, f"{key} is {config[key]}: the event log must be kept for ever (-1)")
            for key in ("retention.ms", "retention.bytes")
            if config[key] != _FOR_EVER
        ]
    return problems


def _size_problems(
    settings: Settings, topics: Sequence[Topic], states: Mapping[str, TopicState], inputs: Sequence[str]
) -> list[Problem]:
    """What holds a whole input record must take one of the largest."""
    largest = max((topic.max_message_bytes for topic in topics), default=0)
    envelopes = {topic.name for topic in topics if topic.max_message_bytes == largest}
    plain_inputs = [_max_bytes(states[name]) for name in inputs if name in states and name not in envelopes]
    needed = 2 * max(plain_inputs, default=0) + _ENVELOPE_BYTES
    return [
        Problem(
            full_name(settings.namespace, name),
            f"max.message.bytes is {_max_bytes(states[name])}, below {needed} (twice the inputs' and 64 KiB)",
            _APPLY,
            setting="max.message.bytes",
        )
        for name in sorted(envelopes)
        if len(plain_inputs) and name in states and _max_bytes(states[name]) < needed
    ]


def _retention_problems(
    settings: Settings, topics: Sequence[Topic], states: Mapping[str, TopicState], inputs: Sequence[str]
) -> list[Problem]:
    """A record that outlives the memory of its idempotency key would be decided twice."""
    problems = []
    remembered_ms = settings.idempotency_retention_s * 1000
    # What the catalogue keeps for ever has ids that its role remembers as long.
    for_ever = {topic.name for topic in topics if topic.retention_ms is None}
    for name in [*inputs, DEAD_LETTERS]:
        if name not in states or name in for_ever:
            continue
        retention_ms = int(states[name].config["retention.ms"])
        needed_ms = retention_ms + IDEMPOTENCY_MARGIN_MS
        if retention_ms < 0:
            kept, mend = "for ever", "shorten retention.ms"
        else:
            kept = f"for {retention_ms / _DAY_MS:g} days"
            mend = f"shorten retention.ms or set WALLETSTREAM_IDEMPOTENCY_RETENTION_S to at least {needed_ms // 1000}"
        if retention_ms < 0 or needed_ms > remembered_ms:
            what = f"is kept {kept}, but idempotency keys are remembered for only {remembered_ms / _DAY_MS:g} days"
            problems.append(Problem(full_name(settings.namespace, name), what, mend, setting="retention.ms"))
    return problems


def _max_bytes(state: TopicState) -> int:
    return int(state.config["max.message.bytes"])
