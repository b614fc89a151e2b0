"""Sends phases of requests and waits for their outcomes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

from ops.load import Placed, place, send_all, send_paced
from ops.outcomes import read_outcomes, until_answered
from ops.requests import Phase
from ops.sender import Sender
from ops.tracker import Tracker
from schemas.topics import TRANSACTION_REQUESTS, full_name
from streams.connection import Brokers


@dataclass(frozen=True, slots=True)
class Submitted:
    """What was sent and, where it was waited for, what was answered."""

    sent: int
    seconds: float
    tracker: Tracker | None

    def as_json(self) -> dict[str, Any]:
        """For scripts."""
        value: dict[str, Any] = {"sent": self.sent, "seconds": round(self.seconds, 3)}
        if self.tracker is not None:
            value |= {
                "answered": self.tracker.answered,
                "replayed": self.tracker.replayed,
                "doubled": self.tracker.doubled,
                "codes": dict(self.tracker.codes.most_common()),
                "updates": dict(self.tracker.updates.most_common()),
                "latency": self.tracker.latencies.summary().as_json(),
            }
        return value


async def submit(
    brokers: Brokers,
    namespace: str,
    phases: Sequence[Phase],
    *,
    topic: str = TRANSACTION_REQUESTS,
    rate: float | None = None,
    wait: bool = False,
    timeout_s: float = 60.0,
    tracker: Tracker | None = None,
    on_progress: Callable[[Phase, int, Tracker], None] | None = None,
) -> Submitted:
    """Send the requests of every phase to `topic` (its short name), in order within each wallet.

    Between phases all answers are waited for, and after the last one with `wait`; a transfer is waited for until
    its payee has the money or has refused it. What was sent until then a `tracker` of the topic tells where this is
    interrupted.

    Raises:
        OperationError: no broker, no topic, or no answer for `timeout_s` seconds.
    """
    tracker, started, sent = tracker or Tracker(topic), time.perf_counter(), 0
    async with AsyncExitStack() as stack:
        reader = None
        if wait or len(phases) > 1:
            reader = await stack.enter_async_context(read_outcomes(brokers, namespace, tracker.on_outcomes))
        sender = await stack.enter_async_context(Sender(brokers, full_name(namespace, topic), on_sent=tracker.on_sent))
        for number, phase in enumerate(phases, start=1):
            told = None if on_progress is None else _bound(on_progress, phase, tracker)
            placed = (place(request, sender.partitions) for request in phase.requests)
            sent += await _send(sender, placed, phase.count, rate, told)
            if reader is not None and (wait or number < len(phases)):
                await until_answered(tracker, reader, timeout_s=timeout_s)
    return Submitted(sent, time.perf_counter() - started, tracker if wait else None)


async def _send(
    sender: Sender, placed: Iterator[Placed], count: int, rate: float | None, told: Callable[[int], None] | None
) -> int:
    if rate is None:
        return await send_all(sender, placed, told)
    await send_paced(sender, lambda: next(placed), rate=rate, count=count, on_progress=told)
    return count


def _bound(on_progress: Callable[[Phase, int, Tracker], None], phase: Phase, tracker: Tracker) -> Callable[[int], None]:
    return lambda done: on_progress(phase, done, tracker)
