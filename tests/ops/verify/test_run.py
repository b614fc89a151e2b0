"""`verify` on a real broker: an honest ledger, one that was tampered with, one that is still at work."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ops.cli import main
from ops.errors import OperationError
from ops.reading import open_reader
from ops.verify.idle import what_waits
from ops.verify.report import Report
from ops.verify.run import verify
from schemas.events import Source
from schemas.outcomes import Outcome, encode_outcome
from schemas.topics import INPUTS, LEDGER_EVENTS, TRANSACTION_OUTCOMES, full_name
from streams.machine import Message
from tests.broker import Kafka
from tests.ops.verify.honest import Ledger
from tests.ops.verify.on_kafka import create_topics, write
from tests.ops.verify.story import HERE, PARTITIONS, THERE, codes, living
from tests.ops.verify.test_stores import keep


def _written(kafka: Kafka, namespace: str, ledger: Ledger) -> int:
    async def both() -> int:
        await create_topics(kafka.bootstrap_servers, namespace, PARTITIONS, are_inputs_stamped=False)
        return await write(ledger, kafka.bootstrap_servers, namespace)

    return asyncio.run(both())


def _verify(kafka: Kafka, namespace: str, *, data_dir: Path | None = None, wait_s: float | None = None) -> Report:
    return asyncio.run(verify(kafka.bootstrap_servers, namespace, PARTITIONS, data_dir=data_dir, wait_s=wait_s))


def _cli(kafka: Kafka, namespace: str, *arguments: str, partitions: int = PARTITIONS, data_dir: str = "x") -> Result:
    environ = {
        "WALLETSTREAM_BOOTSTRAP_SERVERS": kafka.bootstrap_servers,
        "WALLETSTREAM_NAMESPACE": namespace,
        "WALLETSTREAM_PARTITIONS": str(partitions),
        "WALLETSTREAM_DATA_DIR": data_dir,
    }
    return CliRunner().invoke(main, ["verify", *arguments], env=environ)


@pytest.fixture
def nothing_is_late(monkeypatch: pytest.MonkeyPatch) -> None:
    """All has been written: `verify` need not wait for what it misses as long as it does beside workers."""
    monkeypatch.setattr("ops.verify.run._LATE_S", 0.5)


@pytest.mark.kafka
def test_an_honest_ledger_holds(kafka: Kafka, namespace: str, tmp_path: Path) -> None:
    ledger = living()
    _written(kafka, namespace, ledger)
    keep(ledger, tmp_path).close()
    seen: list[tuple[int, int]] = []
    report = asyncio.run(
        verify(
            kafka.bootstrap_servers,
            namespace,
            PARTITIONS,
            data_dir=tmp_path,
            wait_s=5,
            on_progress=lambda done, total: seen.append((done, total)),
        )
    )
    assert report.counts == {}
    assert report.is_idle
    assert (report.events, report.wallets, report.stores) == (60, 8, 1)
    assert report.inputs == sum(len(part) for topic in INPUTS for part in ledger.topics[topic])
    assert seen[-1][0] == seen[-1][1] > 0
    result = _cli(kafka, namespace, "--wait", "5", data_dir=str(tmp_path))
    assert result.exit_code == 0, result.output
    last = result.stdout.splitlines()[-1]
    assert last.startswith("verify: OK 60 events, 2 partitions, 8 wallets, 0 findings, ")
    assert last.endswith(" s")


@pytest.mark.kafka
@pytest.mark.usefixtures("nothing_is_late")
def test_a_log_that_was_tampered_with_does_not(kafka: Kafka, namespace: str) -> None:
    """Each in one transaction: an event without its answer, and an answer without its event."""
    ledger = living()
    batches = [messages for is_transaction, messages in ledger.history if is_transaction]
    messages = next(batch for batch in batches if any(b"request.rejected" in (m.value or b"") for m in batch))
    index = next(i for i, m in enumerate(messages) if m.topic == TRANSACTION_OUTCOMES)
    messages.pop(index)
    source = Source("transaction-requests", 0, 999)
    stranger = encode_outcome(Outcome(kind="answer", status="accepted", code="ok", source=source, recorded_at="2026"))
    ledger.history.append((True, [Message(TRANSACTION_OUTCOMES, 0, b"w", stranger)]))
    _written(kafka, namespace, ledger)
    report = _verify(kafka, namespace)
    assert codes(report) == {"answer_missing", "answer_unfounded"}
    result = _cli(kafka, namespace, "--json", "--no-stores")
    assert result.exit_code == 1
    said = json.loads(result.stdout)
    assert (said["ok"], said["line"]) == (False, "verify: FAILED 2 findings")
    assert {finding["code"] for finding in said["findings"]} == {"answer_missing", "answer_unfounded"}
    assert {finding["topic"] for finding in said["findings"]} == {LEDGER_EVENTS, TRANSACTION_OUTCOMES}
    printed = _cli(kafka, namespace).stdout
    assert "answer_missing: Every command record is answered" in printed
    assert printed.endswith("verify: FAILED 2 findings\n")


@pytest.mark.kafka
@pytest.mark.usefixtures("nothing_is_late")
def test_a_log_without_its_tail_does_not(kafka: Kafka, namespace: str) -> None:
    """The last batch of a partition wrote its answers and balances, but its events are not there."""
    ledger = living()
    ledger.send(operation="debit", wallet_id=HERE[0], amount_minor=1, asset="EUR")
    ledger.run()
    is_transaction, messages = ledger.history[-1]
    ledger.history[-1] = (is_transaction, [message for message in messages if message.topic != LEDGER_EVENTS])
    _written(kafka, namespace, ledger)
    report = _verify(kafka, namespace)
    assert codes(report) == {"tail_missing", "answer_unfounded"}
    assert _cli(kafka, namespace, "--no-stores").exit_code == 1


@pytest.mark.kafka
def test_a_ledger_that_works_on_while_it_is_read_holds(kafka: Kafka, namespace: str) -> None:
    ledger = living()
    written = _written(kafka, namespace, ledger)

    async def meanwhile() -> list[Report]:
        nonlocal written
        reports = []
        for number in range(4):
            auditing = asyncio.create_task(verify(kafka.bootstrap_servers, namespace, PARTITIONS))
            while not auditing.done():
                payer, payee = (HERE[0], THERE[0]) if number % 2 else (THERE[0], HERE[0])
                ledger.send(operation="transfer", wallet_id=payer, amount_minor=1, asset="EUR", to_wallet_id=payee)
                ledger.send(operation="credit", wallet_id=payee, amount_minor=1, asset="EUR")
                ledger.run(max_records=1)
                written = await write(ledger, kafka.bootstrap_servers, namespace, since=written)
            reports.append(await auditing)
        return reports

    reports = asyncio.run(meanwhile())
    assert [report.counts for report in reports] == [{}] * 4
    assert reports[-1].events > reports[0].events


@pytest.mark.kafka
def test_a_ledger_at_work_is_not_idle(kafka: Kafka, namespace: str) -> None:
    ledger = living()
    written = _written(kafka, namespace, ledger)
    ledger.send(operation="credit", wallet_id=HERE[0], amount_minor=1, asset="EUR")
    asyncio.run(write(ledger, kafka.bootstrap_servers, namespace, since=written))
    report = _verify(kafka, namespace)
    assert (report.counts, report.unread, report.is_idle) == ({}, 1, False)
    with pytest.raises(OperationError, match=r"not idle after 0 s: .* transaction-requests/0 from"):
        _verify(kafka, namespace, wait_s=0.4)
    result = _cli(kafka, namespace, "--wait", "0.1")
    assert result.exit_code == 2
    assert "not idle" in result.stderr


@pytest.mark.kafka
def test_waiting_ends_when_the_ledger_has_caught_up(kafka: Kafka, namespace: str) -> None:
    ledger = living()
    written = _written(kafka, namespace, ledger)
    ledger.send(operation="credit", wallet_id=HERE[0], amount_minor=1, asset="EUR")

    async def meanwhile() -> Report:
        waiting = asyncio.create_task(verify(kafka.bootstrap_servers, namespace, PARTITIONS, wait_s=30))
        await asyncio.sleep(0.2)
        ledger.run()
        await write(ledger, kafka.bootstrap_servers, namespace, since=written)
        async with open_reader(kafka.bootstrap_servers, namespace) as reader:
            assert await what_waits(reader) == {}
        return await waiting

    report = asyncio.run(meanwhile())
    assert (report.counts, report.unread) == ({}, 0)


@pytest.mark.kafka
def test_an_empty_ledger_holds(kafka: Kafka, namespace: str) -> None:
    asyncio.run(create_topics(kafka.bootstrap_servers, namespace, PARTITIONS))
    report = _verify(kafka, namespace, wait_s=5)
    assert (report.counts, report.events) == ({}, 0)


@pytest.mark.kafka
def test_what_hinders_it_is_said(kafka: Kafka, namespace: str) -> None:
    missing = _cli(kafka, namespace)
    assert missing.exit_code == 2
    assert f"topic {full_name(namespace, LEDGER_EVENTS)} is missing" in missing.stderr
    asyncio.run(create_topics(kafka.bootstrap_servers, namespace, PARTITIONS))
    other = _cli(kafka, namespace, partitions=16)
    assert other.exit_code == 2
    assert "has 2 partitions, WALLETSTREAM_PARTITIONS says 16" in other.stderr
    away = _cli(Kafka("127.0.0.1:1", "given"), namespace)
    assert away.exit_code == 2
    assert "no Kafka broker answers at 127.0.0.1:1" in away.stderr


def test_an_audit_that_is_interrupted_has_found_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_args: object, **_named: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("ops.verify.run.verify", interrupted)
    result = CliRunner().invoke(main, ["verify", "--json"])
    assert (result.exit_code, result.stdout) == (2, "")
    assert json.loads(result.stderr) == {"error": "interrupted: nothing is proven", "exit_code": 2}
