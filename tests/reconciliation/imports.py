"""Files of statements are imported, once and again, by two at once, and by commands that are killed in the middle."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import sys
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from ops.errors import OperationError
from ops.reading import open_reader
from ops.reconcile.importing import import_files
from tests.reconciliation.said import StatementFile
from tests.settlement.cluster import Cluster


class Imports:
    """Imports files into a cluster.

    Args:
        cluster: where to.
        rng: what befalls an import.
        kill_share: how many of the files an import is killed over, of one.
    """

    def __init__(self, cluster: Cluster, rng: random.Random, kill_share: float):
        self._cluster, self._rng, self._kill_share = cluster, rng, kill_share
        #: How long the command takes, in seconds, as far as it is known.
        self._takes_s = 2.0
        self.killed = 0
        #: What commands and calls said of files.
        self.outcomes: Counter[str] = Counter()

    async def bring(self, file: StatementFile) -> None:
        """Import a file, whatever happens on the way; afterwards it is there once."""
        if self._rng.random() < self._kill_share:
            await self._killed(file)
        if self._rng.random() < 0.2:
            await self._together(file)
        await self.bring_once(file)
        if self._rng.random() < 0.3:
            assert await self._call(file.path, file) == "seen"
        if self._rng.random() < 0.2:
            copy = file.path.with_name(f"copy-of-{file.path.name}")
            shutil.copyfile(file.path, copy)
            assert await self._call(copy, file) == "seen"

    async def bring_once(self, file: StatementFile) -> str:
        """Import a file, or find that it is there."""
        return await self._call(file.path, file)

    async def _together(self, file: StatementFile) -> None:
        """Two people import the same file at once: the later one fences the earlier."""
        ends = await asyncio.gather(*(self._call(file.path, file) for _ in range(2)), return_exceptions=True)
        for end in ends:
            assert not isinstance(end, BaseException) or isinstance(end, OperationError), repr(end)

    async def _call(self, path: Path, file: StatementFile) -> str:
        cluster = self._cluster
        data_dir = cluster.folder / "data"
        async with open_reader(cluster.bootstrap_servers, cluster.namespace) as reader:
            (imported,) = [one async for one in import_files(reader, [path], file.reading(), data_dir)]
        refusal = imported.decision.refusal
        assert refusal is None, f"{path}: {refusal.reason}: {refusal.detail}"
        self.outcomes[imported.decision.outcome] += 1
        return imported.decision.outcome

    async def _killed(self, file: StatementFile) -> None:
        """The command is killed at any moment of its life, and left to its end where it was quicker."""
        began = time.monotonic()
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", "ops", "reconcile", "import", *_arguments(file)),
            env={**os.environ, **self._environ()},
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        try:
            await asyncio.wait_for(process.wait(), self._rng.uniform(0.4, 1.1) * self._takes_s)
            self._takes_s = time.monotonic() - began
        except TimeoutError:
            process.kill()
            await process.wait()
            self.killed += 1

    def _environ(self) -> Mapping[str, str]:
        return self._cluster.environ


def _arguments(file: StatementFile) -> list[str]:
    mapping = [] if file.mapping is None else ["--mapping", str(file.mapping)]
    return ["--account", file.account, "--side", file.side, *mapping, str(file.path)]
