"""Fixtures of the crash tests: workers on the broker of the run, in a namespace of their own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.broker import Kafka
from tests.crash.cluster import Cluster
from tests.crash.stream import Stream


@pytest.fixture
def partitions() -> int:
    """Of each topic; a module may have another number."""
    return 4


@pytest.fixture
def cluster(kafka: Kafka, namespace: str, tmp_path: Path, partitions: int) -> Iterator[Cluster]:
    """Topics applied, no worker started. The workers' logs are printed, which pytest shows of failures only."""
    with Cluster(tmp_path, kafka.bootstrap_servers, namespace, partitions) as made:
        made.apply_topics()
        yield made
        print(made.tails())


@pytest.fixture
def stream(partitions: int) -> Stream:
    """A small stream, the same every time."""
    return Stream(seed=3, wallets=100, partitions=partitions)
