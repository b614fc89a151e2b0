"""Which broker the tests run against."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest

import tests.broker
from tests.broker import GIVEN, Kafka, any_kafka, container_settings, docker_answers


class Stage:
    """Pretended engine, container and embedded broker; records what was started and stopped."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, engine: bool, image: bool = True) -> None:
        self.steps: list[str] = []
        self.image = image
        monkeypatch.setattr(tests.broker, "docker_answers", lambda: engine)
        monkeypatch.setattr(tests.broker, "container", self.container)
        monkeypatch.setattr(tests.broker, "embedded", self.embedded)

    @contextmanager
    def container(self) -> Iterator[Kafka]:
        if not self.image:
            raise RuntimeError("cannot pull")
        yield Kafka("container:1", "container")
        self.steps.append("container stopped")

    @contextmanager
    def embedded(self) -> Iterator[Any]:
        yield SimpleNamespace(bootstrap_servers="embedded:1")
        self.steps.append("embedded stopped")


def test_an_address_given_is_used_and_nothing_is_started(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Stage(monkeypatch, engine=True)
    with any_kafka({GIVEN: "kafka:9092"}) as kafka:
        assert kafka == Kafka("kafka:9092", "given")
    assert stage.steps == []


def test_a_container_where_an_engine_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Stage(monkeypatch, engine=True)
    with any_kafka({}) as kafka:
        assert kafka == Kafka("container:1", "container")
    assert stage.steps == ["container stopped"]


def test_the_embedded_one_where_no_engine_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Stage(monkeypatch, engine=False)
    with any_kafka({}) as kafka:
        assert kafka == Kafka("embedded:1", "embedded")
    assert stage.steps == ["embedded stopped"]


def test_the_embedded_one_where_the_engine_has_no_image(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Stage(monkeypatch, engine=True, image=False)
    with pytest.warns(UserWarning, match="cannot pull"), any_kafka({}) as kafka:
        assert kafka.origin == "embedded"
    assert stage.steps == ["embedded stopped"]


def test_an_engine_that_does_not_answer_costs_little_time(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("DOCKER_HOST", f"tcp://127.0.0.1:{silent.getsockname()[1]}")
        started = time.monotonic()
        assert not docker_answers(timeout_s=0.3)
        assert time.monotonic() - started < 5
    assert not docker_answers(timeout_s=0.3), "nobody listens any more"


def test_the_containers_clients_are_told_the_hosts_port() -> None:
    settings = container_settings(1234)
    assert settings["advertised.listeners"] == "PLAINTEXT://127.0.0.1:1234"
    assert settings["auto.create.topics.enable"] == "false"
