"""On which topics a worker refuses to start, and what else differs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from schemas.catalogue import TOPICS
from schemas.topic_config import topic_config
from schemas.topics import DEAD_LETTERS, ENVELOPE_MAX_BYTES, INPUTS, LEDGER_EVENTS
from streams.settings import Settings
from streams.topic_rules import TopicState, find_differences, find_problems

SETTINGS = Settings(partitions=4, namespace="w.")
REPLICATED = Settings(partitions=4, namespace="w.", durability="replicated")


def states(settings: Settings = SETTINGS) -> dict[str, TopicState]:
    """The catalogue's topics, as they must be."""
    replicas = 3 if settings.durability == "replicated" else 1
    return {
        topic.name: TopicState(topic.partition_count(4), replicas, topic_config(topic, settings.durability))
        for topic in TOPICS
    }


def changed(settings: Settings, **changes: dict[str, object] | None) -> dict[str, TopicState]:
    """The topics after changes (by short name, `_` for `-`): of a field, or of a Kafka setting."""
    found = states(settings)
    for key, change in changes.items():
        name = key.replace("_", "-")
        if change is None:
            del found[name]
            continue
        for field, value in change.items():
            if field in ("partitions", "replicas", "leaderless"):
                found[name] = replace(found[name], **{field: value})  # type: ignore[arg-type]
            else:
                found[name] = replace(found[name], config={**found[name].config, field: str(value)})
    return found


def problems_of(settings: Settings = SETTINGS, **changes: dict[str, object] | None) -> list[str]:
    """On what no worker starts, after those changes."""
    found = changed(settings, **changes)
    problems = find_problems(settings, TOPICS, found, INPUTS, LEDGER_EVENTS)
    assert all(problem.stops_workers for problem in problems)
    return [str(problem) for problem in problems]


def differences_of(**changes: dict[str, object] | None) -> list[str]:
    """What else differs from the catalogue after those changes."""
    found = changed(SETTINGS, **changes)
    problems = find_problems(SETTINGS, TOPICS, found, INPUTS, LEDGER_EVENTS)
    differences = find_differences(SETTINGS, TOPICS, found, problems)
    assert not any(one.stops_workers for one in differences)
    return [str(one) for one in differences]


@pytest.mark.parametrize("settings", [SETTINGS, REPLICATED])
def test_the_catalogue_itself_has_no_problem(settings: Settings) -> None:
    assert problems_of(settings) == []


def test_a_topic_is_missing() -> None:
    assert problems_of(ledger_events=None) == ["w.ledger-events.v1: does not exist; run `walletstream topics apply`"]


def test_partition_counts_must_be_equal() -> None:
    (problem,) = problems_of(transaction_requests={"partitions": 6})
    assert "w.transaction-requests.v1: has 6 partitions instead of 4" in problem
    assert "WALLETSTREAM_PARTITIONS=6" in problem


def test_a_topic_that_is_not_co_partitioned_has_one_partition() -> None:
    assert "has 4 partitions instead of 1" in problems_of(assets={"partitions": 4})[0]


@pytest.mark.parametrize("says_so", [True, False])
def test_inputs_are_stamped_by_the_broker(says_so: bool) -> None:
    """Whether the catalogue says so of the topic or not."""
    found = changed(SETTINGS, operator_commands={"message.timestamp.type": "CreateTime"})
    topics = [topic if topic.name != "operator-commands" else replace(topic, append_time=says_so) for topic in TOPICS]
    (problem,) = find_problems(SETTINGS, topics, found, INPUTS, LEDGER_EVENTS)
    assert str(problem).startswith("w.operator-commands.v1: message.timestamp.type is not LogAppendTime")


def test_whatever_the_catalogue_has_stamped_by_the_broker_is() -> None:
    (problem,) = problems_of(dead_letters={"message.timestamp.type": "CreateTime"})
    assert "w.dead-letters.v1: message.timestamp.type is not LogAppendTime" in problem


@pytest.mark.parametrize("policy", ["compact", "compact,delete"])
def test_nothing_vanishes_from_an_input(policy: str) -> None:
    (problem,) = problems_of(transaction_requests={"cleanup.policy": policy})
    assert f"w.transaction-requests.v1: cleanup.policy is {policy}: records would vanish" in problem


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"retention.ms": 1000}, "retention.ms is 1000: the event log must be kept for ever"),
        ({"retention.bytes": 1000}, "retention.bytes is 1000: the event log must be kept for ever"),
        ({"cleanup.policy": "compact"}, "cleanup.policy is compact: records would vanish"),
        ({"cleanup.policy": "compact,delete"}, "cleanup.policy is compact,delete: records would vanish"),
        ({"unclean.leader.election.enable": "true"}, "unclean.leader.election.enable loses"),
    ],
)
def test_the_event_log_is_kept_whole_and_for_ever(change: dict[str, object], expected: str) -> None:
    (problem,) = problems_of(ledger_events=change)
    assert f"w.ledger-events.v1: {expected}" in problem


