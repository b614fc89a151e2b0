"""A slice of the mutated records on a real Kafka."""

from __future__ import annotations

import pytest

from tests.crash.cluster import Cluster
from tests.crash.mutated import run


@pytest.mark.kafka
@pytest.mark.slow
def test_three_thousand_mutated_records(cluster: Cluster) -> None:
    verdict = run(cluster, count=3_000, seed=2, announce=print)
    assert verdict.holds, "\n".join(verdict.cases)
    assert verdict.records >= 6_000
    assert {"ok", "malformed", "amount_out_of_range", "key_mismatch"} <= set(verdict.by_code)
