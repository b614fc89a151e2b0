"""The benchmark of the fraud role on Kafka finds what it looks for."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from agents.fraud.published import RuleBook
from ops.bench.fraud_rules import probe, unhindered
from ops.bench.fraud_stream import fraud_stream
from ops.bench.run import open_stage


def test_its_rules_are_such_as_are_taken() -> None:
    assert RuleBook().publish_all([*unhindered(), probe("p", "device", "mark")]) == {}


@pytest.mark.kafka
def test_it_measures_a_worker(tmp_path: Path) -> None:
    with open_stage(lambda _name, _share: None, tmp_path) as stage:
        found = asyncio.run(fraud_stream(stage, events=5_000, rate=200.0, seconds=3.0))
    throughput, latency = found.throughput, found.latency
    # What is left at the first look after two in five are done.
    assert 0 < throughput.events <= 3_000
    assert throughput.events_per_s > 10
    assert throughput.records_between > 0
    # One in twenty, of those with a device two in three.
    assert 15 <= latency.by_device.count < latency.by_wallet.count <= 60
    assert 0 < latency.by_wallet.p50 <= latency.by_wallet.p99
    assert len(latency.obeyed_s) == 5
    assert all(0 < each < 10 for each in latency.obeyed_s)
