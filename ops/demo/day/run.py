"""Runs a day on a broker: topics and rails, a worker of each of the three roles, the day, what `verify` says of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Final

from ops.cli.topics import apply_topics
from ops.demo import stage
from ops.demo.day.page import lines
from ops.demo.day.play import Day
from ops.demo.day.roles import Roles
from ops.demo.day.script import RAILS, rail_record
from ops.demo.day.told import DayTold
from ops.demo.workers import DemoWorker, stop_workers, until_ready
from ops.reading import open_reader
from ops.reference_records import put, read_lines
from schemas import topics

#: Its own namespace, so that its rails and fees are not those of the load.
_NAMESPACE: Final = "day."
_ROLES: Final = ("ledger", "settlement", "reconciliation")
#: Two, so that what belongs together is not always in one.
_PARTITIONS: Final = "2"
_REMATCH_INTERVAL_S: Final = "1"


async def live(
    folder: Path, bootstrap_servers: str, write: Callable[[str], None], namespace: str = _NAMESPACE
) -> DayTold:
    """Play a day on this broker; `write` gets its lines at the end.

    Raises:
        OperationError: something did not come or was refused, or a worker has ended.
    """
    environment = stage.environment_of(folder, bootstrap_servers, namespace) | {
        "WALLETSTREAM_PARTITIONS": _PARTITIONS,
        # Never where the rails of somebody's own are.
        "WALLETSTREAM_RAILS_DIR": str(folder / f"{namespace}rails"),
        "WALLETSTREAM_RECONCILIATION_REMATCH_INTERVAL_S": _REMATCH_INTERVAL_S,
    }
    settings = stage.settings_of(environment)
    workers = [DemoWorker(f"day-{role}", environment, folder / f"day-{role}.log", role=role) for role in _ROLES]

    def check() -> None:
        for worker in workers:
            worker.raise_if_down()

    await apply_topics(settings)
    async with open_reader(bootstrap_servers, namespace) as reader:
        # Before they start: they read it before anything else.
        records = [json.dumps(rail_record(rail)).encode() for rail in RAILS]
        await put(reader, topics.RAILS, read_lines(records, topics.RAILS))
        try:
            for worker in workers:
                worker.start()
            await until_ready(workers)
            told = await Day(Roles(reader, settings, check), folder).play()
        finally:
            await stop_workers(workers)
    code, told.verify_line = await stage.verify(folder, environment)
    told.verify_holds = code == 0
    for line in lines(told):
        write(line)
    return told
