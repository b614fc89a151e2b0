"""The proofs that the reconciliation role publishes day by day, on a real broker: each once, whatever interrupts it."""

from __future__ import annotations

import asyncio
import time
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer

from ops.errors import OperationError
from ops.processes import WorkerProcess, stop_all, wait_until_ready
from ops.reading import open_reader
from ops.reconcile.daily_proofs import DailyProofs, Look
from ops.reconcile.days import Period
from ops.reconcile.gl_log import SETTLED_AFTER_S
from ops.reconcile.prove import prove
from ops.reconcile.publishing import publish_new, read_published
from schemas.clock import rfc3339
from schemas.external_statements import ExternalStatement, encode_external
from schemas.reconciliation_proofs import BalanceProof, Proof, SafeguardingProof, decode_proof
from schemas.topics import EXTERNAL_STATEMENTS, RECONCILIATION_PROOFS, full_name
from tests.broker import Kafka, delete_topics, new_namespace
from tests.ops.reconcile.statements import statement
from tests.ops.verify.honest import START_MS, Ledger
from tests.ops.verify.on_kafka import create_topics, write
from tests.ops.verify.story import HERE, PARTITIONS, THERE, living

pytestmark = pytest.mark.kafka

DAY_MS = 86_400_000
DAY, QUIET = rfc3339(START_MS)[:10], rfc3339(START_MS + DAY_MS)[:10]
#: When a day is over, and a moment before.
OVER_S = Period(DAY, DAY).ends_at_s + SETTLED_AFTER_S


class Written:
    """A ledger on the broker, and looks at it."""

    def __init__(self, kafka: Kafka, ledger: Ledger):
        self.kafka, self.namespace = kafka, new_namespace()
        asyncio.run(create_topics(kafka.bootstrap_servers, self.namespace, PARTITIONS))
        asyncio.run(write(ledger, kafka.bootstrap_servers, self.namespace))

    def look(self, proofs: DailyProofs, now_s: float, timeout_s: float | None = None) -> Look:
        async def work() -> Look:
            async with open_reader(self.kafka.bootstrap_servers, self.namespace) as reader:
                async with asyncio.timeout(timeout_s):
                    return await proofs.look(reader, now_s)

        return asyncio.run(work())

    def proven(self, day: str) -> tuple[Proof, ...]:
        async def work() -> tuple[Proof, ...]:
            async with open_reader(self.kafka.bootstrap_servers, self.namespace) as reader:
                return (await prove(reader, day)).proofs

        return asyncio.run(work())

    def published(self) -> list[Proof]:
        """All records of the topic."""

        async def work() -> list[Proof]:
            async with open_reader(self.kafka.bootstrap_servers, self.namespace) as reader:
                read = reader.read(RECONCILIATION_PROOFS)
                return [decode_proof(record.value or b"") async for records in read for record in records]

        return asyncio.run(work())

    def state(self, one: ExternalStatement) -> None:
        async def work() -> None:
            producer = AIOKafkaProducer(bootstrap_servers=self.kafka.bootstrap_servers)
            await producer.start()
            try:
                topic = full_name(self.namespace, EXTERNAL_STATEMENTS)
                await producer.send_and_wait(topic, encode_external(one), key=one.account.encode())
            finally:
                await producer.stop()

        asyncio.run(work())


@pytest.fixture(scope="module")
def written(kafka: Kafka) -> Iterator[Written]:
    found = Written(kafka, living())
    yield found
    asyncio.run(delete_topics(kafka, found.namespace))


def places(proofs: Sequence[Proof]) -> list[tuple[str, int]]:
    return sorted((one.proof_id, one.revision) for one in proofs)


def test_a_day_is_proven_once_it_is_over_whatever_interrupts_it(written: Written) -> None:
    before = DailyProofs(PARTITIONS)
    assert written.look(before, OVER_S - 1).written == ()

    # Interrupted at any moment, also within the transaction, by a worker that has to end.
    for timeout_s in (0.005, 0.02, 0.04, 0.06, 0.08, 0.1, 0.12, 0.15):
        try:
            written.look(before, OVER_S, timeout_s)
        except (TimeoutError, OperationError):
            continue
    written.look(before, OVER_S)
    expected = written.proven(DAY)
    assert {type(one) for one in expected} == {SafeguardingProof, BalanceProof}
    assert places(written.published()) == places(expected)
    assert sorted(written.published(), key=lambda one: one.proof_id) == sorted(expected, key=lambda one: one.proof_id)

    # The same worker, and one that begins anew, have nothing to add.
    assert written.look(before, OVER_S).written == ()
    assert written.look(DailyProofs(PARTITIONS), OVER_S).written == ()


