"""Ledger and settlement on a real broker under kill -9, with the simulated rails' own journals as the witness.

`python -m tests.settlement.campaign --kills 50` runs it with a broker of its own and says what it found.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import orjson
from aiokafka import AIOKafkaProducer

from ops.broker import EmbeddedBroker
from ops.cli.progress import progress_bar
from ops.processes import stop_all
from schemas.topics import TRANSACTION_REQUESTS, full_name
from tests.settlement.cluster import FUNDS_MINOR, RAIL_RECORDS, Cluster
from tests.settlement.strikes import Strikes
from tests.settlement.witness import Found, check

#: Not enough for all payouts, so that some wait.
FIRST_FUNDS_MINOR: Final = 10_000
MORE_FUNDS_MINOR: Final = 2_000
#: Payouts that are sent and that no rail has taken, at most.
_UNDER_WAY: Final = 150
#: In this time rails say what comes late: returns, repetitions, contradictions.
AFTERTHOUGHTS_S: Final = 4.0


async def run(cluster: Cluster, kills: int, seed: int, *, rest_s: float = 180.0) -> Found:
    """Send payouts, kill workers meanwhile, wait until all is at rest, and compare with the journals."""
    began = time.monotonic()
    await cluster.start()
    async with payouts(cluster, seed):
        with progress_bar("kills") as on_progress:
            strikes = Strikes(list(cluster.workers.values()), random.Random(seed), cluster.until_more_is_taken)
            await strikes.run(kills, on_progress)
    await cluster.until_at_rest(rest_s)
    await asyncio.sleep(AFTERTHOUGHTS_S)
    found = await check(cluster)
    found.kills, found.took_s = kills, time.monotonic() - began
    return found


@asynccontextmanager
async def payouts(cluster: Cluster, seed: int) -> AsyncIterator[None]:
    """Payouts flow while the block lasts, over rails with funds for some of them; then there are funds for all."""
    for one in RAIL_RECORDS:
        await cluster.fund(one["name"], FIRST_FUNDS_MINOR)
    is_over = asyncio.Event()
    traffic = asyncio.create_task(_send_payouts(cluster, random.Random(seed + 1), is_over))
    try:
        yield
    finally:
        is_over.set()
        await traffic
    for one in RAIL_RECORDS:
        await cluster.fund(one["name"], FUNDS_MINOR)


async def _send_payouts(cluster: Cluster, rng: random.Random, is_over: asyncio.Event) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=cluster.bootstrap_servers, enable_idempotence=True)
    await producer.start()
    try:
        while not is_over.is_set():
            for _ in range(rng.randint(1, 12) if cluster.payouts - cluster.taken() < _UNDER_WAY else 0):
                wallet_id, payout = cluster.payout(rng)
                topic = full_name(cluster.namespace, TRANSACTION_REQUESTS)
                await producer.send(topic, orjson.dumps(payout), key=wallet_id.encode())
                cluster.payouts += 1
            if rng.random() < 0.5:
                await cluster.fund(rng.choice(RAIL_RECORDS)["name"], MORE_FUNDS_MINOR)
            await asyncio.sleep(0.3)
    finally:
        await producer.stop()


def main() -> int:
    """Run a campaign with a broker of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        broker = EmbeddedBroker(Path(folder) / "broker", port=0)
        with broker:
            cluster = Cluster(broker.bootstrap_servers, "campaign.", Path(folder))
            try:
                found = asyncio.run(run(cluster, given.kills, given.seed))
            finally:
                stop_all(list(cluster.workers.values()))
    print(found)
    for wrong in found.wrong[:20]:
        print(f"WRONG: {wrong}")
    return 1 if found.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
