"""The views as a role: the process around `agents.views.follow`.

A plain consumer, not a `PartitionProcessor`: those decide within Kafka transactions and keep their state under their
own offset in RocksDB. Views decide and write nothing in Kafka, and their database holds rows and position together.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any, Final

from aiokafka.errors import KafkaError

from agents.views.chunk import Unreadable
from agents.views.database import Unavailable, ViewsError, shown
from agents.views.follow import ROLE, Follower
from agents.views.store import ViewStore, open_store
from schemas.catalogue import topic_named
from schemas.topics import LEDGER_EVENTS
from streams import metrics
from streams.errors import Refused
from streams.foreground import (
    EXIT_FAILED,
    EXIT_MISCONFIGURED,
    EXIT_OK,
    Foreground,
    Needs,
    ended_by,
    fatal,
    run_foreground,
)
from streams.health import drop_all_but
from streams.logs import fields
from streams.refusals import refusal_of
from streams.settings import Settings

log = logging.getLogger(__name__)

_NEEDS: Final = Needs((topic_named(LEDGER_EVENTS),), (), LEDGER_EVENTS)
#: As long as this a broker is silent only where it does not answer.
_SILENT_S: Final = 5.0


def run_views(settings: Settings) -> int:
    """Run a worker of the views until SIGTERM or SIGINT.

    Returns:
        0 after a signal; 1 where the worker had to end and a restart may mend it; 2 where the cluster, the settings or
        the store are not as they must be.
    """
    return run_foreground(ViewsWorker(settings), settings)


class ViewsStatus:
    """What a worker of the views is doing, gathered when somebody asks."""

    def __init__(self, clock: Callable[[], float] = time.time):
        self.waiting_for = "starting"
        self.is_stopping = False
        self.follower: Follower | None = None
        self._clock = clock
        self._assignments = 0

    def reasons(self) -> list[str]:
        """Why the worker is not ready; empty where the views of every partition of it are current."""
        if self.is_stopping:
            return ["stopping"]
        follower = self.follower
        if self.waiting_for or follower is None:
            return [self.waiting_for or "starting"]
        if follower.failing:
            return [f"failing: {follower.failing}"]
        if not follower.is_assigned:
            return ["rebalancing" if follower.assignments else "connecting: joining the consumer group"]
        if not follower.places and not follower.unplaced:
            return ["no assignment: there are as many other workers as partitions"]
        reasons = [f"asking for the position of partition {tp.partition}" for tp in sorted(follower.unplaced)]
        reasons += [
            f"catching up partition {tp.partition}: at offset {place.position.next_offset} of {place.goal}"
            for tp, place in sorted(follower.places.items())
            if not place.is_current
        ]
        if not reasons and (silence_s := follower.silence_s()) > _SILENT_S:
            return [f"connecting: Kafka has not answered for {silence_s:.0f} s"]
        return reasons

    def report(self) -> dict[str, Any]:
        """The body of `/readyz`."""
        reasons = self.reasons()
        places = {} if self.follower is None else self.follower.places
        return {
            "ready": not reasons,
            "reasons": reasons,
            "partitions": {
                str(tp.partition): "running" if place.is_current else "catching up"
                for tp, place in sorted(places.items())
            },
        }

    def refresh_gauges(self) -> None:
        """What this worker owns, and lag and age of every partition that it follows."""
        follower = self.follower
        if follower is None:
            return
        metrics.ASSIGNED_PARTITIONS.set(len(follower.places.keys() | follower.unplaced))
        metrics.REBALANCES.inc(follower.assignments - self._assignments)
        self._assignments = follower.assignments
        for tp, place in follower.places.items():
            metrics.VIEW_LAG_RECORDS.labels(tp.partition).set(follower.lag_records(tp))
            if place.position.recorded_at_ms:
                age_s = max(0.0, self._clock() - place.position.recorded_at_ms / 1000)
                metrics.VIEW_AGE_SECONDS.labels(tp.partition).set(age_s)
        drop_all_but({tp.partition for tp in follower.places}, metrics.VIEWS_OF_OWNED_PARTITIONS)


class ViewsWorker(Foreground):
    """One worker process of the views."""

    def __init__(self, settings: Settings):
        self.status = ViewsStatus()
        super().__init__(ROLE, settings, _NEEDS, self.status)

    async def serve(self) -> int:
        """Follow the event log until it is asked to stop or fails."""
        try:
            store = open_store(self.settings)
        except ViewsError as error:
            return fatal(str(error), EXIT_MISCONFIGURED)
        try:
            store.prepare()
            return await self._follow(store)
        except Unavailable as error:
            return fatal(f"{type(error).__name__}: {error}", EXIT_FAILED)
        except (ViewsError, Refused, Unreadable) as error:
            return fatal(f"{type(error).__name__}: {error}", EXIT_MISCONFIGURED)
        except KafkaError as error:
            return ended_by(error) if refusal_of(error) else fatal(f"reading {LEDGER_EVENTS}: {error!r}", EXIT_FAILED)
        finally:
            store.close()

    async def _follow(self, store: ViewStore) -> int:
        log.info("views", extra=fields(at=shown(store.url)))
        follower = self.status.follower = Follower(self.settings, store)
        self.status.waiting_for = ""
        await follower.run(self.stopped)
        log.info("stopped", extra=fields(role=self.role))
        return EXIT_OK
