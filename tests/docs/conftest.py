"""A ledger that runs, for what the documentation tells one to type."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from ops.cli.topics import apply_topics
from ops.processes import WorkerProcess, wait_until_ready
from streams.settings import Settings
from tests.broker import Kafka


class Ledger(NamedTuple):
    """A running ledger: its broker and its namespace."""

    bootstrap_servers: str
    namespace: str


@pytest.fixture
def ledger(kafka: Kafka, namespace: str, tmp_path: Path) -> Iterator[Ledger]:
    """Topics applied and one worker, stopped at the end."""
    environ = {
        "WALLETSTREAM_BOOTSTRAP_SERVERS": kafka.bootstrap_servers,
        "WALLETSTREAM_NAMESPACE": namespace,
        "WALLETSTREAM_PARTITIONS": "4",
        "WALLETSTREAM_DATA_DIR": str(tmp_path / "data"),
    }
    settings = Settings.model_validate({name[len("WALLETSTREAM_") :].lower(): value for name, value in environ.items()})
    assert not asyncio.run(apply_topics(settings)).refused
    worker = WorkerProcess("docs", environ, tmp_path / "worker.log")
    worker.start()
    try:
        wait_until_ready([worker])
        yield Ledger(kafka.bootstrap_servers, namespace)
    finally:
        worker.stop()
