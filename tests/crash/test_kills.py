"""`kill -9` at random moments under load: nothing is lost, nothing doubled. A slice of the campaign."""

from __future__ import annotations

import pytest

from tests.crash.campaign import Plan, run
from tests.crash.cluster import Cluster

pytestmark = [pytest.mark.kafka, pytest.mark.slow]


def test_ten_kills(cluster: Cluster) -> None:
    plan = Plan(kills=10, requests=22_000, partitions=cluster.partitions, wallets=300, seed=3, rate=2_500)
    report = run(plan, cluster, print)
    print(report.lines())
    assert report.verdict.holds, report.lines()
    assert report.kills.total() == 10
    assert report.verdict.records == report.verdict.answers == plan.requests
    assert max(report.in_flight) > 0, "no kill hit any work"
