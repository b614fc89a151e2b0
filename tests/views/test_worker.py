"""`walletstream worker views` on a real broker: killed, doubled, rebuilt under, it holds what the log says."""

from __future__ import annotations

import asyncio
import json
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from agents.views.store import ViewStore
from ops.broker import EmbeddedBroker
from ops.processes import WorkerProcess, stop_all, wait_until_ready
from schemas.topics import LEDGER_EVENTS
from tests.broker import Kafka
from tests.ops.verify.honest import Ledger
from tests.ops.verify.on_kafka import create_topics, write
from tests.ops.verify.story import PARTITIONS, living
from tests.views.logs import applied, logs_of, rows_of, store_at, whole

pytestmark = pytest.mark.kafka


class Running:
    """A ledger on the broker, and workers of its views that share a file."""

    def __init__(self, kafka: Kafka | EmbeddedBroker, namespace: str, folder: Path):
        self.bootstrap_servers, self.namespace, self.folder = kafka.bootstrap_servers, namespace, folder
        self.ledger: Ledger = living()
        self.written = 0
        self.workers: list[WorkerProcess] = []
        asyncio.run(create_topics(self.bootstrap_servers, namespace, PARTITIONS))

    @property
    def environ(self) -> dict[str, str]:
        return {
            "WALLETSTREAM_BOOTSTRAP_SERVERS": self.bootstrap_servers,
            "WALLETSTREAM_NAMESPACE": self.namespace,
            "WALLETSTREAM_PARTITIONS": str(PARTITIONS),
            "WALLETSTREAM_DATA_DIR": str(self.folder / "data"),
            "WALLETSTREAM_SESSION_TIMEOUT_S": "3",
        }

    def write(self) -> None:
        """Everything that the ledger has done since."""
        self.written = asyncio.run(write(self.ledger, self.bootstrap_servers, self.namespace, since=self.written))

    def go_on(self) -> None:
        """A little more of a ledger's life."""
        for wallet_id in ("w0", "w2", "w3", "w5"):
            self.ledger.send(operation="credit", wallet_id=wallet_id, amount_minor=17, asset="EUR")
        self.ledger.send(operation="transfer", wallet_id="w2", to_wallet_id="w5", amount_minor=3, asset="EUR")
        self.ledger.run(max_records=2)
        self.write()

    def worker(self, name: str) -> WorkerProcess:
        found = WorkerProcess(name, self.environ, self.folder / f"{name}.log", role="views")
        self.workers.append(found)
        found.start()
        return found

    def store(self) -> ViewStore:
        return store_at(self.folder / "data", namespace=self.namespace)

    def is_current(self) -> bool:
        """True where the views have passed the last control record of every partition."""
        store = self.store()
        return all(store.position(p).next_offset == self.ledger.ends[LEDGER_EVENTS, p] for p in range(PARTITIONS))

    def wait_until(self, holds: Callable[[], bool], timeout_s: float = 60.0) -> None:
        deadline = time.monotonic() + timeout_s
        while not holds():
            for worker in self.workers:
                assert worker.running or worker.exit_code in (0, -9), worker.failure()
            assert time.monotonic() < deadline, "\n".join(worker.last_lines() for worker in self.workers)
            time.sleep(0.05)

    def check(self) -> None:
        """The tables are those of the log."""
        self.wait_until(self.is_current)
        expected = rows_of(applied(self.folder / f"expected-{self.written}", *logs_of(self.ledger)))
        found = rows_of(self.store())
        # In memory a log ends behind its last record, on the broker behind the marker of its transaction.
        assert [row[2:] for row in found.pop("positions")] == [row[2:] for row in expected.pop("positions")]
        assert found == expected


@pytest.fixture
def running(kafka: Kafka, namespace: str, tmp_path: Path) -> Iterator[Running]:
    with _stopping(Running(kafka, namespace, tmp_path)) as found:
        yield found


@contextmanager
def _stopping(running: Running) -> Iterator[Running]:
    try:
        yield running
    finally:
        stop_all(running.workers)


def test_a_worker_is_killed_while_the_ledger_goes_on(running: Running) -> None:
    running.write()
    worker = running.worker("views-1")
    wait_until_ready([worker])
    running.check()
    running.go_on()
    worker.kill()
    running.go_on()
    worker.start()
    running.go_on()
    running.check()
    assert worker.stop() == 0
    assert "msg=stopped role=views" in worker.log_path.read_text()
    assert "Traceback" not in worker.log_path.read_text()


def test_what_a_worker_tells(running: Running) -> None:
    running.write()
    worker = running.worker("views-1")
    wait_until_ready([worker])
    running.check()
    address = f"http://127.0.0.1:{worker.web_port}"
    report = json.loads(urllib.request.urlopen(f"{address}/readyz").read())
    assert report == {"ready": True, "reasons": [], "partitions": {"0": "running", "1": "running"}}
    text = urllib.request.urlopen(f"{address}/metrics").read().decode()
    assert 'walletstream_view_lag_records{partition="0"} 0.0' in text
    records = len(running.ledger.topics[LEDGER_EVENTS][1])
    assert f'walletstream_view_records_total{{partition="1"}} {records}.0' in text
    entries = len(rows_of(running.store())["entries"])
    assert f'walletstream_view_rows_total{{table="entries"}} {entries}.0' in text


def test_two_workers_share_the_partitions_and_one_goes_on_alone(running: Running) -> None:
    running.write()
    workers = [running.worker("views-1"), running.worker("views-2")]
    wait_until_ready(workers)
    running.go_on()
    running.check()
    workers[0].kill()
    running.go_on()
    running.check()
    third = running.worker("views-3")
    wait_until_ready([third])
    running.go_on()
    running.check()


def test_a_broker_that_is_killed_and_comes_back(own_broker: EmbeddedBroker, namespace: str, tmp_path: Path) -> None:
    with _stopping(Running(own_broker, namespace, tmp_path)) as running:
        running.write()
        worker = running.worker("views-1")
        wait_until_ready([worker])
        running.check()
        own_broker.kill()
        running.wait_until(lambda: not worker.readiness().ready)
        own_broker.start()
        running.go_on()
        running.check()
        wait_until_ready([worker])
        assert worker.stop() == 0


def test_a_rebuild_under_a_worker(running: Running) -> None:
    running.write()
    worker = running.worker("views-1")
    wait_until_ready([worker])
    running.check()
    running.store().reset()
    running.go_on()
    running.check()
    assert worker.running


def test_a_log_that_is_another_one_is_refused(running: Running) -> None:
    running.write()
    store = running.store()
    other = logs_of(living())
    offset, seal = other[0][-1]
    other[0][-1] = offset, seal[:-66] + b"0" * 64 + b'"}'
    store.apply(whole(other[0]))
    running.go_on()
    worker = running.worker("views-1")
    assert worker.wait(60) == 2
    assert "does not continue what the views reflect" in worker.last_lines()
    assert "walletstream views rebuild" in worker.last_lines()


def test_views_beyond_the_end_of_the_log_are_refused(running: Running) -> None:
    running.store().apply(whole(logs_of(running.ledger)[0]))
    worker = running.worker("views-1")
    assert worker.wait(60) == 2
    assert "the topic was recreated or truncated" in worker.last_lines()
