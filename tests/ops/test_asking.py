"""Asking for topics makes none, where brokers make those that clients ask for."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from ops import admin
from ops.broker import EmbeddedBroker


@pytest.mark.kafka
def test_asking_for_a_topic_makes_none(tmp_path: Path) -> None:
    async def ask(servers: str) -> list[str]:
        async with admin.connect(servers) as connected:
            assert await connected.observe(["a.rails.v1"]) == {}
            assert await connected.partition_counts(["a.rails.v1"]) == {}
            await asyncio.sleep(2.0)  # brokers make them a moment later
            return await connected.names("a.")

    broker = EmbeddedBroker(tmp_path, overrides={"auto.create.topics.enable": "true"})
    try:
        broker.start()
        assert asyncio.run(ask(broker.bootstrap_servers)) == []
    finally:
        broker.kill()
