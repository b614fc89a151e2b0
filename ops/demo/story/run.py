"""Plays the story on the demo's broker: topics and reference data, a worker, the story, what `verify` says of it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from ops.amounts import Amounts
from ops.cli.topics import apply_topics
from ops.demo import stage
from ops.demo.story.books import trial_balances
from ops.demo.story.on_kafka import on_kafka
from ops.demo.story.page import Page
from ops.demo.story.player import PlayedStep, Player
from ops.demo.story.script import STORY
from ops.demo.story.setting import REFERENCE_DATA, registry
from ops.demo.story.told import Told
from ops.demo.workers import DemoWorker, stop_workers, until_ready
from ops.reading import open_reader
from ops.reference_records import put, read_lines
from streams.settings import Settings

#: Its own namespace, so that its fees and rates are not those of the load.
_NAMESPACE: Final = "story."


async def tell(folder: Path, bootstrap_servers: str, write: Callable[[str], None]) -> Told:
    """Tell the story on this broker; `write` gets its lines.

    Raises:
        OperationError: the story did not go as it is written, or the worker ended.
    """
    environment = stage.environment_of(folder, bootstrap_servers, _NAMESPACE)
    settings = stage.settings_of(environment)
    await apply_topics(settings)
    await _refer(settings)
    worker = DemoWorker("story-1", environment, folder / "story-1.log")
    try:
        worker.start()
        await until_ready([worker])
        told = await play(settings, write, worker.raise_if_down)
    finally:
        await stop_workers([worker])
    code, told.verify_line = await stage.verify(folder, environment)
    told.verify_holds = code == 0
    write(f"     {told.verify_line}")
    return told


async def play(settings: Settings, write: Callable[[str], None], check: Callable[[], None] = lambda: None) -> Told:
    """Play the story on a ledger that runs, and write it down."""
    told, page, started = Told(), Page(Amounts(registry())), time.perf_counter()

    def on_step(step: PlayedStep) -> None:
        told.steps.append(step)
        for line in page.step(step):
            write(line)

    async with on_kafka(settings, settings.namespace, check) as ledger:
        told.trials = trial_balances(await Player(ledger).play(STORY, on_step))
    told.seconds = time.perf_counter() - started
    for line in page.trial(told.trials):
        write(line)
    return told


async def _refer(settings: Settings) -> None:
    """The reference data, before the worker starts: it reads it before anything else."""
    async with open_reader(settings, settings.namespace) as reader:
        for topic, records in REFERENCE_DATA.items():
            await put(reader, topic, read_lines([json.dumps(record).encode() for record in records], topic))
