"""The Kafka broker that tests run against.

An address given in `WALLETSTREAM_TEST_BOOTSTRAP_SERVERS`, else a container where a Docker engine answers, else the
embedded broker. The tests are the same on all three.
"""

from __future__ import annotations

import os
import secrets
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ops import admin
from ops.broker import EmbeddedBroker
from ops.broker.jars import KAFKA_VERSION
from ops.broker.ports import free_ports
from ops.broker.properties import READY_LINE, SINGLE_NODE, container_environment

GIVEN = "WALLETSTREAM_TEST_BOOTSTRAP_SERVERS"


@dataclass(frozen=True)
class Kafka:
    """A running broker: its address and where it came from."""

    bootstrap_servers: str
    origin: Literal["given", "container", "embedded"]


def docker_answers(timeout_s: float = 1.0) -> bool:
    """Whether a Docker engine answers a ping in time."""
    import docker  # type: ignore[import-untyped]
    import requests

    try:
        client = docker.from_env(timeout=timeout_s)
        try:
            return bool(client.ping())
        finally:
            client.close()
    except (docker.errors.DockerException, requests.RequestException, OSError):
        return False


def container_settings(port: int) -> dict[str, str]:
    """Settings of a single node in a container whose port 9092 is the host's `port`."""
    return SINGLE_NODE | {
        "listeners": "PLAINTEXT://0.0.0.0:9092,CONTROLLER://127.0.0.1:9093",
        "advertised.listeners": f"PLAINTEXT://127.0.0.1:{port}",
        "controller.quorum.voters": "1@127.0.0.1:9093",
    }


@contextmanager
def container() -> Iterator[Kafka]:
    """Apache Kafka's own image, by testcontainers."""
    from testcontainers.core.container import DockerContainer
    from testcontainers.core.wait_strategies import LogMessageWaitStrategy

    (port,) = free_ports("127.0.0.1", 1)
    image = (
        DockerContainer(f"apache/kafka:{KAFKA_VERSION}")
        .with_envs(**container_environment(container_settings(port)))
        .with_bind_ports(9092, port)
        .waiting_for(LogMessageWaitStrategy(READY_LINE).with_startup_timeout(120))
    )
    with image:
        yield Kafka(f"127.0.0.1:{port}", "container")


@contextmanager
def embedded() -> Iterator[EmbeddedBroker]:
    """An embedded broker of one's own on free ports, with its data in a folder that is removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="walletstream-kafka-", ignore_cleanup_errors=True) as folder:
        broker = EmbeddedBroker(Path(folder), announce=print)
        try:
            broker.start()
            yield broker
        finally:
            # Nobody will read its data: to close every partition in order would be for nothing.
            broker.kill()


@contextmanager
def any_kafka(environ: Mapping[str, str] | None = None) -> Iterator[Kafka]:
    """The broker of a test run, stopped at its end unless it was given."""
    given = (os.environ if environ is None else environ).get(GIVEN)
    if given:
        yield Kafka(given, "given")
        return
    with ExitStack() as stack:
        if docker_answers():
            try:
                yield_this = stack.enter_context(container())
            except Exception as error:  # such as an image that cannot be pulled
                warnings.warn(f"the Docker engine answers but runs no Kafka: {error}", stacklevel=2)
            else:
                yield yield_this
                return
        broker = stack.enter_context(embedded())
        yield Kafka(broker.bootstrap_servers, "embedded")


def new_namespace() -> str:
    """A prefix for topics and groups that nobody else uses."""
    return f"t{secrets.token_hex(3)}."


async def delete_topics(kafka: Kafka, namespace: str) -> None:
    """Delete the topics of a namespace: with a thousand of them every client that starts is sent them all, creating
    some takes five times as long, and the broker's end takes a minute."""
    async with admin.connect(kafka.bootstrap_servers) as connected:
        await connected.delete(await connected.names(namespace))
