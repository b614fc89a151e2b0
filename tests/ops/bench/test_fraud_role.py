"""The benchmark of the fraud role decides what it says it decides."""

from __future__ import annotations

import json

from click.testing import CliRunner

from ops.bench.fraud_role import ledger_events, main, measure
from schemas.partitioning import partition_of


def test_each_event_lies_with_its_wallet() -> None:
    events = list(ledger_events(50, 3))
    assert [partition_of(json.loads(value)["wallet_id"], 3) for _, value in events] == [at for at, _ in events]
    assert events == list(ledger_events(50, 3))
    assert len({json.loads(value)["transaction_id"] for _, value in [*events, *ledger_events(50, 3, 50)]}) == 100


def test_every_event_is_a_fact_that_is_counted() -> None:
    alone = measure(200, 25, partitions=1)
    assert alone.facts == 200
    # Those of which no rule says anything share an event.
    assert 0 < alone.written["fraud-events"] < 100
    assert "fraud-internal" not in alone.written
    apart = measure(200, 25, partitions=3)
    assert apart.written["fraud-internal"] > 0
    assert apart.facts > 200
    assert apart.decide_us > 0


def test_it_prints_what_it_measured() -> None:
    found = CliRunner().invoke(main, ["--events", "100", "--json"])
    assert found.exit_code == 0
    cost = json.loads(found.stdout)
    assert cost["per_s"] == round(1e6 / (cost["decide_us"] + cost["encode_us"]))
    found = CliRunner().invoke(main, ["--events", "100", "--rules", "1", "--profile"])
    assert "ledger events/s with 1 rules" in found.stdout
