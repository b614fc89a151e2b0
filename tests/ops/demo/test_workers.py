"""Workers of the demo: one that ends by itself is told, and is not waited for."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from ops.demo.workers import DemoWorker, until_ready
from ops.errors import OperationError


def test_a_worker_that_ends_before_it_is_ready(tmp_path: Path) -> None:
    worker = DemoWorker("one", {}, tmp_path / "one.log", role="nobody")
    worker.start()
    try:
        with pytest.raises(OperationError, match=r"worker one ended with exit code 2\nLast lines of (.*\n)+.*nobody"):
            asyncio.run(until_ready([worker]))
    finally:
        worker.kill()
