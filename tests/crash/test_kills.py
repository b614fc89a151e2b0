"""`kill -9` at random moments under load: nothing is lost, nothing doubled. Slices of the campaign."""

from __future__ import annotations

import pytest

from tests.crash.campaign import Plan, run
from tests.crash.cluster import Cluster
from tests.crash.scripts import SCRIPTS

pytestmark = [pytest.mark.kafka, pytest.mark.slow]


def test_six_kills_of_every_kind(cluster: Cluster) -> None:
    """Credits, debits and transfers. With this seed one dies and comes back at once, one dies and the other has taken
    over, one dies again as it restores, and both die together."""
    plan = Plan(
        kills=6, requests=12_000, partitions=cluster.partitions, wallets=300, seed=72, rate=2_000, story_wallets=0
    )
    report = run(plan, cluster, print)
    print(report.lines())
    assert report.verdict.holds, report.lines()
    assert report.kills.total() == 6
    assert report.kills["all at once"] == 2
    assert report.kills["during restore"] + report.kills["again, just ready"] == 1
    assert report.verdict.records == report.verdict.answers == plan.requests
    assert max(report.in_flight) > 0, "no kill hit any work"


def test_three_kills_among_all_operations(cluster: Cluster) -> None:
    plan = Plan(
        kills=3,
        requests=6_000,
        partitions=cluster.partitions,
        wallets=200,
        seed=3,
        rate=2_000,
        story_wallets=60,
    )
    report = run(plan, cluster, print)
    print(report.lines())
    assert report.verdict.holds, report.lines()
    assert report.kills.total() == 3
    assert report.verdict.records == report.verdict.answers >= plan.requests
    assert set(report.stories) == {"open_and_fund", *(script.__name__ for script in SCRIPTS)}
