"""Fixtures for tests on Kafka: one broker for a whole run, a namespace for each test."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import pytest

from ops.broker import EmbeddedBroker
from tests.broker import Kafka, any_kafka, embedded


@pytest.fixture(scope="session")
def kafka() -> Iterator[Kafka]:
    """The broker of this run; `.bootstrap_servers` is its address."""
    with any_kafka() as broker:
        yield broker


@pytest.fixture
def namespace() -> str:
    """A prefix for topics and groups that no other test uses."""
    return f"t{secrets.token_hex(3)}."


@pytest.fixture
def own_broker() -> Iterator[EmbeddedBroker]:
    """An embedded broker for a test that stops, kills or restarts it."""
    with embedded() as broker:
        yield broker
