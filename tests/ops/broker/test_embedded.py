"""The embedded broker as a real Kafka: it serves, keeps its data, and says why when it cannot."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import threading
from collections import namedtuple
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any, TypeVar

import psutil
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from ops.broker import BrokerError, EmbeddedBroker
from ops.broker.ports import free_ports
from tests.broker import embedded

pytestmark = pytest.mark.kafka
T = TypeVar("T")


def run(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(asyncio.wait_for(work, 60))


@pytest.fixture(scope="module")
def broker_of_these_tests() -> Iterator[EmbeddedBroker]:
    with embedded() as broker:
        yield broker


@pytest.fixture
def own_broker(broker_of_these_tests: EmbeddedBroker) -> EmbeddedBroker:
    """A broker that runs: the one that the tests before have left, or started again."""
    if not broker_of_these_tests.running:
        broker_of_these_tests.start()
    return broker_of_these_tests


async def create_topic(servers: str, topic: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=servers)
    await admin.start()
    try:
        response = await admin.create_topics([NewTopic(topic, 2, 1)])
        assert all(error == 0 for _, error, *_ in response.topic_errors), response
    finally:
        await admin.close()


async def produce(servers: str, topic: str, values: list[bytes], transactional_id: str | None = None) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=servers, transactional_id=transactional_id, acks="all")
    await producer.start()
    try:
        if transactional_id:
            await producer.begin_transaction()
        for value in values:
            await producer.send_and_wait(topic, value, partition=0)
        if transactional_id:
            await producer.commit_transaction()
    finally:
        await producer.stop()


async def consume(servers: str, topic: str, count: int, group: str) -> list[bytes]:
    consumer = AIOKafkaConsumer(
        topic,
        bootstrap_servers=servers,
        group_id=group,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
        enable_auto_commit=False,
    )
    await consumer.start()
    try:
        values = [(await consumer.getone()).value for _ in range(count)]
        await consumer.commit()
        return values
    finally:
        await consumer.stop()


def test_the_broker_of_the_run_serves_transactions_and_groups(kafka: Any, namespace: str) -> None:
    topic = f"{namespace}numbers"
    run(create_topic(kafka.bootstrap_servers, topic))
    run(produce(kafka.bootstrap_servers, topic, [b"1", b"2"], transactional_id=f"{namespace}writer"))
    assert run(consume(kafka.bootstrap_servers, topic, 2, f"{namespace}readers")) == [b"1", b"2"]


def test_data_and_port_outlive_a_restart_and_a_kill(own_broker: EmbeddedBroker) -> None:
    servers, first_pid = own_broker.bootstrap_servers, own_broker.pid
    run(create_topic(servers, "kept"))
    run(produce(servers, "kept", [b"before"]))
    own_broker.restart()
    assert own_broker.bootstrap_servers == servers
    assert own_broker.pid != first_pid
    run(produce(servers, "kept", [b"between"], transactional_id="writer"))
    own_broker.kill()
    assert not own_broker.running
    with pytest.raises(BrokerError, match="does not run"):
        _ = own_broker.pid
    own_broker.start()
    assert run(consume(servers, "kept", 2, "readers")) == [b"before", b"between"]


def test_one_that_died_by_itself_says_so_and_starts_again(own_broker: EmbeddedBroker) -> None:
    os.kill(own_broker.pid, signal.SIGKILL)
    assert own_broker.wait(10) == -signal.SIGKILL
    assert "exit code -9" in own_broker.failure()
    assert "Kafka Server started" in own_broker.failure()
    own_broker.start()
    assert own_broker.running


def test_what_runs_is_not_started_twice(own_broker: EmbeddedBroker) -> None:
    with pytest.raises(BrokerError, match=f"runs already, as process {own_broker.pid}"):
        own_broker.start()
    with pytest.raises(BrokerError, match="belongs to a broker that runs"):
        EmbeddedBroker(own_broker.data_dir).start()
    assert own_broker.running


def test_a_stopped_process_is_stopped_by_force(own_broker: EmbeddedBroker) -> None:
    process = psutil.Process(own_broker.pid)
    process.suspend()
    own_broker.stop(timeout_s=0.2)
    assert not process.is_running()
    own_broker.stop()


def test_odd_paths_and_threads_are_no_obstacle(tmp_path: Path) -> None:
    broker = EmbeddedBroker(tmp_path / "with space % ü #", overrides={"log.retention.ms": "60000"})
    starter = threading.Thread(target=broker.start)
    starter.start()
    starter.join()
    try:
        run(create_topic(broker.bootstrap_servers, "made-from-another-thread"))
        resident_mb = psutil.Process(broker.pid).memory_info().rss >> 20
        assert resident_mb < 600
    finally:
        broker.stop()
    assert not broker.running


def test_a_port_that_is_taken_between_choosing_and_listening_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        taken = server.getsockname()[1]
        choices = [[taken, *free_ports("127.0.0.1", 1)]]
        monkeypatch.setattr(
            "ops.broker.embedded.free_ports",
            lambda host, count: choices.pop() if choices else free_ports(host, count),
        )
        with EmbeddedBroker(tmp_path) as broker:
            assert choices == []
            assert broker.port != taken


class TestRefusals:
    """What it cannot do ends in one error that says what to do, and leaves no process."""

    @pytest.fixture(autouse=True)
    def leaves_no_process(self) -> Any:
        before = set(psutil.Process().children(recursive=True))
        yield
        assert set(psutil.Process().children(recursive=True)) <= before

    def test_a_port_in_use(self, tmp_path: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
            with pytest.raises(BrokerError, match=f"port {port} on 127.0.0.1 is in use"):
                EmbeddedBroker(tmp_path, port=port).start()

    def test_no_java(self, tmp_path: Path) -> None:
        with pytest.raises(BrokerError, match="no Java 17 or newer"):
            EmbeddedBroker(tmp_path, java="/nonexistent/java").start()

    def test_a_setting_that_kafka_rejects(self, tmp_path: Path) -> None:
        with pytest.raises(BrokerError, match=r"Last lines of .*broker\.log") as raised:
            EmbeddedBroker(tmp_path, overrides={"num.io.threads": "none"}).start()
        assert "num.io.threads" in str(raised.value)

    def test_a_heap_that_is_too_small(self, tmp_path: Path) -> None:
        with pytest.raises(BrokerError, match="the Java heap is too small"):
            EmbeddedBroker(tmp_path, heap_mb=24).start()

    def test_a_disk_that_is_nearly_full(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        usage = namedtuple("usage", "total used free")
        monkeypatch.setattr("ops.broker.embedded.shutil.disk_usage", lambda path: usage(1 << 40, 1 << 40, 5 << 20))
        with pytest.raises(BrokerError, match="only 5 MiB are free"):
            EmbeddedBroker(tmp_path).start()

    def test_a_folder_that_is_a_file(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        with pytest.raises(BrokerError, match="cannot use the data folder"):
            EmbeddedBroker(tmp_path / "file").start()

    def test_not_ready_in_time(self, tmp_path: Path) -> None:
        with pytest.raises(BrokerError, match="was not ready in time"):
            EmbeddedBroker(tmp_path).start(timeout_s=0.0)


@pytest.mark.skipif(sys.platform != "linux", reason="PR_SET_PDEATHSIG is Linux's")
def test_kill_9_of_its_owner_leaves_no_broker(tmp_path: Path) -> None:
    script = (
        "import sys, pathlib; from ops.broker import EmbeddedBroker; b = EmbeddedBroker(pathlib.Path(sys.argv[1])); "
        "b.start(); print(b.pid, flush=True); sys.stdin.read()"
    )
    owner = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert owner.stdout is not None
        broker = psutil.Process(int(owner.stdout.readline()))
        assert "java" in broker.name()
    finally:
        owner.kill()
        owner.communicate()
    assert psutil.wait_procs([broker], timeout=10)[1] == []
