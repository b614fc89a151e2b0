"""The configuration that the broker is given."""

from __future__ import annotations

from pathlib import Path

import pytest

from ops.broker import BrokerError
from ops.broker.listeners import Listener
from ops.broker.properties import LOG4J, container_environment, escape_value, server_properties


def parsed(text: str) -> dict[str, str]:
    lines = text.splitlines()
    settings = dict(line.split("=", 1) for line in lines)
    assert len(settings) == len(lines), "a setting is written twice"
    return settings


def render(log_dir: str = "/data/log", **overrides: str) -> dict[str, str]:
    names = {name.replace("_", "."): value for name, value in overrides.items()}
    return parsed(
        server_properties(host="127.0.0.1", port=9, controller_port=8, log_dir=Path(log_dir), overrides=names)
    )


def test_listeners_quorum_and_folder() -> None:
    settings = render()
    assert settings["listeners"] == "PLAINTEXT://127.0.0.1:9,CONTROLLER://127.0.0.1:8"
    assert settings["advertised.listeners"] == "PLAINTEXT://127.0.0.1:9"
    assert settings["controller.quorum.voters"] == "1@127.0.0.1:8"
    assert settings["log.dirs"] == "/data/log"


def test_an_ipv6_address_stands_in_brackets() -> None:
    text = server_properties(host="::1", port=9092, controller_port=9093, log_dir=Path("/var/kafka"))
    assert "\nlisteners=PLAINTEXT://[::1]:9092,CONTROLLER://[::1]:9093\n" in text
    assert "\nadvertised.listeners=PLAINTEXT://[::1]:9092\n" in text
    assert "\ncontroller.quorum.voters=1@[::1]:9093\n" in text


def test_further_listeners_join_the_plain_one() -> None:
    listeners = [Listener("LOGIN", "SASL_SSL", {"ssl.keystore.type": "PEM"}), Listener("TLS", "SSL")]
    text = server_properties(
        host="h", port=9, controller_port=8, log_dir=Path("/d"), listeners=listeners, listener_ports=[7, 6]
    )
    settings = parsed(text)
    assert settings["listeners"] == "PLAINTEXT://h:9,CONTROLLER://h:8,LOGIN://h:7,TLS://h:6"
    assert settings["advertised.listeners"] == "PLAINTEXT://h:9,LOGIN://h:7,TLS://h:6"
    assert settings["listener.security.protocol.map"].endswith(",LOGIN:SASL_SSL,TLS:SSL")
    assert settings["listener.name.login.ssl.keystore.type"] == "PEM"
    assert settings["inter.broker.listener.name"] == "PLAINTEXT"


def test_one_node_replicates_nothing_and_creates_no_topic_unasked() -> None:
    settings = render()
    assert settings["auto.create.topics.enable"] == "false"
    replicated = {name: value for name, value in settings.items() if name.endswith(("replication.factor", "min.isr"))}
    assert len(replicated) == 6
    assert set(replicated.values()) == {"1"}
    assert settings["group.initial.rebalance.delay.ms"] == "0"


def test_room_for_a_dead_letter_of_two_inputs() -> None:
    kafka_default = 1_048_588
    assert int(render()["message.max.bytes"]) >= 2 * kafka_default + (64 << 10)


def test_overrides_replace_and_join() -> None:
    settings = render(message_max_bytes="77", log_retention_ms="5")
    assert (settings["message.max.bytes"], settings["log.retention.ms"]) == ("77", "5")


@pytest.mark.parametrize(
    ("value", "escaped"),
    [("a b=c:d", "a b=c:d"), (" x", "\\ x"), ("a\\b", "a\\\\b"), ("ü", "\\u00fc"), ("\U0001f600", "\\ud83d\\ude00")],
)
def test_values_survive_java(value: str, escaped: str) -> None:
    assert escape_value(value) == escaped


def test_a_comma_in_the_folder_is_refused() -> None:
    with pytest.raises(BrokerError, match="comma"):
        render("/a,b/log")


def test_the_log_is_quiet_but_for_the_ready_line() -> None:
    assert "rootLogger.level=warn" in LOG4J
    assert "logger.server.name=kafka.server.KafkaRaftServer" in LOG4J


def test_container_variables() -> None:
    assert container_environment({"node.id": "1", "log.dirs": "/x"}) == {"KAFKA_NODE_ID": "1", "KAFKA_LOG_DIRS": "/x"}
