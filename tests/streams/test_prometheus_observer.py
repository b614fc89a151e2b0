from __future__ import annotations

import asyncio
import sys
import time
import timeit
from functools import partial
from types import SimpleNamespace
from typing import Any, cast

import pytest
from prometheus_client import generate_latest

from streams import metrics
from streams.batch import Batch, Progress
from streams.commit import CommitStep
from streams.errors import Fenced, StoreError
from streams.machine import Context, InputRecord, Message, Outgoing
from streams.observer import Observer
from streams.observers import LogObserver, Observers
from streams.prometheus_observer import PrometheusObserver, StepTimer


def sample(name: str, **labels: str) -> float:
    return metrics.REGISTRY.get_sample_value(f"walletstream_{name}", labels) or 0.0


def batch_of(count: int) -> Batch:
    message = Message("log", 0, None, b"v")
    labels: list[tuple[str, str | None]] = [("settled", None), ("rejected", "no_funds")] * (count // 2)
    after = Progress(sequence=count, time_ms=int(time.time() * 1000) - 2_000)
    return Batch(Outgoing([message] * (3 * count)), labels, b"seal", after, count, ("log", 0))


def test_a_batch_is_counted() -> None:
    observer = PrometheusObserver()
    for _ in range(2):
        observer.committed(41, batch_of(10))
    assert sample("batches_total", partition="41") == 2
    assert sample("records_total", partition="41") == 20
    assert sample("messages_total", partition="41") == 60
    assert sample("events_total", partition="41", type="settled", code="") == 10
    assert sample("events_total", partition="41", type="rejected", code="no_funds") == 10
    assert sample("sequence", partition="41") == 10


def test_dead_letters_are_counted_by_reason_and_stage() -> None:
    observer, batch = PrometheusObserver(), batch_of(10)
    batch.dead_letters = [("malformed", "decode")] * 2 + [("oversized", "write")]
    observer.committed(46, batch)
    observer.committed(46, batch_of(10))
    assert sample("dead_letters_total", reason="malformed", stage="decode") == 2
    assert sample("dead_letters_total", reason="oversized", stage="write") == 1


def test_failures_are_counted_by_class() -> None:
    observer = PrometheusObserver()
    observer.failed(42, Fenced("x"), 1)
    observer.failed(42, StoreError("y"), 2)
    assert sample("failures_total", partition="42", error="Fenced") == 1
    assert sample("failures_total", partition="42", error="StoreError") == 1
    assert sample("fenced_total", partition="42") == 1


def test_a_restore_is_measured() -> None:
    observer = PrometheusObserver()
    before = sample("restore_seconds_count")
    observer.restoring(43, 5)
    observer.restore_progress(43, 100, 250)
    assert sample("restore_remaining_events", partition="43") == 150
    observer.rebuilt(43)
    observer.restored(43, 17)
    assert sample("restore_remaining_events", partition="43") == 0
    assert sample("restores_total", partition="43") == 1
    assert sample("incarnation", partition="43") == 5
    assert sample("rebuilt_total", partition="43") == 1
    assert sample("sequence", partition="43") == 17
    assert sample("restore_seconds_count") == before + 1


def test_holes_and_bugs_are_counted() -> None:
    observer = PrometheusObserver()
    observer.hole(44, "requests")
    observer.bug(cast(InputRecord, SimpleNamespace(offset=1)), Context("requests", 44, 1, 0, ""), KeyError("k"))
    assert sample("holes_total", partition="44", topic="requests") == 1
    assert sample("bugs_total", partition="44", error="KeyError") == 1


def test_counting_costs_less_than_a_hundredth() -> None:
    """A batch of 2,000 records takes some 40 ms of work; one of 10 records 1 ms."""
    if sys.gettrace() is not None:
        pytest.skip("who looks at every line, as coverage does, takes more time than the line")
    observer = PrometheusObserver()
    for count, budget_s in ((2_000, 400e-6), (10, 30e-6)):
        batch = batch_of(count)
        assert min(timeit.repeat(partial(observer.committed, 45, batch), number=20, repeat=5)) / 20 < budget_s


def test_steps_are_timed_without_the_wait_for_records() -> None:
    async def check() -> None:
        now = [0.0]
        timer = StepTimer(lambda: now[0])
        before = {step: sample("step_seconds_sum", step=step) for step in ("decide", "write", "persist")}
        for step, lasts_s in (
            (CommitStep.TAKE, 100.0),
            (CommitStep.DECIDE, 0.5),
            (CommitStep.WRITE, 1.5),
            (CommitStep.COMMIT, 0.5),
            (CommitStep.PERSIST, 0.25),
            (CommitStep.ACKNOWLEDGE, 7.0),
            (CommitStep.TAKE, 100.0),
            (CommitStep.DECIDE, 50.0),  # breaks off
            (CommitStep.TAKE, 1.0),
        ):
            await timer(step)
            now[0] += lasts_s
        spent = {step: sample("step_seconds_sum", step=step) - at for step, at in before.items()}
        assert spent == {"decide": 0.5, "write": 2.0, "persist": 0.25}

    asyncio.run(check())


def test_the_page_is_plain_text_without_times_of_creation() -> None:
    page = generate_latest(metrics.REGISTRY).decode()
    assert "_created" not in page
    names = {line.split()[2] for line in page.splitlines() if line.startswith("# TYPE walletstream_")}
    assert {"walletstream_batches_total", "walletstream_step_seconds"} <= names


def test_observers_tell_all() -> None:
    told: list[tuple[Any, ...]] = []

    class Listener(Observer):
        def __getattribute__(self, name: str) -> Any:
            if name.startswith("_"):
                return super().__getattribute__(name)
            return lambda *args: told.append((name, *args))

    calls: list[tuple[str, tuple[Any, ...]]] = [
        ("restoring", (1, 2)),
        ("restore_progress", (1, 2, 3)),
        ("restored", (1, 5)),
        ("loaded", (1, SimpleNamespace())),
        ("rebuilt", (1,)),
        ("committed", (1, batch_of(2))),
        ("failed", (1, KeyError("k"), 3)),
        ("closed", (1, "why")),
        ("ended", (1,)),
        ("hole", (1, "requests")),
        ("bug", (SimpleNamespace(offset=9), Context("requests", 1, 1, 0, ""), KeyError("k"))),
    ]
    assert {name for name, _ in calls} == {name for name in vars(Observer) if not name.startswith("_")}
    every = Observers([Listener(), LogObserver(), PrometheusObserver(), Listener()])
    for name, args in calls:
        getattr(every, name)(*args)
    assert told == [(name, *args) for name, args in calls for _ in range(2)]
