from __future__ import annotations

from pathlib import Path

import pytest

from streams.settings import Settings
from tests.broker import Kafka


@pytest.fixture
def toy_settings(kafka: Kafka, namespace: str, tmp_path: Path) -> Settings:
    """Settings of a toy worker with a namespace and a data directory of its own."""
    return Settings(
        bootstrap_servers=kafka.bootstrap_servers,
        namespace=namespace,
        partitions=2,
        data_dir=tmp_path,
        worker_id="w1",
        web_port=0,
        session_timeout_s=3.0,
    )
