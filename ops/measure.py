"""Measures a steady load from the moment a request was to be sent to the moment its committed outcome is read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ops.load import RequestMaker, send_all, send_paced
from ops.outcomes import read_outcomes, until_answered
from ops.sender import Sender
from ops.tracker import Tracker
from schemas.topics import TRANSACTION_REQUESTS, full_name
from streams.connection import Brokers


@dataclass(frozen=True, slots=True)
class Measured:
    """What a load led to; `seconds` is how long sending took."""

    tracker: Tracker
    seconds: float

    def as_json(self) -> dict[str, Any]:
        """For scripts."""
        tracker = self.tracker
        return {
            "sent": tracker.sent,
            "sent_per_s": round(tracker.sent / self.seconds, 1),
            "answered": tracker.answered,
            "replayed": tracker.replayed,
            "doubled": tracker.doubled,
            "codes": dict(tracker.codes.most_common()),
            "updates": dict(tracker.updates.most_common()),
            "latency": tracker.latencies.summary().as_json(),
        }


async def measure_load(
    brokers: Brokers,
    namespace: str,
    make_maker: Callable[[int], RequestMaker],
    *,
    rate: float,
    seconds: float,
    timeout_s: float = 60.0,
    on_start: Callable[[Tracker], None] | None = None,
) -> Measured:
    """Open and fund the wallets, then send `rate` requests a second for `seconds`, and wait for every answer.

    Args:
        brokers: where to connect to.
        namespace: prefix of the topics.
        make_maker: makes the generator, given the partition count.
        rate: requests a second.
        seconds: how long.
        timeout_s: seconds without any answer after which waiting ends.
        on_start: told of the tracker when the wallets are open and the load begins.

    Raises:
        OperationError: no broker, no topics, or no answers.
    """
    opened, loaded = Tracker(), Tracker()
    current = opened

    def on_outcomes(*args: Any) -> None:
        current.on_outcomes(*args)

    def on_sent(*args: Any) -> None:
        current.on_sent(*args)

    topic = full_name(namespace, TRANSACTION_REQUESTS)
    async with (
        read_outcomes(brokers, namespace, on_outcomes) as reader,
        Sender(brokers, topic, on_sent=on_sent) as sender,
    ):
        maker = make_maker(sender.partitions)
        await send_all(sender, maker.openings())
        await until_answered(opened, reader, timeout_s=timeout_s)
        current = loaded
        if on_start is not None:
            on_start(loaded)
        took_s = await send_paced(sender, maker.make, rate=rate, count=max(1, int(rate * seconds)))
        await until_answered(loaded, reader, timeout_s=timeout_s)
    return Measured(loaded, took_s)
