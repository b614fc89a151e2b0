"""What a processor hears when the group does not take a commit; on a real Kafka it is in `test_kafka_group`."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from types import SimpleNamespace
from typing import Any, cast

import pytest
from aiokafka.errors import (
    CommitFailedError,
    GroupAuthorizationFailedError,
    IllegalGenerationError,
    IllegalStateError,
    KafkaError,
    NotCoordinatorForGroupError,
    RebalanceInProgressError,
    UnknownMemberIdError,
)
from faust.types import TP

from streams.consumer_thread import BatchThread
from streams.errors import NotOwner
from streams.kafka_group import KafkaGroup

PLACE = TP("ns.requests", 0)


class Member:
    """A member that owns one partition and whose commits and look-ups fail; stands for the consumer's thread."""

    def __init__(self, error: Exception):
        self._error = error
        assignment = SimpleNamespace(active=True, tps={PLACE})
        subscription = SimpleNamespace(assignment=assignment, _reassignment_in_progress=False)
        coordinator = SimpleNamespace(commit_offsets=self._fail, fetch_committed_offsets=self._fail)
        self.consumer_in_thread = SimpleNamespace(
            _subscription=SimpleNamespace(subscription=subscription), _coordinator=coordinator
        )
        self.limits_s: list[float] = []

    async def _fail(self, *_: Any) -> Any:
        raise self._error

    async def run(self, work: Coroutine[Any, Any, Any], timeout_s: float) -> Any:
        self.limits_s.append(timeout_s)
        return await work


async def both(member: Member, expected: type[Exception]) -> None:
    """Acknowledge, and prove ownership."""
    group = KafkaGroup(cast(BatchThread, member), {"requests": PLACE.topic})
    with pytest.raises(expected):
        await group.acknowledge(0, {"requests": 7})
    with pytest.raises(expected):
        await group.prove_ownership(0)


@pytest.mark.parametrize(
    "error",
    [CommitFailedError, IllegalGenerationError, IllegalStateError, RebalanceInProgressError, UnknownMemberIdError],
)
def test_a_refusal_means_that_the_member_is_not_the_owner(error: type[KafkaError]) -> None:
    asyncio.run(both(Member(error("no")), NotOwner))


@pytest.mark.parametrize("what", ["over", "being taken back", "another one"])
def test_an_assignment_that_does_not_hold_now_proves_nothing(what: str) -> None:
    """Nothing is even asked of the group: it might take a commit of the generation that is to come."""
    member = Member(AssertionError("the group was asked"))
    subscription = member.consumer_in_thread._subscription.subscription
    subscription.assignment.active = what != "over"
    subscription._reassignment_in_progress = what == "being taken back"
    if what == "another one":
        subscription.assignment.tps = {TP(PLACE.topic, 1)}
    asyncio.run(both(member, NotOwner))


@pytest.mark.parametrize("error", [NotCoordinatorForGroupError, GroupAuthorizationFailedError])
def test_what_else_kafka_says_is_no_news_of_ownership(error: type[KafkaError]) -> None:
    """Taken for it, each worker would give up its partitions, and end, when a coordinator moves."""
    asyncio.run(both(Member(error("no")), error))


def test_the_group_is_not_waited_for_longer_than_its_session() -> None:
    """Who has not been answered for that long is no member any more."""
    member = Member(TimeoutError())
    asyncio.run(both(member, TimeoutError))
    assert len(member.limits_s) == 2
    assert max(member.limits_s) <= 10
