"""Workers die while ticks end thousands of holds at once: each of them ends once, and its money comes back once."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter

import orjson
import pytest

from schemas.topics import LEDGER_EVENTS
from tests.crash.cluster import Cluster
from tests.crash.proof import prove
from tests.crash.stories import Stories
from tests.crash.story import Script, Story
from tests.crash.stream import Stream
from tests.crash.traffic import Traffic
from tests.crash.truth import records

pytestmark = [pytest.mark.kafka, pytest.mark.slow]

_HELD_S = 8


def many_holds(story: Story) -> Script:
    """Fifty holds of a wallet, which end at their time."""
    wallet_id = story.wallet()
    fields = {"amount_minor": story.amount(), "asset": "EUR", "expires_in_s": _HELD_S}
    yield tuple(story.ask(wallet_id, "authorize", "processed/canceled hold_expired", **fields) for _ in range(50))


async def _ended_by_tick(cluster: Cluster) -> Counter[tuple[int, int]]:
    """How many holds each record of the internal commands has ended."""
    ended = Counter[tuple[int, int]]()
    async for record in records(cluster.settings, LEDGER_EVENTS):
        event = orjson.loads(record.value)
        if event.get("command") == "expire" and event["cause"]["topic"] == "internal-commands":
            ended[record.partition, event["cause"]["offset"]] += 1
    return ended


def test_workers_die_while_thousands_of_holds_end(cluster: Cluster, stream: Stream) -> None:
    chance = random.Random(11)
    workers = [cluster.start("a"), cluster.start("b")]
    for worker in workers:
        worker.wait_ready()
    stories = Stories(5, 60, cluster.partitions, [many_holds])
    # The stream waits with the workers: it is the holds that shall be many.
    with Traffic(cluster.settings, stream, rate=2_500, backlog=4_000, stories=stories) as traffic:
        traffic.wait_answered(8_000)
        # Nobody is there when they are due.
        for worker in workers:
            worker.kill()
        time.sleep(_HELD_S)
        for pause_s in (None, *[chance.uniform(0.2, 1.5) for _ in range(2)]):
            for worker in workers:
                if pause_s is not None:
                    worker.kill()
                worker.start()
            # Then they die at some step of the restore, of the tick or of its batch.
            time.sleep(2.0 if pause_s is None else 2.0 + pause_s)
        traffic.finish()
        proof = prove(cluster, traffic)
    assert proof.verdict.holds, proof.verdict.cases
    ended = asyncio.run(_ended_by_tick(cluster))
    assert ended.total() > 2_000
    assert max(ended.values()) > 500, "no tick ended many at once"
