"""Every client of Kafka is made with the arguments of `streams.connection`, and with no address of its own."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CLIENTS = {"AIOKafkaProducer", "AIOKafkaConsumer", "AIOKafkaAdminClient", "AIOKafkaClient"}
#: What connects without a client.
CONNECTIONS = {"create_conn", "AIOKafkaConnection"}
ARGUMENTS = {"client_arguments", "security_arguments"}
GIVEN = {"bootstrap_servers", "security_protocol", "ssl_context"}


def faults(source: str) -> Iterator[str]:
    """What a module does that would connect without what the settings say."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        name = name_of(node.func)
        expanded = [one.value for one in node.keywords if one.arg is None]
        taken = {name_of(one.func) for one in expanded if isinstance(one, ast.Call)}
        if name in CLIENTS | CONNECTIONS:
            if not taken & ARGUMENTS:
                yield f"line {node.lineno}: {name} without client_arguments"
            own = [one.arg for one in node.keywords if one.arg in GIVEN or (one.arg or "").startswith("sasl_")]
            if own:
                yield f"line {node.lineno}: {name} with {', '.join(map(str, own))} of its own"
        elif any(isinstance(one, ast.Name) and one.id in CLIENTS for one in [*node.args]):
            yield f"line {node.lineno}: a client handed to {name}"
        # The address alone says nothing of how to connect.
        for value in [*node.args, *(one.value for one in node.keywords)]:
            if name != "collect_hosts" and is_address_of_settings(value):
                yield f"line {node.lineno}: {name} gets an address instead of the settings"


def is_address_of_settings(value: ast.expr) -> bool:
    return (
        isinstance(value, ast.Attribute)
        and value.attr == "bootstrap_servers"
        and name_of(value.value).endswith("settings")
    )


def name_of(node: ast.AST) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def sources() -> list[Path]:
    return sorted(path for room in ("schemas", "streams", "agents", "ops") for path in (ROOT / room).rglob("*.py"))


def test_every_client_connects_as_the_settings_say() -> None:
    found = {str(path.relative_to(ROOT)): list(faults(path.read_text())) for path in sources()}
    assert {path: wrong for path, wrong in found.items() if wrong} == {}
    made = sum(path.read_text().count(f"{name}(") for path in sources() for name in CLIENTS)
    assert made >= 25, "the walk sees no clients any more"


@pytest.mark.parametrize(
    "source",
    [
        "AIOKafkaProducer(bootstrap_servers=settings.bootstrap_servers)",
        "AIOKafkaProducer(bootstrap_servers=servers)",
        "aiokafka.AIOKafkaConsumer('topic', bootstrap_servers='k:1')",
        "AIOKafkaConsumer(**arguments)",
        "AIOKafkaConsumer(**client_arguments(brokers), security_protocol='PLAINTEXT')",
        "AIOKafkaAdminClient(**client_arguments(brokers), sasl_mechanism='PLAIN')",
        "create_conn(host, port)",
        "functools.partial(AIOKafkaClient, bootstrap_servers='k')",
        "open_reader(settings.bootstrap_servers, settings.namespace)",
        "open_reader(brokers=self._settings.bootstrap_servers)",
    ],
)
def test_the_walk_sees(source: str) -> None:
    assert list(faults(source)) != []


@pytest.mark.parametrize(
    "source",
    [
        "AIOKafkaProducer(**client_arguments(settings), acks='all')",
        "aiokafka.AIOKafkaConsumer('topic', **client_arguments(self.brokers))",
        "create_conn(host, port, **security_arguments(brokers))",
        "open_reader(settings, settings.namespace)",
        "play(folder, broker.bootstrap_servers)",
    ],
)
def test_the_walk_lets_pass(source: str) -> None:
    assert list(faults(source)) == []
