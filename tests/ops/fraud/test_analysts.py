"""`walletstream fraud rules|pause|snooze|alerts|explain` on a broker: what workers go by, and clean text."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import orjson
import pytest
from aiokafka import AIOKafkaProducer
from click.testing import CliRunner, Result

from ops.cli import main
from schemas.fraud_alerts import Contribution, ListMatch, encode_alert
from schemas.topics import FRAUD_ALERTS, FRAUD_RULES, LISTS, full_name
from tests.broker import Kafka
from tests.fraud.role import EACH, Json, rule
from tests.ops.fraud.test_live_stats import alert
from tests.ops.verify.on_kafka import create_topics

pytestmark = pytest.mark.kafka

#: Sets the title of a terminal.
ESCAPE = "\x1b]0;title\x07"


class Desk:
    """The commands of analysts, on topics that no worker reads."""

    def __init__(self, kafka: Kafka, namespace: str):
        self._bootstrap_servers, self._namespace = kafka.bootstrap_servers, namespace
        asyncio.run(create_topics(kafka.bootstrap_servers, namespace, 2))

    def send(self, topic: str, *records: tuple[str, Json | bytes | None]) -> None:
        async def go() -> None:
            async with AIOKafkaProducer(bootstrap_servers=self._bootstrap_servers) as producer:
                for key, value in records:
                    raw = orjson.dumps(value) if isinstance(value, dict) else value
                    await producer.send(full_name(self._namespace, topic), raw, key=key.encode())

        asyncio.run(go())

    def __call__(self, *arguments: str) -> Result:
        environ = {
            "WALLETSTREAM_BOOTSTRAP_SERVERS": self._bootstrap_servers,
            "WALLETSTREAM_NAMESPACE": self._namespace,
            "COLUMNS": "200",
        }
        return CliRunner().invoke(main, ["fraud", *arguments], env=environ)

    def rules(self) -> dict[str, Any]:
        return {one["rule_id"]: one for one in json.loads(self("rules", "--json").stdout)}


@pytest.fixture
def desk(kafka: Kafka, namespace: str) -> Desk:
    return Desk(kafka, namespace)


def test_what_is_listed_and_paused_is_the_rule_that_workers_go_by(desk: Desk) -> None:
    """Whoever writes the topic past `publish` changes neither what is told of a rule nor what can be done about it."""
    changed = {"filter": {"field": "amount_minor", "op": "ge", "value": 1}}
    desk.send(FRAUD_RULES, ("each", EACH), ("old", EACH | {"rule_id": "old", "version": 3}))
    desk.send(FRAUD_RULES, ("each", EACH | changed), ("old", EACH | {"rule_id": "old", "version": 2}), ("bad", b"{"))
    found = desk.rules()
    assert (found["each"]["rule"], found["each"]["known_to_workers"]) == (EACH, True)
    assert "has another filter: versions stay" in found["each"]["problem"]
    assert found["old"]["rule"]["version"] == 3
    assert "2 is older than 3" in found["old"]["problem"]
    assert (found["bad"]["rule"], found["bad"]["known_to_workers"]) == (None, False)
    said = desk("rules").output
    assert "workers pass its latest record over: version: 1 is there already" in said
    assert "workers pass it over: Invalid JSON" in said
    assert desk("pause", "each").output == "each version 1 is paused\n"
    found = desk.rules()
    assert (found["each"]["rule"], found["each"]["problem"]) == (EACH | {"state": "paused"}, None)
    assert desk("pause", "old", "--state", "active").output == "old version 3 is active\n"
    assert desk.rules()["old"]["problem"] is None


def test_a_rule_whose_list_is_gone_goes_on_and_can_be_paused(desk: Desk, tmp_path: Path) -> None:
    asks = rule("asks", ["wallet_id"], filter={"field": "user", "op": "in_list", "value": "sus"})
    desk.send(LISTS, ("sus", {"name": "sus", "version": 1, "purpose": "watch", "entries": ["u1"]}))
    path = tmp_path / "rule.json"
    path.write_bytes(orjson.dumps(asks))
    assert desk("publish", str(path)).output == "published asks version 1, active\n"
    desk.send(LISTS, ("sus", None))
    (found,) = desk.rules().values()
    assert (found["problem"], found["known_to_workers"], found["missing_lists"]) == (None, True, ["sus"])
    assert "it asks the list sus, which is not there" in desk("rules").output
    assert desk("pause", "asks").output == "asks version 1 is paused\n"
    assert "there is no list sus" in desk("pause", "asks", "--state", "active").output


def test_a_list_that_workers_pass_over_is_not_there(desk: Desk, tmp_path: Path) -> None:
    path = tmp_path / "rule.json"
    path.write_bytes(
        orjson.dumps(rule("asks", ["wallet_id"], filter={"field": "user", "op": "in_list", "value": "sus"}))
    )
    desk.send(LISTS, ("sus", b"{"))
    assert "there is no list sus" in desk("publish", str(path)).output


def test_what_is_no_alert_is_passed_over(desk: Desk) -> None:
    untimely = encode_alert(alert(2, first_seen="0000-00-00T00:00:00.000Z"))
    desk.send(FRAUD_ALERTS, ("w1", b"{"), ("w1", b"[" * 100_000), ("w1", None), ("w1", untimely))
    desk.send(FRAUD_ALERTS, ("w1", encode_alert(alert(1))))
    assert [one["alert_id"] for one in json.loads(desk("alerts", "--json").stdout)] == [alert(1).alert_id]
    assert [one["alerts"] for one in json.loads(desk("stats", "--json").stdout)] == [1]


def test_combinations_say_what_they_go_on_without(desk: Desk) -> None:
    both = rule("both", ["wallet_id"], combination={"rules": ["each", "more"], "within_s": 60, "threshold": 60})
    desk.send(FRAUD_RULES, ("both", both), ("each", EACH))
    found = desk.rules()["both"]
    assert (found["problem"], found["known_to_workers"], found["missing_rules"]) == (None, True, ["more"])
    assert "it adds up more, which is not there, and goes on without it" in desk("rules").output
    desk.send(FRAUD_RULES, ("more", EACH | {"rule_id": "more"}))
    assert desk.rules()["both"]["missing_rules"] == []


def test_what_the_circuit_breaker_has_paused_is_not_said_to_go_on(desk: Desk, tmp_path: Path) -> None:
    desk.send(FRAUD_RULES, ("each", EACH))
    paused = alert(1, "each", action="pause", sentence="Rule each version 1 is paused.")
    desk.send(FRAUD_ALERTS, ("rule:each", encode_alert(paused)))
    assert json.loads(desk("alerts", "--unlabelled", "--json").stdout) == []
    assert "it says that a rule is paused" in desk("label", paused.alert_id, "confirmed").output
    for state in ("active", "shadow"):
        refused = desk("pause", "each", "--state", state)
        assert refused.exit_code == 1
        assert "publish that as version 2" in refused.output
    assert desk("pause", "each").output == "each version 1 is paused\n"
    path = tmp_path / "rule.json"
    for state in ("active", "shadow"):
        path.write_bytes(orjson.dumps(EACH | {"state": state}))
        refused = desk("publish", str(path))
        assert refused.exit_code == 1
        assert "has paused each version 1: change it, and publish that as version 2" in refused.output
    assert desk.rules()["each"]["rule"]["state"] == "paused"
    path.write_bytes(orjson.dumps(EACH | {"version": 2}))
    assert desk("publish", str(path)).output == "published each version 2, active\n"


def test_numbers_that_are_no_decimals_are_told_as_people_read_them(desk: Desk) -> None:
    """The mean of seven payments is a fraction on the wire, where nothing is rounded."""
    numbers = {"observed": "700", "limit": "97508/13947", "normal": "-1/3000"}
    desk.send(FRAUD_ALERTS, ("w1", encode_alert(alert(1, **numbers))))
    said = [line.split(maxsplit=1) for line in desk("explain", alert(1).alert_id).output.splitlines()]
    found = {line[0]: line[1] for line in said if line[0] in numbers}
    assert found == {
        "observed": "700",
        "limit": "6.991 (97508/13947)",
        "normal": "-0.000333 (-1/3000)",
    }
    desk.send(FRAUD_ALERTS, ("w1", encode_alert(alert(2, observed="1/0", limit="much"))))
    said = [line.split(maxsplit=1) for line in desk("explain", alert(2).alert_id).output.splitlines()]
    assert [line[1] for line in said if line[0] in numbers] == ["1/0", "much"]


def test_no_alerts_are_told_as_that(desk: Desk) -> None:
    """Who has mistyped a rule would take silence for a rule that has done nothing wrong."""
    assert desk("stats").stderr == "no alerts\n"
    desk.send(FRAUD_ALERTS, ("w1", encode_alert(alert(1))))
    assert desk("stats").stderr == ""
    assert desk("stats", "--rule", "velocty").stderr == "no alerts of velocty\n"


def test_what_others_write_steers_no_terminal(desk: Desk, tmp_path: Path) -> None:
    told = alert(
        1,
        "both",
        subject=f"d{ESCAPE}",
        key={"device": f"d{ESCAPE}"},
        sentence=f"Device d{ESCAPE}: odd.",
        evidence=("0b" * 16, "3:17"),
        contributions=(Contribution("each", 1, 50), Contribution("more", 2, 10)),
        matches=(ListMatch("user", "sus", 1, f"u{ESCAPE}", 95),),
    )
    worse = [
        alert(2, alert_id=ESCAPE, severity=ESCAPE, last_seen=ESCAPE, label=ESCAPE),
        alert(3, ESCAPE, label="confirmed", action_result="sent", asset=ESCAPE),
    ]
    desk.send(FRAUD_ALERTS, *[("d", encode_alert(each)) for each in (told, *worse)])
    desk.send(FRAUD_RULES, (f"k{ESCAPE}", EACH))
    for command in (["alerts"], ["explain", told.alert_id], ["rules"], ["stats"]):
        said = desk(*command)
        assert said.exit_code == 0
        assert "\x1b" not in said.output, command
    explained = desk("explain", told.alert_id).output
    assert "device d\\x1b]0;title\\x07" in explained
    assert "each version 1: 50" in explained
    assert "more version 2: 10" in explained
    assert f"tx show {'0b' * 16}" in explained
    assert "tx show 3:17" not in explained
    assert told.subject in [each["subject"] for each in json.loads(desk("alerts", "--json").stdout)]
    path = tmp_path / "rule.json"
    path.write_bytes(orjson.dumps(EACH | {"rule_id": f"r{ESCAPE}"}))
    refused = desk("publish", str(path)).output
    assert "r\\x1b]0;title\\x07" in refused
    assert "\x1b" not in refused


def test_a_subject_that_no_alert_of_the_rule_has_is_not_silenced(desk: Desk) -> None:
    """It was said to be silent, and went on."""
    desk.send(FRAUD_RULES, ("pair", rule("pair", ["wallet_id", "to_wallet_id", "asset"])))
    said = desk("snooze", "pair", "w1|w2", "--reason", "r")
    assert said.exit_code == 1
    assert said.output == (
        "Error: 'w1|w2' is no subject of pair, whose key is wallet_id|to_wallet_id|asset: give a value for each of "
        "them, as `walletstream fraud alerts --rule pair --json` has them\n"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["snooze", "odd", "w1", "--reason", "r"], "no rule 'odd'"),
        (["verdict", "odd", "allow", "--wallet", "w1", "--reason", "r"], "payment.transaction_id: String should match"),
        (["verdict", "0" * 32, "allow", "--wallet", "w1", "--reason", ""], "payment.reason: String should have"),
    ],
)
def test_what_cannot_be_said_is_told_in_one_line(desk: Desk, arguments: list[str], message: str) -> None:
    said = desk(*arguments)
    assert said.exit_code == 1
    assert message in said.output
    assert len(said.output.splitlines()) == 1
