"""The commands on exceptions and rules on a real broker. A stand-in takes decisions, by the role's own checks."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from click.testing import CliRunner, Result

from agents.reconciliation.workflow import Refused, check_state, decided, proposed
from ops import ordering
from ops.cli import main
from schemas.partitioning import partition_of
from schemas.reconciliation_decisions import Approve, Propose, Unmatch, read_decision
from schemas.reconciliation_events import (
    DECISION_REFUSED,
    DECISION_TAKEN,
    DecisionFacts,
    ReconciliationCause,
    ReconciliationEvent,
    encode_reconciliation_event,
)
from schemas.reconciliation_exceptions import Proposal, ReconciliationException, encode_exception
from schemas.reconciliation_results import encode_result
from schemas.topics import (
    RECONCILIATION_DECISIONS,
    RECONCILIATION_EVENTS,
    RECONCILIATION_EXCEPTIONS,
    RECONCILIATION_RESULTS,
    full_name,
)
from tests.broker import Kafka, delete_topics, new_namespace
from tests.ops.reconcile.exceptions import AT, a_match, a_summary, an_exception
from tests.ops.verify.on_kafka import create_topics

pytestmark = pytest.mark.kafka

PARTITIONS = 2
ONE, OTHER, SEPA = "a1" * 16, "a2" * 16, "b1" * 16
HOME = partition_of("cards", PARTITIONS)


class Written:
    """Exceptions and results on the broker, the command line on them, and a stand-in for the role."""

    def __init__(self, kafka: Kafka, namespace: str):
        self.servers, self.namespace = kafka.bootstrap_servers, namespace
        self.known = {one: an_exception(one) for one in (ONE, OTHER)}
        asyncio.run(create_topics(self.servers, namespace, PARTITIONS))
        asyncio.run(self._write())

    async def _write(self) -> None:
        async with AIOKafkaProducer(bootstrap_servers=self.servers) as producer:
            for one in (*self.known.values(), an_exception(SEPA, book="sepa", severity="high", overdue=True)):
                await self._send(producer, RECONCILIATION_EXCEPTIONS, one.book, encode_exception(one))
            for result in (a_match("m1"), a_match("m2"), a_summary()):
                await self._send(producer, RECONCILIATION_RESULTS, "cards", encode_result(result))

    async def _send(self, producer: AIOKafkaProducer, topic: str, book: str, value: bytes) -> None:
        place = partition_of(book, PARTITIONS)
        name = full_name(self.namespace, topic)
        await producer.send_and_wait(name, value, key=book.encode(), partition=place)

    def run(self, *arguments: str) -> Result:
        environ = {
            "WALLETSTREAM_BOOTSTRAP_SERVERS": self.servers,
            "WALLETSTREAM_NAMESPACE": self.namespace,
            "WALLETSTREAM_PARTITIONS": str(PARTITIONS),
        }
        return CliRunner().invoke(main, ["reconcile", *arguments], env=environ)

    def json(self, *arguments: str) -> Any:
        result = self.run(*arguments, "--json")
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    @contextmanager
    def worker(self) -> Iterator[None]:
        """The stand-in runs in a thread of its own for as long as the context lasts."""
        ready, stop = threading.Event(), threading.Event()
        thread = threading.Thread(target=lambda: asyncio.run(self._work(ready, stop)))
        thread.start()
        try:
            assert ready.wait(30)
            yield
        finally:
            stop.set()
            thread.join(30)

    async def _work(self, ready: threading.Event, stop: threading.Event) -> None:
        topic = full_name(self.namespace, RECONCILIATION_DECISIONS)
        async with (
            AIOKafkaConsumer(topic, bootstrap_servers=self.servers, auto_offset_reset="latest") as consumer,
            AIOKafkaProducer(bootstrap_servers=self.servers) as producer,
        ):
            await consumer.seek_to_end()
            for place in consumer.assignment():
                await consumer.position(place)
            ready.set()
            while not stop.is_set():
                for records in (await consumer.getmany(timeout_ms=100)).values():
                    for record in records:
                        await self._take(producer, record.value, record.offset)

    async def _take(self, producer: AIOKafkaProducer, value: bytes, offset: int) -> None:
        decision = read_decision(value)
        type_, message = DECISION_TAKEN, None
        try:
            if not isinstance(decision, Unmatch):
                now = self.known[decision.exception_id] = self._decided(decision)
                await self._send(producer, RECONCILIATION_EXCEPTIONS, now.book, encode_exception(now))
        except Refused as refused:
            type_, message = DECISION_REFUSED, str(refused)
        event = ReconciliationEvent(
            type=type_,
            cause=ReconciliationCause(RECONCILIATION_DECISIONS, HOME, offset),
            decision=DecisionFacts(
                decision_id=decision.decision_id, kind=decision.kind, by=decision.by, digest="0" * 64
            ),
            message=message,
            recorded_at=AT,
        )
        await self._send(producer, RECONCILIATION_EVENTS, decision.book, encode_reconciliation_event(event))

    def _decided(self, decision: Any) -> ReconciliationException:
        exception = self.known[decision.exception_id]
        check_state(exception, decision)
        if isinstance(decision, Propose):
            number = exception.proposals + 1
            proposal = Proposal(
                number=number,
                kind=decision.resolution.kind,
                reason_code=decision.reason_code,
                proposed_by=decision.by,
                proposed_at=AT,
            )
            return proposed(exception, proposal, AT)
        if isinstance(decision, Approve):
            return an_exception(exception.exception_id, state="approved", proposal=exception.proposal)
        return decided(exception, decision, AT, date(2026, 11, 24).toordinal())


@pytest.fixture(scope="module")
def written(kafka: Kafka) -> Iterator[Written]:
    namespace = new_namespace()
    yield Written(kafka, namespace)
    with suppress(Exception):
        asyncio.run(delete_topics(kafka, namespace))


def test_what_is_there(written: Written) -> None:
    assert [one["exception_id"] for one in written.json("exceptions")] == [SEPA, ONE, OTHER]
    assert [one["exception_id"] for one in written.json("exceptions", "--account", "cards")] == [ONE, OTHER]
    assert [one["exception_id"] for one in written.json("exceptions", "--overdue")] == [SEPA]
    cards, sepa = written.json("status")
    assert (cards["book"], cards["summary"]["totals"][0]["matched"], cards["at_risk_minor"]) == (
        "cards",
        5,
        {"EUR": 50},
    )
    assert (sepa["book"], sepa["open"][0]["overdue"]) == ("sepa", 1)
    shown = written.run("status", "--account", "cards").stdout
    assert "5 matched (500.00 EUR), 2 expected (70.00 EUR)" in shown
    assert "cash at risk: 0.50 EUR" in shown
    shown = written.run("show", SEPA[:6]).stdout
    assert "next: assign, propose, hold, comment" in shown
    assert "P-1" in shown


def test_the_life_of_an_exception(written: Written) -> None:
    with written.worker():
        assert written.json("assign", ONE, "--to", "op:ines", "--by", "op:jan")["assignee"] == "op:ines"
        assert written.json("comment", ONE, "The bank was asked.", "--by", "op:ines")["history"][-1]["by"] == "op:ines"
        held = written.json("hold", ONE, "--until", "2026-12-01", "--reason", "asked", "--by", "op:ines")
        assert held["held_until"] == "2026-12-01"
        given = ("--reason", "bank_error", "--by", "op:ines")
        assert written.json("propose", ONE, "write-off", *given)["state"] == "proposed"
        own = written.run("approve", ONE, "--by", "OP:INES")
        assert (own.exit_code, "Nothing was sent" in own.output) == (1, True)
        stale = written.run("approve", ONE, "--number", "2", "--by", "op:jan")
        assert (stale.exit_code, "it was refused: proposal 1 waits, not 2" in stale.output) == (1, True)
        rejected = written.json("reject", ONE, "--reason", "not yet", "--by", "op:jan")
        assert rejected["state"] == "rejected"
        amount = ("--from", "system/rail:cards", "--to", "system/fees", "--amount", "0.25")
        assert written.json("propose", ONE, "correct", *amount, *given)["proposal"]["number"] == 2
        approved = written.run("approve", ONE, "--by", "op:jan")
        assert (approved.exit_code, "it is approved now" in approved.output) == (0, True), approved.output
        assert written.json("unmatch", "m1", "--reason", "mixed up") == {"match_id": "m1", "book": "cards"}
    again = written.run("propose", ONE, "write-off", *given)
    assert (again.exit_code, "the ledger has not answered its posting yet" in again.output) == (1, True)


def test_without_a_worker_it_says_so(written: Written, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ordering, "LOOKS", 2)
    waited = written.run("assign", OTHER, "--to", "op:ines")
    assert (waited.exit_code, "is `worker reconciliation` running?" in waited.output) == (1, True)


CARDS: dict[str, Any] = {
    "name": "cards",
    "version": 1,
    "accounts": ["cards-bank"],
    "relations": [
        {
            "relation": "ledger-partner",
            "rules": {"passes": [{"name": "ref", "keys": ["provider_reference"], "amount_tolerance_minor": 25}]},
        }
    ],
}


def test_rules_are_published_once_they_are_checked(written: Written, tmp_path: Path) -> None:
    file = tmp_path / "book.json"
    file.write_text(json.dumps(CARDS))
    (tried,) = written.json("rules", "dry-run", str(file))
    assert tried["left_lines"] == 1
    assert [one["name"] for one in written.json("rules", "ls")] == ["default"]
    assert written.run("rules", "publish", str(file)).stdout == "published cards version 1, on\n"
    assert [one["name"] for one in written.json("rules", "ls")] == ["cards", "default"]
    assert {one["book"] for one in written.json("exceptions", "--account", "cards-bank")} == {"cards"}
    file.write_text(json.dumps({**CARDS, "state": "off"}))
    refused = written.run("rules", "publish", str(file))
    assert (refused.exit_code, "a change needs a higher one than 1" in refused.output) == (1, True)


def test_a_book_is_removed_once_nothing_is_open_in_it(written: Written, tmp_path: Path) -> None:
    file = tmp_path / "cards.json"
    file.write_text(json.dumps(CARDS))
    assert written.run("rules", "publish", str(file)).exit_code == 0
    told = written.json("rules", "remove", "cards", "--dry-run")
    assert (told["removed"], told["rails"]) == (False, {"cards": "cards"})
    assert told["accounts"] == {"cards-bank": "cards-bank"}
    assert told["open_exceptions"] > 0
    refused = written.run("rules", "remove", "cards")
    assert (refused.exit_code, "open exceptions and" in refused.output) == (1, True), refused.output
    assert [one["name"] for one in written.json("rules", "ls")] == ["cards", "default"]

    assert "cards is removed" in written.run("rules", "remove", "cards", "--anyway").output
    assert [one["name"] for one in written.json("rules", "ls")] == ["default"]
    gone = written.run("rules", "remove", "cards")
    assert (gone.exit_code, "has no book 'cards'" in gone.output) == (1, True)
    # Nothing is open in it, and a lower version than the one that was removed may be published again.
    passes = [{"name": "ref", "keys": ["provider_reference"]}]
    book = {"name": "idle", "relations": [{"relation": "ledger-bank", "rules": {"passes": passes}}]}
    file = tmp_path / "idle.json"
    for version in (2, 1):
        file.write_text(json.dumps({**book, "version": version}))
        published = written.run("rules", "publish", str(file))
        assert published.exit_code == 0, published.output
        assert written.json("rules", "remove", "idle")["removed"] is True
