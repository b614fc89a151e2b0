"""Topics as they are against topics as they must be."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.ledger.agent import LEDGER
from ops.topics import Wanted, plan, problems, wanted_topics
from schemas.catalogue import TOPICS, short_name
from schemas.topic_config import idempotency_floor_ms
from schemas.topics import full_name
from streams.settings import Settings
from streams.topic_rules import TopicState, find_problems

WANTED = wanted_topics("wallet.", 8, "replicated")
SETTINGS = Settings(partitions=8, durability="replicated")


def as_wanted(want: Wanted, **config: str) -> TopicState:
    in_force = {"compression.type": "producer", **want.config, **config}
    return TopicState(want.partitions, want.replicas, in_force, {**want.config, **config})


def all_as_wanted() -> dict[str, TopicState]:
    return {want.name: as_wanted(want) for want in WANTED}


def one(name: str) -> Wanted:
    return next(want for want in WANTED if want.topic.name == name)


def test_an_empty_broker_lacks_every_topic() -> None:
    todo = plan(WANTED, {})
    assert [item.name for item in todo.create] == [full_name("wallet.", topic.name) for topic in TOPICS]
    assert {item.partitions for item in todo.create} == {8, 1}
    assert {item.replicas for item in todo.create} == {3}
    assert todo.alter == ()
    assert todo.refused == ()
    assert not todo.nothing_to_do
    assert [problem.what for problem in problems(SETTINGS, {})] == ["does not exist"] * len(TOPICS)


def test_where_all_is_well_there_is_nothing_to_do() -> None:
    assert plan(WANTED, all_as_wanted()).nothing_to_do
    assert problems(SETTINGS, all_as_wanted()) == []


def test_a_setting_that_differs_is_altered_and_what_others_set_is_kept() -> None:
    want = one("transaction-requests")
    seen = as_wanted(want, **{"message.timestamp.type": "CreateTime", "compression.type": "zstd"})
    todo = plan(WANTED, all_as_wanted() | {want.name: seen})
    (altered,) = todo.alter
    assert altered.changes == {"message.timestamp.type": ("CreateTime", "LogAppendTime")}
    assert altered.overrides == {**want.config, "compression.type": "zstd"}
    (problem,) = problems(SETTINGS, all_as_wanted() | {want.name: seen})
    assert str(problem) == (
        f"{want.name}: message.timestamp.type is not LogAppendTime: the broker does not say when; "
        "run `walletstream topics apply`"
    )


def test_a_setting_that_the_broker_does_not_know_is_altered() -> None:
    want = one("rails")
    seen = replace(as_wanted(want), config={})
    (altered,) = plan((want,), {want.name: seen}).alter
    assert altered.changes == {name: (None, value) for name, value in want.config.items()}


@pytest.mark.parametrize(
    ("setting", "better", "worse"), [("min.insync.replicas", "3", "1"), ("segment.ms", "1", "2" * 11)]
)
def test_better_than_asked_is_left_alone(setting: str, better: str, worse: str) -> None:
    want = one("transaction-requests")
    assert plan((want,), {want.name: as_wanted(want, **{setting: better})}).nothing_to_do
    assert len(plan((want,), {want.name: as_wanted(want, **{setting: worse})}).alter) == 1


def test_more_replicas_than_asked_are_as_good() -> None:
    want = one("rails")
    assert plan((want,), {want.name: replace(as_wanted(want), replicas=5)}).nothing_to_do


@pytest.mark.parametrize(
    ("name", "mend"),
    [("transaction-requests", "set WALLETSTREAM_PARTITIONS=6"), ("rails", "delete the topic and run")],
)
def test_a_partition_count_is_refused(name: str, mend: str) -> None:
    want = one(name)
    todo = plan(WANTED, all_as_wanted() | {want.name: replace(as_wanted(want), partitions=6)})
    (refused,) = todo.refused
    assert (refused.topic, refused.what) == (want.name, f"has 6 partitions instead of {want.partitions}")
    assert refused.mend.startswith(mend)
    assert not todo.create
    assert not todo.alter


def test_too_few_replicas_are_refused() -> None:
    want = one("ledger-events")
    (refused,) = plan((want,), {want.name: replace(as_wanted(want), replicas=1)}).refused
    assert refused.what == "has only 1 of 3 replicas"


def test_partitions_without_a_leader_and_short_idempotency_are_problems() -> None:
    want = one("ledger-events")
    seen = all_as_wanted() | {want.name: replace(as_wanted(want), leaderless=(2, 5))}
    floor_s = idempotency_floor_ms() // 1000
    retention, leader = problems(SETTINGS.model_copy(update={"idempotency_retention_s": floor_s - 1}), seen)
    assert leader.what == "no broker leads partition 2, 5"
    assert f"WALLETSTREAM_IDEMPOTENCY_RETENTION_S to at least {floor_s}" in retention.mend
    assert problems(SETTINGS.model_copy(update={"idempotency_retention_s": floor_s}), all_as_wanted()) == []


def test_the_plan_as_json_says_what_changes() -> None:
    want, missing = one("rails"), one("assets")
    wrong_count = one("ledger-events")
    todo = plan(
        (want, missing, wrong_count),
        {
            want.name: as_wanted(want, **{"cleanup.policy": "delete"}),
            wrong_count.name: replace(as_wanted(wrong_count), partitions=1),
        },
    ).as_json()
    assert todo["create"][0] == {"name": missing.name, "partitions": 1, "replicas": 3, "config": dict(missing.config)}
    assert todo["alter"] == [{"name": want.name, "changes": {"cleanup.policy": {"from": "delete", "to": "compact"}}}]
    assert todo["refused"][0]["topic"] == wrong_count.name


SETTINGS_OF_KAFKA = {
    "cleanup.policy": ["delete", "compact", "compact,delete"],
    "max.message.bytes": ["1000012", "1048576", "2162688", "8388608"],
    "message.timestamp.type": ["CreateTime", "LogAppendTime"],
    "min.insync.replicas": ["1", "2"],
    "retention.bytes": ["-1", "1000"],
    "retention.ms": ["-1", "1000", "604800000", "31536000000"],
    "unclean.leader.election.enable": ["true", "false"],
}


@given(st.data())
def test_whatever_keeps_a_worker_from_starting_is_said_here_in_its_words(data: st.DataObject) -> None:
    observed = {}
    for want in WANTED:
        if data.draw(st.booleans(), label=f"{want.name} differs"):
            setting = data.draw(st.sampled_from(sorted(SETTINGS_OF_KAFKA)))
            seen = as_wanted(want, **{setting: data.draw(st.sampled_from(SETTINGS_OF_KAFKA[setting]))})
            replicas, partitions = data.draw(st.sampled_from([1, 3])), data.draw(st.sampled_from([1, 8]))
            observed[want.name] = replace(seen, replicas=replicas, partitions=partitions)
        else:
            observed[want.name] = as_wanted(want)
    retention_s = data.draw(st.sampled_from([86_400, 40 * 86_400]))
    settings = Settings(durability="replicated", idempotency_retention_s=retention_s)
    states = {short_name("wallet.", name): seen for name, seen in observed.items()}
    worker_topics = {full_name("wallet.", topic.name) for topic in LEDGER.topics}
    refused = find_problems(settings, LEDGER.topics, states, list(LEDGER.inputs), LEDGER.event_log)
    told = problems(settings, observed)
    assert set(refused) <= set(told)
    assert not any(one.stops_workers for one in told if one.topic in worker_topics and one not in refused)
