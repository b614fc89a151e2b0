"""Topics as they are against topics as they must be."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.ledger.agent import LEDGER
from ops.topics import Observed, Wanted, plan, problems, wanted_topics
from schemas.topics import TOPICS, full_name, idempotency_floor_ms, short_name
from streams.cluster import TopicState, find_problems
from streams.settings import Settings

WANTED = wanted_topics("wallet.", 8, "replicated")
RETENTION_S = 40 * 86_400


def as_wanted(want: Wanted, **config: str) -> Observed:
    in_force = {"compression.type": "producer", **want.config, **config}
    return Observed(want.partitions, want.replicas, in_force, {**want.config, **config})


def all_as_wanted() -> dict[str, Observed]:
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
    assert [problem.what for problem in problems(WANTED, {}, RETENTION_S)] == ["is missing"] * len(TOPICS)


def test_where_all_is_well_there_is_nothing_to_do() -> None:
    assert plan(WANTED, all_as_wanted()).nothing_to_do
    assert problems(WANTED, all_as_wanted(), RETENTION_S) == []


def test_a_setting_that_differs_is_altered_and_what_others_set_is_kept() -> None:
    want = one("transaction-requests")
    seen = as_wanted(want, **{"message.timestamp.type": "CreateTime", "compression.type": "zstd"})
    todo = plan(WANTED, all_as_wanted() | {want.name: seen})
    (altered,) = todo.alter
    assert altered.changes == {"message.timestamp.type": ("CreateTime", "LogAppendTime")}
    assert altered.overrides == {**want.config, "compression.type": "zstd"}
    (problem,) = problems(WANTED, all_as_wanted() | {want.name: seen}, RETENTION_S)
    assert problem == (
        want.name,
        "message.timestamp.type is CreateTime, it must be LogAppendTime",
        "run `walletstream topics apply`",
    )


def test_a_setting_that_the_broker_does_not_know_is_altered() -> None:
    want = one("rails")
    seen = as_wanted(want)._replace(config={})
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
    assert plan((want,), {want.name: as_wanted(want)._replace(replicas=5)}).nothing_to_do


@pytest.mark.parametrize(
    ("name", "mend"),
    [("transaction-requests", "set WALLETSTREAM_PARTITIONS to 6"), ("rails", "delete the topic and run")],
)
def test_a_partition_count_is_refused(name: str, mend: str) -> None:
    want = one(name)
    todo = plan(WANTED, all_as_wanted() | {want.name: as_wanted(want)._replace(partitions=6)})
    (refused,) = todo.refused
    assert (refused.topic, refused.what) == (want.name, f"has 6 partitions, it must have {want.partitions}")
    assert refused.mend.startswith(mend)
    assert not todo.create
    assert not todo.alter


def test_too_few_replicas_are_refused() -> None:
    want = one("ledger-events")
    (refused,) = plan((want,), {want.name: as_wanted(want)._replace(replicas=1)}).refused
    assert refused.what == "has 1 replica, it must have 3"


def test_partitions_without_a_leader_and_short_idempotency_are_problems() -> None:
    want = one("ledger-events")
    seen = all_as_wanted() | {want.name: as_wanted(want)._replace(leaderless=(2, 5))}
    leader, retention = problems(WANTED, seen, idempotency_floor_ms() // 1000 - 1)
    assert leader.what == "no broker leads partition 2, 5"
    assert "WALLETSTREAM_IDEMPOTENCY_RETENTION_S" in retention.mend
    assert problems(WANTED, all_as_wanted(), idempotency_floor_ms() // 1000) == []


def test_the_plan_as_json_says_what_changes() -> None:
    want, missing = one("rails"), one("assets")
    wrong_count = one("ledger-events")
    todo = plan(
        (want, missing, wrong_count),
        {
            want.name: as_wanted(want, **{"cleanup.policy": "delete"}),
            wrong_count.name: as_wanted(wrong_count)._replace(partitions=1),
        },
    ).as_json()
    assert todo["create"][0] == {"name": missing.name, "partitions": 1, "replicas": 3, "config": dict(missing.config)}
    assert todo["alter"] == [{"name": want.name, "changes": {"cleanup.policy": {"from": "delete", "to": "compact"}}}]
    assert todo["refused"][0]["topic"] == wrong_count.name


SETTINGS = {
    "cleanup.policy": ["delete", "compact", "compact,delete"],
    "max.message.bytes": ["1000012", "1048576", "2162688", "8388608"],
    "message.timestamp.type": ["CreateTime", "LogAppendTime"],
    "min.insync.replicas": ["1", "2"],
    "retention.bytes": ["-1", "1000"],
    "retention.ms": ["-1", "1000", "604800000", "31536000000"],
    "unclean.leader.election.enable": ["true", "false"],
}


@given(st.data())
def test_whatever_keeps_a_worker_from_starting_is_a_problem_here_too(data: st.DataObject) -> None:
    observed = {}
    for want in WANTED:
        if data.draw(st.booleans(), label=f"{want.name} differs"):
            setting = data.draw(st.sampled_from(sorted(SETTINGS)))
            seen = as_wanted(want, **{setting: data.draw(st.sampled_from(SETTINGS[setting]))})
            replicas, partitions = data.draw(st.sampled_from([1, 3])), data.draw(st.sampled_from([1, 8]))
            observed[want.name] = seen._replace(replicas=replicas, partitions=partitions)
        else:
            observed[want.name] = as_wanted(want)
    retention_s = data.draw(st.sampled_from([86_400, RETENTION_S]))
    settings = Settings(durability="replicated", idempotency_retention_s=retention_s)
    states = {
        short_name("wallet.", name): TopicState(seen.partitions, seen.replicas, seen.config)
        for name, seen in observed.items()
    }
    refused = find_problems(settings, LEDGER.topics, states, list(LEDGER.inputs), LEDGER.event_log)
    if refused:
        assert problems(WANTED, observed, retention_s)
