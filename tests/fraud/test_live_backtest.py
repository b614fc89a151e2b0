"""The stream and the backtest say the same, alert for alert: on a real broker, whatever was killed in between."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from ops.processes import wait_until_ready
from schemas.clock import rfc3339
from schemas.fraud_alerts import encode_alert
from schemas.topics import FRAUD_EVENTS, FRAUD_RULES, LISTS, TRANSACTION_REQUESTS
from tests.broker import Kafka
from tests.fraud.cluster import Cluster, running
from tests.fraud.role import Json, counted, rule

pytestmark = pytest.mark.kafka

#: What only the stream can say: when it was told, what was done about it, where to read on.
ONLY_LIVE = ("recorded_at", "action_result", "links")
OUT = {"field": "direction", "op": "eq", "value": "out"}
RULES: list[Json] = [
    counted("burst", ["wallet_id"], 3, window_s=600, cooldown_s=600, alerts_per_hour=1_000_000),
    counted("device", ["device"], 4, window_s=900, alerts_per_hour=1_000_000),
    counted("pair", ["wallet_id", "to_wallet_id"], 2, window_s=3_600, cooldown_s=60, alerts_per_hour=1_000_000),
    rule(
        "fan-in",
        ["party_id"],
        filter={"field": "direction", "op": "eq", "value": "in"},
        aggregate={"function": "count_distinct", "field": "wallet_id", "window_s": 600, "include_current": True},
        condition={"op": "ge", "value": 2},
        cooldown_s=60,
        alerts_per_hour=1_000_000,
        action="lock",
    ),
    rule(
        "own-mean",
        ["wallet_id"],
        filter=OUT,
        aggregate={"function": "avg", "field": "amount_minor", "window_s": 3_600, "min_events": 3},
        condition={"left": "amount_minor", "op": "gt", "factor": 1.5},
        alerts_per_hour=1_000_000,
    ),
    rule(
        "spread",
        ["merchant"],
        aggregate={
            "function": "stddev",
            "field": "amount_minor",
            "window_s": 1_800,
            "min_events": 4,
            "include_current": True,
        },
        condition={"op": "ge", "value": 20},
        cooldown_s=300,
        alerts_per_hour=1_000_000,
    ),
    rule(
        "small-then-large",
        ["wallet_id"],
        sequence={
            "steps": [
                {"field": "amount_minor", "op": "le", "value": 20},
                {"field": "amount_minor", "op": "ge", "value": 60},
            ],
            "within_s": 300,
        },
        cooldown_s=30,
        alerts_per_hour=1_000_000,
    ),
    rule(
        "listed",
        ["device"],
        filter={"field": "device", "op": "in_list", "value": "devices"},
        cooldown_s=3_600,
        alerts_per_hour=1_000_000,
    ),
    rule(
        "named",
        ["user"],
        filter={"field": "user", "op": "resembles", "value": "names", "at_least": 80},
        cooldown_s=120,
        alerts_per_hour=1_000_000,
    ),
    rule(
        "young",
        ["wallet_id"],
        filter={"field": "wallet_age_s", "op": "ge", "value": 0},
        condition={"left": "amount_minor", "op": "ge", "value": 70},
        cooldown_s=20,
        alerts_per_hour=1_000_000,
    ),
    rule(
        "poor",
        ["wallet_id"],
        filter={"field": "status", "op": "eq", "value": "rejected"},
        alerts_per_hour=1_000_000,
    ),
    rule(
        "unlike",
        ["wallet_id"],
        state="shadow",
        condition={"left": "anomaly_score", "op": "ge", "value": 550},
        shadow_max_bps=10_000,
        alerts_per_hour=1_000_000,
    ),
    rule(
        "score",
        ["wallet_id"],
        combination={"rules": ["burst", "own-mean", "small-then-large"], "within_s": 600, "threshold": 80},
        cooldown_s=600,
        alerts_per_hour=1_000_000,
    ),
]
LISTS_HELD: list[Json] = [
    {"name": "devices", "version": 3, "purpose": "block", "entries": ["d1"]},
    {"name": "names", "version": 2, "purpose": "watch", "entries": ["Ada Lovelace"]},
]


@pytest.fixture(scope="module")
def cluster(kafka: Kafka, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    reference = {
        LISTS: [(each["name"], each) for each in LISTS_HELD],
        FRAUD_RULES: [(each["rule_id"], each) for each in RULES],
    }
    with running(kafka, "livebacktest.", tmp_path_factory.mktemp("live"), reference=reference) as cluster:
        yield cluster


def test_the_stream_and_the_backtest_tell_the_same_alerts(cluster: Cluster, tmp_path: Path) -> None:
    fraud, chance = cluster.workers["fraud"], random.Random(7)
    for _ in range(3):
        done = len(cluster.values(FRAUD_EVENTS))
        cluster.run(cluster.send(TRANSACTION_REQUESTS, *_traffic(cluster, chance)))
        # It is at work when it is killed.
        cluster.until(partial(_has_done_more, cluster, done))
        cluster.run(cluster.send(TRANSACTION_REQUESTS, *_traffic(cluster, chance)))
        fraud.kill()
        cluster.run(cluster.send(TRANSACTION_REQUESTS, *_traffic(cluster, chance)))
        fraud.start()
    wait_until_ready([fraud])
    cluster.until(lambda: len(cluster.paid()) == cluster.sent)

    tried: dict[str, Json] = {}

    def is_same() -> bool:
        tried.update(tried=_tried(cluster, tmp_path))
        return _told(cluster) == tried["tried"]

    try:
        cluster.until(is_same)
    except AssertionError:
        # What differs, not that it does.
        assert _differences(_told(cluster), tried["tried"]) == []
        raise
    found = tried["tried"]
    rules = {alert["rule_id"] for alert in found.values()}
    assert rules == {each["rule_id"] for each in RULES}
    assert all(alert["evidence"] and alert["sentence"] for alert in found.values())
    assert {match["name"] for alert in found.values() for match in alert.get("matches", ())} == {"devices", "names"}
    # Some of them grow: what is compared is more than the facts that opened them.
    assert any(alert.get("occurrences", 1) > 3 for alert in found.values())


def _has_done_more(cluster: Cluster, than: int) -> bool:
    return len(cluster.values(FRAUD_EVENTS)) > than


def _traffic(cluster: Cluster, chance: random.Random) -> list[tuple[str, Json]]:
    found = []
    now_ms = time.time_ns() // 1_000_000
    for _ in range(60):
        fields: Json = {
            "amount_minor": chance.choice((5, 20, 40, 60, 100)),
            "device": {"fingerprint": f"d{chance.randrange(4)}", "latitude": 51.5, "longitude": -0.125},
            "references": {"merchant": f'm, "{chance.randrange(3)}"', "user": chance.choice(("ada lovelace", "Bo"))},
        }
        if chance.random() < 0.4:
            fields |= {"operation": "transfer", "to_wallet_id": f"w{chance.randrange(6)}"}
        if chance.random() < 0.05:
            fields["amount_minor"] = 100_000_000
        if chance.random() < 0.5:
            # Some of them earlier than is allowed: they count where what is allowed begins.
            fields["occurred_at"] = rfc3339(now_ms - chance.randrange(5_000_000))
        found.append(cluster.request(f"w{chance.randrange(6)}", **fields))
    return found


def _told(cluster: Cluster) -> dict[str, Json]:
    """What the stream says, by id."""
    alerts = cluster.alerts().values()
    found = {alert.alert_id: json.loads(encode_alert(alert)) for alert in alerts if alert.state != "withdrawn"}
    return {name: _without(alert, *ONLY_LIVE) for name, alert in found.items()}


def _tried(cluster: Cluster, folder: Path) -> dict[str, Json]:
    """What the backtest says of the ledger's own history, by id; all by the command line."""
    names = ("R.json", "lists.json", "alerts.json")
    rules, lists, alerts = (folder / name for name in names)
    rules.write_text(json.dumps({"rules": RULES}))
    lists.write_text(json.dumps(LISTS_HELD))
    written = json.loads(_printed(cluster, "history", "--out", str(folder), "--json"))
    files = ["--rules", rules, "--transactions", written["table"], "--mapping", written["mapping"], "--lists", lists]
    report = json.loads(_printed(cluster, "backtest", *map(str, files), "--alerts-json", str(alerts), "--json"))
    assert (report["events"], report["bad_rows"], report["too_late"]) == (written["rows"], 0, 0)
    lines = json.loads(alerts.read_text())
    assert {each["rule_id"]: each["alerts"] for each in report["rules"]} == {
        each["rule_id"]: sum(line["rule_id"] == each["rule_id"] for line in lines) for each in RULES
    }
    found = {line["alert_id"]: _without(line, "row", *ONLY_LIVE) for line in lines}
    assert len(found) == len(lines)
    return found


def _differences(live: dict[str, Json], tried: dict[str, Json]) -> list[Any]:
    found: list[Any] = [("live only", live[name]) for name in live.keys() - tried.keys()]
    found += [("backtest only", tried[name]) for name in tried.keys() - live.keys()]
    for name in live.keys() & tried.keys():
        fields = sorted(live[name].keys() | tried[name].keys())
        differing = [
            (field, live[name].get(field), tried[name].get(field))
            for field in fields
            if live[name].get(field) != tried[name].get(field)
        ]
        if differing:
            found.append((live[name]["rule_id"], differing))
    return found


def _printed(cluster: Cluster, *arguments: str) -> str:
    done = cluster.cli(*arguments)
    assert done.exit_code == 0, done.output
    return done.stdout


def _without(alert: Any, *names: str) -> Json:
    return {name: value for name, value in alert.items() if name not in names}