@pytest.mark.parametrize(
    ("change", "expected"),
    [({"replicas": 2}, "has only 2 of 3 replicas"), ({"min.insync.replicas": 1}, "min.insync.replicas is 1, below 2")],
)
def test_replicated_topics_survive_a_broker(change: dict[str, object], expected: str) -> None:
    (problem,) = problems_of(REPLICATED, transaction_outcomes=change)
    assert expected in problem
    assert len(problems_of(SETTINGS, transaction_outcomes={"min.insync.replicas": 0})) == 1


def test_envelopes_take_any_input() -> None:
    assert problems_of(transaction_requests={"max.message.bytes": 900_000}) == []
    larger = problems_of(transaction_requests={"max.message.bytes": 2 << 20})
    envelopes = {topic.name for topic in TOPICS if topic.max_message_bytes == ENVELOPE_MAX_BYTES}
    assert {"dead-letters", "internal-commands", "ledger-events", "reconciliation-internal"} <= envelopes
    assert [problem.split(":")[0] for problem in larger] == [f"w.{name}.v1" for name in sorted(envelopes)]
    assert all(f"below {(4 << 20) + (64 << 10)}" in problem for problem in larger)
    (smaller,) = problems_of(dead_letters={"max.message.bytes": 1 << 20})
    assert "w.dead-letters.v1: max.message.bytes is 1048576, below 2162688" in smaller
    assert len(problems_of(dead_letters={"max.message.bytes": 2162687})) == 1
    assert problems_of(dead_letters={"max.message.bytes": 2162688}) == []


def test_idempotency_keys_outlive_every_record_by_a_week() -> None:
    day = 86_400
    assert problems_of(SETTINGS.model_copy(update={"idempotency_retention_s": 37 * day})) == []
    (problem,) = problems_of(SETTINGS.model_copy(update={"idempotency_retention_s": 37 * day - 1}))
    assert problem.startswith(f"w.{DEAD_LETTERS}.v1: is kept for 30 days")
    assert f"WALLETSTREAM_IDEMPOTENCY_RETENTION_S to at least {37 * day}" in problem
    (problem,) = problems_of(transaction_requests={"retention.ms": -1})
    assert "is kept for ever" in problem


def test_a_partition_count_is_mended_by_the_setting_or_by_a_new_topic() -> None:
    assert "if all topics have as many" in problems_of(ledger_events={"partitions": 1})[0]
    (reference,) = problems_of(rails={"partitions": 4})
    assert "has 4 partitions instead of 1; delete the topic and run `walletstream topics apply`" in reference


def test_the_catalogue_itself_has_no_difference() -> None:
    assert differences_of() == []


def test_what_differs_without_risk_is_told_apart_and_told_once() -> None:
    assert differences_of(wallet_balances={"cleanup.policy": "delete"}) == [
        "w.wallet-balances.v1: cleanup.policy is delete, the catalogue asks for compact; "
        "run `walletstream topics apply`"
    ]
    assert problems_of(wallet_balances={"cleanup.policy": "delete"}) == []
    assert differences_of(ledger_events={"retention.ms": 1_000}) == [], "a worker refuses it: it is said already"
    assert differences_of(dead_letters={"max.message.bytes": 1 << 20}) == []
    assert differences_of(transaction_outcomes=None) == []


@pytest.mark.parametrize(("setting", "value"), [("min.insync.replicas", 3), ("segment.ms", 1)])
def test_better_than_the_catalogue_asks_is_no_difference(setting: str, value: int) -> None:
    assert differences_of(transaction_outcomes={setting: value}) == []


def test_what_holds_more_than_inputs_may_hold_larger_records_yet() -> None:
    assert differences_of(ledger_events={"max.message.bytes": 8 << 20}) == []
    # Of an input it is one: what it takes has to fit into dead letters.
    (larger,) = differences_of(transaction_requests={"max.message.bytes": 2 << 20})
    assert "max.message.bytes is 2097152, the catalogue asks for 1048576" in larger


def test_a_partition_that_nobody_leads_is_told_but_waited_for() -> None:
    (leader,) = differences_of(ledger_events={"leaderless": (2, 5)})
    assert "w.ledger-events.v1: no broker leads partition 2, 5; bring back the brokers" in leader
