"""The requests of a demo: wallets opened and funded, then the transfers, paced, with a kill in their middle."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from ops.amlsim import phases
from ops.demo.data import Source
from ops.demo.mix import Mixed, mix
from ops.latencies import Latencies
from ops.load import Placed, place, send_paced
from ops.outcomes import OutcomeReader, until_answered
from ops.requests import Request
from ops.sender import Sender
from ops.tracker import Tracker

PREFIX: Final = "amlsim"
ASSET: Final = "USD"
_ANSWER_TIMEOUT_S: Final = 90.0


class Traffic:
    """What is sent. Latencies are kept apart: while wallets are opened, up to the kill, and from then on."""

    def __init__(self, source: Source, tracker: Tracker):
        opening, transfers = phases(source.data, "sum-of-outgoing", PREFIX, ASSET)
        self.tracker = tracker
        self._openings: Sequence[Request] = list(opening.requests)
        self.mixed: Mixed = mix(transfers.requests)
        #: From the first transfer to the kill, or to the end where nobody is killed.
        self.undisturbed = Latencies()
        #: From the kill on.
        self.disturbed = Latencies()

    @property
    def openings(self) -> int:
        """Requests of the first phase."""
        return len(self._openings)

    @property
    def total(self) -> int:
        """Requests in all."""
        return len(self._openings) + len(self.mixed.requests)

    async def open_wallets(self, sender: Sender, reader: OutcomeReader, rate: float) -> float:
        """The first phase; returns when everything is answered: how many requests a second were."""
        started = time.perf_counter()
        await _send(sender, self._openings, rate)
        await until_answered(self.tracker, reader, timeout_s=_ANSWER_TIMEOUT_S)
        return len(self._openings) / (time.perf_counter() - started)

    async def transfer(self, sender: Sender, reader: OutcomeReader, rate: float, on_progress: OnProgress) -> None:
        """The second phase; returns when everything is answered and every transfer has arrived."""
        self.tracker.latencies = self.undisturbed
        await _send(sender, self.mixed.requests, rate, on_progress)
        await until_answered(self.tracker, reader, timeout_s=_ANSWER_TIMEOUT_S)

    def killed(self) -> None:
        """A worker was killed just now."""
        self.tracker.latencies = self.disturbed


OnProgress = Callable[[int], None]


async def _send(
    sender: Sender, requests: Sequence[Request], rate: float, on_progress: OnProgress | None = None
) -> None:
    placed: Iterator[Placed] = (place(request, sender.partitions) for request in requests)
    await send_paced(sender, lambda: next(placed), rate=rate, count=len(requests), on_progress=on_progress)
    await asyncio.sleep(0)
