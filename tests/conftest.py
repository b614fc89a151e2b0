"""The order of a run, and fixtures for tests on Kafka: one broker for each process of it, a namespace for each test."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Final

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from ops.broker import EmbeddedBroker
from tests.broker import Kafka, any_kafka, delete_topics, embedded, new_namespace

# How long an example takes says more of what else the machine does than of the code.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
# Of `make unit`: a fifth of the examples, so that it says within a minute what it has to say.
settings.register_profile("unit", settings.get_profile("any machine"), max_examples=20)
settings.load_profile("any machine")


#: Files that take minutes: one that is begun last keeps all other processes waiting.
_LONGEST: Final = (
    "tests/ops/demo/test_run.py",
    "tests/security/test_secured.py",
    "tests/simulation/test_simulation.py",
)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mix files of tests on Kafka, which wait half of their time, with those that compute, so that no core is idle.

    Those on Kafka have all begun when nine tenths of the others have: short files are left for the end, with which
    several processes end at the same time.
    """
    longest = {config.rootpath / name for name in _LONGEST}
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    paths = sorted(dict.fromkeys(item.path for item in items), key=lambda path: (path not in longest, path not in slow))
    kafka = {item.path for item in items if item.get_closest_marker("kafka")}
    waits, computes = [path for path in paths if path in kafka], [path for path in paths if path not in kafka]
    begins = {path: 0.9 * at / len(waits) for at, path in enumerate(waits)}
    begins |= {path: at / len(computes) for at, path in enumerate(computes)}
    items.sort(key=lambda item: begins[item.path])
    # Hypothesis loads its largest module with the first of these. In the middle of a run a traceback that is logged
    # meanwhile, of a future that the garbage collector finds and nobody asked, makes Python 3.11.2 fail to parse it.
    st.builds(int).validate()


@pytest.fixture(scope="session")
def kafka() -> Iterator[Kafka]:
    """The broker of this run, or of one of its processes; `.bootstrap_servers` is its address."""
    with any_kafka() as broker:
        yield broker


@pytest.fixture
def namespace(request: pytest.FixtureRequest) -> Iterator[str]:
    """A prefix for topics and groups that no other test uses. Its topics on the broker of the run are deleted."""
    prefix = new_namespace()
    yield prefix
    if "kafka" in request.fixturenames:
        asyncio.run(delete_topics(request.getfixturevalue("kafka"), prefix))


@pytest.fixture
def own_broker() -> Iterator[EmbeddedBroker]:
    """An embedded broker for a test that stops, kills or restarts it."""
    with embedded() as broker:
        yield broker
