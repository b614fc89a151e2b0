"""All that can be said at the end of a crash test: by the outcomes, the journals, the balances, and `verify`."""

from __future__ import annotations

from typing import Any, NamedTuple

from tests.crash.cluster import Cluster
from tests.crash.traffic import Traffic
from tests.crash.truth import Truth, judge_truth, read_truth
from tests.crash.witness import Verdict


class Proof(NamedTuple):
    """What the witness, the topics and `verify` say."""

    verdict: Verdict
    truth: Truth
    verify: dict[str, Any]


def prove(cluster: Cluster, traffic: Traffic) -> Proof:
    """Judge finished traffic. Workers need not run.

    Raises:
        AssertionError: `verify` does not hold.
    """
    verdict, stories = traffic.witness.judge(), traffic.stories
    if stories is not None:
        stories.judge(verdict)
    truth = read_truth(cluster.settings)
    besides = None if stories is None else stories.balances
    judge_truth(verdict, traffic.stream, traffic.witness.produced, truth, besides)
    return Proof(verdict, truth, cluster.verify())


def assert_proven(cluster: Cluster, traffic: Traffic) -> Proof:
    """Finish the traffic and judge it.

    Raises:
        AssertionError: something is lost, doubled or wrong; the message shows cases.
    """
    traffic.finish()
    proof = prove(cluster, traffic)
    assert proof.verdict.holds, "\n".join(proof.verdict.cases)
    return proof