def test_a_day_without_any_event_is_proven_as_well(written: Written) -> None:
    look = written.look(DailyProofs(PARTITIONS), OVER_S + DAY_MS // 1000)
    assert places(look.written) == places(written.proven(QUIET))
    assert {one.day for one in look.safeguarding} == {QUIET}
    with_cuts = {one.asset: (one.surplus_minor, one.cuts) for one in look.safeguarding}
    of_before = [one for one in written.proven(DAY) if isinstance(one, SafeguardingProof)]
    assert with_cuts == {one.asset: (one.surplus_minor, one.cuts) for one in of_before}


def test_a_statement_that_comes_late_is_the_next_revision_of_its_day_alone(written: Written) -> None:
    proofs = DailyProofs(PARTITIONS)
    written.look(proofs, OVER_S + DAY_MS // 1000)
    (rail,) = (one for one in written.proven(DAY) if isinstance(one, BalanceProof) and one.asset == "EUR")
    assert (rail.ledger_account, rail.verdict) == ("system/rail:instant", "no_statement")
    fields = {"account": "instant", "closing_date": DAY}
    written.state(statement("late", rail.ledger_minor + 3, **fields))
    look = written.look(proofs, OVER_S + DAY_MS // 1000)
    assert places(look.written) == [(rail.proof_id, 2)]
    (revised,) = look.written
    assert isinstance(revised, BalanceProof)
    assert (revised.verdict, revised.unexplained_minor) == ("unexplained", 3)
    # What somebody publishes by hand meanwhile is not written again.
    written.state(statement("mended", rail.ledger_minor, **fields))

    async def by_hand() -> int:
        async with open_reader(written.kafka.bootstrap_servers, written.namespace) as reader:
            return len((await publish_new(reader, (await prove(reader, DAY)).proofs)).written)

    assert asyncio.run(by_hand()) == 1
    assert written.look(proofs, OVER_S + DAY_MS // 1000).written == ()
    (last,) = (one for one in _last(written).values() if one.proof_id == rail.proof_id)
    assert (last.revision, last.verdict) == (3, "agrees")


def _last(written: Written) -> dict[str, Proof]:
    async def work() -> dict[str, Proof]:
        async with open_reader(written.kafka.bootstrap_servers, written.namespace) as reader:
            return await read_published(reader)

    return asyncio.run(work())


def test_workers_of_the_role_publish_it_once_killed_or_not(kafka: Kafka, tmp_path: Path) -> None:
    ledger = Ledger(PARTITIONS)
    ledger.now_ms = int(time.time() * 1000) - SETTLED_AFTER_S * 1000 - DAY_MS
    yesterday = rfc3339(ledger.now_ms)[:10]
    for wallet_id in (HERE[0], THERE[0]):
        ledger.send(wallet_id=wallet_id, operation="open_wallet", owner_ref="o", assets=["EUR"])
        ledger.send(wallet_id=wallet_id, operation="credit", amount_minor=700, asset="EUR")
        ledger.send(wallet_id=wallet_id, operation="fee", amount_minor=20, asset="EUR", code="card")
    ledger.run()
    written = Written(kafka, ledger)
    environ = {
        "WALLETSTREAM_BOOTSTRAP_SERVERS": kafka.bootstrap_servers,
        "WALLETSTREAM_NAMESPACE": written.namespace,
        "WALLETSTREAM_PARTITIONS": str(PARTITIONS),
        "WALLETSTREAM_DATA_DIR": str(tmp_path / "data"),
        "WALLETSTREAM_SESSION_TIMEOUT_S": "1",
        "WALLETSTREAM_RECONCILIATION_PROOFS_INTERVAL_S": "1",
    }
    workers = [WorkerProcess(name, environ, tmp_path / f"{name}.log", role="reconciliation") for name in ("a", "b")]
    try:
        workers[0].start()
        while not written.published():
            assert workers[0].running, workers[0].failure()
        workers[0].kill()
        workers[1].start()
        workers[0].start()
        wait_until_ready(workers)
        deadline = time.monotonic() + 30
        while not (told := _surplus(workers)):
            assert time.monotonic() < deadline, workers[1].last_lines()
            time.sleep(0.2)
        assert told == [f'walletstream_safeguarding_surplus_minor{{asset="EUR"}} {40.0}']
    finally:
        stop_all(workers)
    expected = [f"balance/system/rail:instant/instant/EUR/{yesterday}", f"safeguarding/EUR/{yesterday}"]
    assert places(written.published()) == [(proof_id, 1) for proof_id in expected]
    asyncio.run(delete_topics(kafka, written.namespace))


def _surplus(workers: Sequence[WorkerProcess]) -> list[str]:
    """Of all workers, what they say of the surplus: one of them does."""
    found: list[str] = []
    for worker in workers:
        with urllib.request.urlopen(f"http://127.0.0.1:{worker.web_port}/metrics") as answer:
            lines = answer.read().decode().splitlines()
        found += [line for line in lines if line.startswith("walletstream_safeguarding_surplus_minor{")]
    return found
