"""Daily proofs by the reconciliation role: one of its workers makes and publishes them, beside its processors.

Which one a consumer group of its own says, by who has the first partition of `reconciliation-proofs`. The group is only
to spare the others the work: publishing fences whoever did it before, and writes what is not there yet. A failure here
is told and tried again, and matching goes on.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from typing import Any, Final

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from ops.reading import open_reader
from ops.reconcile.daily_proofs import DailyProofs
from ops.reconcile.proof_metrics import forget, tell
from schemas.topics import LEDGER_EVENTS, RECONCILIATION_PROOFS, full_name
from streams import metrics
from streams.foreground import pause
from streams.kafka_follower import follower
from streams.logs import fields
from streams.settings import Settings

log = logging.getLogger(__name__)

GROUP: Final = "reconciliation-proofs"
_POLL_S: Final = 0.5
_FIRST_PAUSE_S: Final = 1.0
_LONGEST_PAUSE_S: Final = 60.0


class ProofsCompanion:
    """Publishes proofs as long as its worker is the one to do so."""

    def __init__(self, settings: Settings):
        self._settings = settings
        self._first = TopicPartition(full_name(settings.namespace, RECONCILIATION_PROOFS), 0)

    async def run(self, stopped: asyncio.Event) -> None:
        """Run until `stopped`."""
        failures = 0
        while not stopped.is_set():
            try:
                await self._serve(stopped)
            except (KafkaError, OSError) as error:
                failures += 1
                _failed(error, failures)
                await pause(stopped, _pause_s(failures))

    async def _serve(self, stopped: asyncio.Event) -> None:
        """Prove as long as the group wants us to."""
        consumer = follower(self._settings, GROUP, fetch_max_wait_ms=500, max_partition_fetch_bytes=1 << 16)
        consumer.subscribe([self._first.topic])
        working: asyncio.Future[None] | None = None
        try:
            await consumer.start()
            while not stopped.is_set():
                if not await self._is_ours(consumer):
                    await _ended(working)
                    working = None
                elif working is None:
                    working = asyncio.ensure_future(self._prove())
                await pause(stopped, _POLL_S)
        finally:
            await _ended(working)
            await consumer.stop()

    async def _is_ours(self, consumer: Any) -> bool:
        """Whether the group has given it to us. Who does not poll has to leave the group, whatever it works on."""
        assigned = consumer.assignment()
        consumer.pause(*assigned)
        await consumer.getmany(timeout_ms=0)
        return self._first in assigned

    async def _prove(self) -> None:
        """Look again and again, for ever."""
        settings, failures = self._settings, 0
        proofs: DailyProofs | None = None
        while True:
            try:
                async with open_reader(settings, settings.namespace) as reader:
                    proofs = proofs or DailyProofs(await reader.partition_count(LEDGER_EVENTS))
                    look = await proofs.look(reader, time.time())
                tell(look, time.time())
                for problem in look.problems:
                    log.error("the books are wrong, no proof is published: %s", problem)
                if look.written:
                    log.info("proofs published", extra=fields(proofs=len(look.written), day=look.written[-1].day))
                failures, pause_s = 0, float(settings.reconciliation_proofs_interval_s)
            except Exception as error:
                failures += 1
                _failed(error, failures)
                pause_s = _pause_s(failures)
            await asyncio.sleep(pause_s)


def _failed(error: Exception, failures: int) -> None:
    metrics.FAILURES.labels("", type(error).__name__).inc()
    log.warning("no proofs: %s", str(error) or type(error).__name__, extra=fields(failures=failures))


def _pause_s(failures: int) -> float:
    # The exponent is bounded, too: after a day without a broker it is no number of seconds any more.
    return min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2.0 ** min(failures, 16))


async def _ended(working: asyncio.Future[None] | None) -> None:
    """End the work, if there is some: it is another worker's, or nobody's any more."""
    if working is not None:
        working.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await working
        forget()
