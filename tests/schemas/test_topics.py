from __future__ import annotations

from pathlib import Path

import pytest

from schemas.catalogue import TOPICS, short_name, topic_named
from schemas.commands import CONTRACTS
from schemas.topic_config import idempotency_floor_ms, replication_factor, topic_config
from schemas.topics import (
    DAY_MS,
    FRAUD_INPUTS,
    FRAUD_RULES,
    INPUTS,
    LEDGER_EVENTS,
    MATCHING_RULES,
    REFERENCE_DATA,
    Topic,
    full_name,
)

EXAMPLES = Path(__file__).resolve().parents[2] / "schemas" / "examples"

by_topic = pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.name)


def test_the_catalogue() -> None:
    names = [topic.name for topic in TOPICS]
    assert names == [
        "transaction-requests",
        "operator-commands",
        "fraud-commands",
        "settlement-updates",
        "internal-commands",
        "ledger-events",
        "transaction-outcomes",
        "wallet-balances",
        "dead-letters",
        "assets",
        "rails",
        "tiers",
        "fee-schedules",
        "fx-rates",
        "lists",
        "fraud-rules",
        "fraud-internal",
        "fraud-events",
        "fraud-alerts",
        "fraud-feedback",
        "settlement-internal",
        "settlement-commands",
        "settlement-events",
        "settlement-batches",
        "matching-rules",
        "reconciliation-internal",
        "reconciliation-events",
        "reconciliation-results",
        "reconciliation-exceptions",
        "reconciliation-decisions",
        "external-statements",
        "reconciliation-proofs",
    ]


@by_topic
def test_an_entry_is_complete(topic: Topic) -> None:
    assert topic.description.endswith(".")
    assert topic.owner
    assert topic.readers
    assert topic.key
    assert topic_named(topic.name) is topic
    assert (topic.example is not None) == topic.has_schema
    assert topic.example is None or (EXAMPLES / topic.example).is_file()
    if topic.name in CONTRACTS:
        assert topic.strict


def test_an_unknown_topic_says_which_there_are() -> None:
    with pytest.raises(ValueError, match=r"'requests'.*transaction-requests"):
        topic_named("requests")


@pytest.mark.parametrize("namespace", ["wallet.", "", "t1.", "v1.", "rails"])
@by_topic
def test_full_names_and_back(topic: Topic, namespace: str) -> None:
    full = full_name(namespace, topic.name)
    assert full == f"{namespace}{topic.name}.v1"
    assert short_name(namespace, full) == topic.name


@pytest.mark.parametrize(
    "full",
    ["rails", "wallet.rails", "rails.v1", "wallet.rails.v2", "other.rails.v1", "wallet.x.v1", "wallet.wallet.rails.v1"],
)
def test_a_foreign_name_is_refused(full: str) -> None:
    with pytest.raises(ValueError, match="is not one of ours"):
        short_name("wallet.", full)


def test_the_inputs_are_co_partitioned_and_stamped_by_the_broker() -> None:
    for name in INPUTS:
        topic = topic_named(name)
        assert "ledger" in topic.readers
        assert topic.partition_count(8) == 8
        assert topic_config(topic, "replicated")["message.timestamp.type"] == "LogAppendTime"
        assert topic.retention_ms == 7 * DAY_MS


def test_what_wraps_an_input_record_takes_twice_its_size_and_64_kib() -> None:
    largest = max(topic_named(name).max_message_bytes for name in INPUTS if name != "internal-commands")
    assert largest == 1 << 20
    for name in ("dead-letters", "internal-commands", "ledger-events"):
        assert topic_named(name).max_message_bytes >= 2 * largest + 64 * 1024


@by_topic
def test_nothing_is_lost_by_configuration(topic: Topic) -> None:
    config = topic_config(topic, "replicated")
    assert config["min.insync.replicas"] == "2"
    assert config["unclean.leader.election.enable"] == "false"
    assert config["retention.bytes"] == "-1"
    assert all(isinstance(value, str) for value in config.values())
    assert topic_config(topic, "embedded") == config | {"min.insync.replicas": "1"}
    assert (replication_factor("replicated"), replication_factor("embedded")) == (3, 1)


def test_the_inputs_of_the_fraud_role_are_its_own_or_the_ledgers_log() -> None:
    for name in FRAUD_INPUTS:
        topic = topic_named(name)
        assert "fraud" in topic.readers
        assert topic.partition_count(8) == 8
        assert topic.append_time is (name != LEDGER_EVENTS)


@pytest.mark.parametrize("name", ["ledger-events", "fraud-events"])
def test_event_logs_are_kept_for_ever(name: str) -> None:
    config = topic_config(topic_named(name), "replicated")
    assert (config["cleanup.policy"], config["retention.ms"]) == ("delete", "-1")
    assert "segment.ms" not in config


@pytest.mark.parametrize("name", ["wallet-balances", *REFERENCE_DATA, FRAUD_RULES, MATCHING_RULES])
def test_latest_values_are_compacted(name: str) -> None:
    config = topic_config(topic_named(name), "replicated")
    assert (config["cleanup.policy"], config["retention.ms"]) == ("compact", "-1")


def test_reference_data_needs_one_partition_only() -> None:
    single = [topic.name for topic in TOPICS if topic.partition_count(8) == 1]
    assert single == [*REFERENCE_DATA, FRAUD_RULES, MATCHING_RULES]


def test_dead_letters_outlive_the_inputs() -> None:
    assert topic_config(topic_named("dead-letters"), "replicated")["retention.ms"] == str(30 * DAY_MS)


def test_keys_are_remembered_longer_than_any_record_can_come_again() -> None:
    assert idempotency_floor_ms() == 37 * DAY_MS
    default_s = 40 * 86_400
    assert default_s * 1_000 >= idempotency_floor_ms()


@by_topic
def test_segments_are_short_beside_the_retention(topic: Topic) -> None:
    """A record lives until its whole segment may go: a day longer than its retention, not seven."""
    config = topic_config(topic, "replicated")
    if topic.retention_ms is not None:
        assert int(config["segment.ms"]) <= DAY_MS < topic.retention_ms
