"""`worker ledger`, `worker settlement` and `worker reconciliation` on a real broker, killed: a slice of the campaign.

The rails' own journals say that nothing is paid twice; what was planted in statements, that nothing is lost or doubled.
Then what operators see of settlement. The whole campaign is `python -m tests.reconciliation.campaign`.
"""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator

import pytest
from click.testing import CliRunner, Result

from ops.cli import main
from ops.processes import stop_all
from tests.broker import Kafka
from tests.reconciliation.campaign import Cluster, Plan, run
from tests.reconciliation.judging import Report

pytestmark = [pytest.mark.kafka, pytest.mark.slow]


class Small(Cluster):
    """Workers take long to start, and that is most of the time that this takes."""

    names = ("ledger-1", "settlement-1", "settlement-2", "reconciliation-1")


@pytest.fixture(scope="module")
def campaign(kafka: Kafka, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Cluster, Report]]:
    """With this seed one dies again as it restores, and three of all roles die together."""
    cluster = Small(kafka.bootstrap_servers, "killed.", tmp_path_factory.mktemp("killed"))
    try:
        yield cluster, run(cluster, Plan(kills=5, seed=63, report_every_s=1.0, import_kill_share=0.3))
    finally:
        stop_all(list(cluster.workers.values()))


def cli(cluster: Cluster, *arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments), env=cluster.environ)


def shown(cluster: Cluster, *arguments: str) -> list[dict[str, object]]:
    result = cli(cluster, "settlement", *arguments, "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.output)
    assert isinstance(found, list)
    return found


def test_no_batch_is_paid_twice_and_none_is_forgotten(campaign: tuple[Cluster, Report]) -> None:
    _, report = campaign
    assert report.settlement.wrong == []
    assert report.settlement.payments > 20
    assert report.settlement.states["settled"] > 20


def test_every_break_is_resolved_once_and_the_money_is_there(campaign: tuple[Cluster, Report]) -> None:
    _, report = campaign
    assert report.wrong == [], str(report)
    assert report.kills.total() == 5
    assert report.kills.keys() == {"ledger", "settlement", "reconciliation"}
    assert report.imports["seen"] >= report.files
    assert report.planted.total() >= 3
    assert report.posted > 0


def test_what_operators_see(campaign: tuple[Cluster, Report]) -> None:
    cluster, report = campaign
    batches = shown(cluster, "batches")
    assert len(batches) == report.settlement.batches
    assert {batch["rail"] for batch in batches} == {"sepa", "ach-net"}
    assert shown(cluster, "batches", "--open") == []
    settled = shown(cluster, "batches", "--state", "settled", "--rail", "sepa", "--last", "1")
    assert [batch["state"] for batch in settled] == ["settled"]
    batch_id = str(settled[0]["batch_id"])
    one = cli(cluster, "settlement", "show", batch_id[:12])
    assert one.exit_code == 0, one.output
    assert f"batch      {batch_id}" in one.output
    assert f"  {batch_id}-00000  " in one.output
    assert "walletstream tx show" in one.output
    table = cli(cluster, "settlement", "batches").output.splitlines()
    assert table[0].split() == ["batch", "opened", "rail", "way", "state", "payments", "amount", "settled", "failed"]
    positions = cli(cluster, "settlement", "position").output.splitlines()
    assert len(positions) == 3
    forecast = shown(cluster, "forecast", "--rail", "sepa")
    assert [(row["outgoing_minor"], row["waiting_minor"]) for row in forecast] == [(0, 0)]


def test_what_operators_order(campaign: tuple[Cluster, Report]) -> None:
    cluster, _ = campaign
    before = shown(cluster, "position", "--rail", "sepa")[0]["funded_minor"]
    funded = cli(cluster, "settlement", "fund", "sepa", "EUR", "12.34", "--reference", "bank 7")
    assert funded.exit_code == 0, funded.output
    assert "12.34 EUR put at the disposal of sepa" in funded.output
    assert cli(cluster, "settlement", "withdraw", "sepa", "EUR", "12.34", "--reason", "test").exit_code == 0
    assert shown(cluster, "position", "--rail", "sepa")[0]["funded_minor"] == before
    batch_id = str(shown(cluster, "batches", "--last", "1")[0]["batch_id"])
    for arguments, said in (
        (("fund", "nowhere", "EUR", "1"), "there is no rail 'nowhere'"),
        (("fund", "sepa", "EUR", "1.234"), "has 3 decimals"),
        (("fund", "sepa", "EUR", "0"), "must be more than 0"),
        (("withdraw", "sepa", "EUR", "99999999", "--reason", "x"), "are free; batches and the reserve need the rest"),
        (("retry", batch_id), "only one that is ready"),
        (("abandon", batch_id, "--reason", "x"), "only one that waits for its rail can be given up"),
        (("show", "zz"), "no batch whose id begins with 'zz'"),
        (("forecast", "--rail", "nowhere"), "there is no rail 'nowhere'"),
    ):
        result = cli(cluster, "settlement", *arguments)
        assert result.exit_code == 1, result.output
        assert said in result.output


def test_what_metrics_show(campaign: tuple[Cluster, Report]) -> None:
    cluster, _ = campaign
    pages = ""
    for name in ("settlement-1", "settlement-2"):
        address = f"http://127.0.0.1:{cluster.workers[name].web_port}/metrics"
        pages += urllib.request.urlopen(address).read().decode()
    for name in (
        'walletstream_settlement_batches_total{rail="sepa",state="',
        'walletstream_settlement_position_minor{asset="EUR",part="funded",rail="sepa"}',
        'walletstream_settlement_answers_total{rail="sepa",result="taken"}',
        'walletstream_settlement_seconds_count{rail="sepa"}',
    ):
        assert name in pages
