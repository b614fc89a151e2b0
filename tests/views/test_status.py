"""What a worker of the views says of itself, and what it does where its database fails; without a broker."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from aiokafka import TopicPartition

from agents.views.agent import ViewsStatus, ViewsWorker
from agents.views.chunk import Chunk, LogGap, Position
from agents.views.database import Unavailable
from agents.views.follow import Follower, Place
from agents.views.store import ViewStore
from streams import metrics
from streams.errors import Refused
from streams.settings import Settings

P0, P3 = TopicPartition("wallet.ledger-events.v1", 0), TopicPartition("wallet.ledger-events.v1", 3)


class Consumer:
    """What a follower asks of its consumer."""

    def __init__(self, silent_since_ms: int | None = None) -> None:
        self.sought: list[tuple[TopicPartition, int]] = []
        self.answered_ms = silent_since_ms

    def seek(self, tp: TopicPartition, offset: int) -> None:
        self.sought.append((tp, offset))

    def highwater(self, tp: TopicPartition) -> int | None:
        return {P0: 73}.get(tp)

    def last_poll_timestamp(self, tp: TopicPartition) -> int | None:
        return self.answered_ms


class Store:
    """A store whose every `apply` fails in one way."""

    def __init__(self, error: Exception):
        self.error = error

    def apply(self, chunk: Chunk) -> Any:
        raise self.error


def follower(store: Any = None, **options: Any) -> Follower:
    found = Follower(Settings(), cast(ViewStore, store))
    found._consumer = Consumer(**options)
    return found


def status_of(followed: Follower) -> ViewsStatus:
    status = ViewsStatus(clock=lambda: 1_000.0)
    status.waiting_for = ""
    status.follower = followed
    return status


def test_it_is_ready_once_every_partition_is_current() -> None:
    followed = follower()
    status = status_of(followed)
    assert status.reasons() == ["connecting: joining the consumer group"]
    followed.on_partitions_assigned([P0, P3])
    assert status.reasons() == [f"asking for the position of partition {p}" for p in (0, 3)]
    followed.unplaced.clear()
    followed.places = {P0: Place(60, 70, Position(60)), P3: Place(5, 9, Position(5))}
    assert status.reasons()[0] == "catching up partition 0: at offset 60 of 70"
    followed.places = {P0: Place(70, 70, Position(70)), P3: Place(9, 9, Position(9))}
    assert status.report() == {"ready": True, "reasons": [], "partitions": {"0": "running", "3": "running"}}
    followed.failing = "the database is locked"
    assert status.reasons() == ["failing: the database is locked"]
    status.is_stopping = True
    assert status.reasons() == ["stopping"]


def test_it_is_not_ready_without_partitions_or_without_a_broker() -> None:
    followed = follower(silent_since_ms=1)
    status = status_of(followed)
    followed.on_partitions_assigned([])
    assert status.reasons() == ["no assignment: there are as many other workers as partitions"]
    followed.on_partitions_revoked([])
    assert status.reasons() == ["rebalancing"]
    followed.on_partitions_assigned([])
    followed.places = {P0: Place(70, 70, Position(70))}
    (reason,) = status.reasons()
    assert reason.startswith("connecting: Kafka has not answered for ")
    assert ViewsStatus().reasons() == ["starting"]


def test_gauges_are_of_the_partitions_that_are_followed() -> None:
    followed = follower()
    status = status_of(followed)
    followed.places = {P0: Place(60, 70, Position(60, recorded_at_ms=990_000)), P3: Place(5, 9, Position(5))}
    status.refresh_gauges()
    value = metrics.REGISTRY.get_sample_value
    assert value("walletstream_view_lag_records", {"partition": "0"}) == 13, "what is hidden too"
    assert value("walletstream_view_lag_records", {"partition": "3"}) == 4
    assert value("walletstream_view_age_seconds", {"partition": "0"}) == 10.0
    assert value("walletstream_view_age_seconds", {"partition": "3"}) is None
    followed.on_partitions_revoked([])
    status.refresh_gauges()
    assert value("walletstream_view_lag_records", {"partition": "0"}) is None


def test_it_tells_how_many_partitions_it_owns_and_how_often_they_were_shared_out() -> None:
    def rebalances() -> float:
        return metrics.REGISTRY.get_sample_value("walletstream_rebalances_total") or 0.0

    before, followed = rebalances(), follower()
    status = status_of(followed)
    followed.on_partitions_assigned([P0, P3])
    followed.places = {P0: Place(70, 70, Position(70))}
    followed.unplaced = {P3}
    status.refresh_gauges()
    status.refresh_gauges()
    assert metrics.REGISTRY.get_sample_value("walletstream_assigned_partitions") == 2
    assert rebalances() - before == 1
    followed.on_partitions_revoked([])
    status.refresh_gauges()
    assert metrics.REGISTRY.get_sample_value("walletstream_assigned_partitions") == 0


def test_a_gap_is_read_again_once_and_refused_when_it_repeats() -> None:
    async def run() -> None:
        followed = follower(Store(LogGap("offset 4 has sequence 4 where 3 follows")))
        place = Place(3, 9, Position(3))
        for _ in range(2):
            followed.places, followed.unplaced = {P0: place}, set()
            await followed._apply(P0, place, Chunk(0, 3, 9, []))
            assert followed.unplaced == {P0}
            assert not followed.places

    with pytest.raises(Refused, match="does not continue what the views reflect: offset 4 has sequence 4"):
        asyncio.run(run())


def test_a_database_that_does_not_answer_is_asked_again_and_then_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []

    async def pause(_stopped: asyncio.Event, seconds: float) -> None:
        pauses.append(seconds)

    async def turn(self: Follower) -> None:
        self.places = {P0: Place(3, 9, Position(3))}
        raise Unavailable("the database is locked")

    async def nothing() -> None:
        return None

    consumer = SimpleNamespace(subscribe=lambda *_args, **_options: None, start=nothing, stop=nothing)
    monkeypatch.setattr("agents.views.follow.follower", lambda *_args, **_options: consumer)
    monkeypatch.setattr("agents.views.follow.pause", pause)
    monkeypatch.setattr(Follower, "_turn", turn)
    followed = Follower(Settings(max_failures=5), cast(ViewStore, None))
    with pytest.raises(Unavailable):
        asyncio.run(followed.run(asyncio.Event()))
    assert pauses == [0.5, 1.0, 2.0, 4.0]
    assert followed.unplaced == {P0}
    assert followed.failing == "the database is locked"


def test_a_store_that_cannot_be_opened_ends_the_worker(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async def code(**settings: Any) -> int:
        return await ViewsWorker(Settings(**settings)).serve()

    assert asyncio.run(code(views_url="mysql://somewhere/else")) == 2
    assert "views are kept in postgresql or sqlite" in capsys.readouterr().err
    assert asyncio.run(code(views_url=f"sqlite:///{tmp_path}/no/such/folder.sqlite")) == 1
    assert "unable to open database file" in capsys.readouterr().err
    (tmp_path / "views.sqlite").mkdir()
    assert asyncio.run(code(data_dir=tmp_path)) == 1
