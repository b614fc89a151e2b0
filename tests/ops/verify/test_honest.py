"""An honest log has no findings: whole, read while it grows, or past its retention."""

from __future__ import annotations

import random
from collections.abc import Iterable
from typing import Any

import orjson
import pytest

from ops.verify.findings import Check
from ops.verify.report import Report
from schemas import topics
from streams.seal import is_seal
from tests.ops.verify.honest import Ledger, LogRecord
from tests.ops.verify.operations import operations
from tests.ops.verify.services import services
from tests.ops.verify.story import HERE, PARTITIONS, THERE, UNLUCKY_MINOR, UnluckyMachine, audit, codes, living, story
from tests.ops.verify.tamper import EVENTS, OUTCOMES, edit, locate, remove, reseal
from tests.ops.verify.traffic import Traffic


@pytest.mark.parametrize("chunk", [1, 7, 10_000])
def test_a_whole_ledger_holds(chunk: int) -> None:
    report = audit(story(), chunk=chunk)
    assert report.counts == {}
    assert report.is_idle
    assert (report.wallets, report.open_sagas, report.forwards_under_way) == (8, 0, 0)
    assert report.line().startswith("verify: OK 60 events, 2 partitions, 8 wallets, 0 findings, ")
    assert report.as_json()["ok"] is True


@pytest.mark.parametrize("chunk", [1, 7, 10_000])
def test_all_operations_hold(chunk: int) -> None:
    report = audit(operations(), chunk=chunk)
    assert report.counts == {}, report.findings
    assert report.is_idle


@pytest.mark.parametrize("chunk", [1, 10_000])
def test_all_services_hold(chunk: int) -> None:
    report = audit(services(), chunk=chunk)
    assert report.counts == {}, report.findings
    assert report.is_idle


def test_the_story_has_something_of_everything() -> None:
    types = {orjson.loads(record.value or b"")["type"] for part in story().topics[EVENTS] for record in part}
    assert types >= {
        "request.forwarded",
        "request.replayed",
        "request.dead_lettered",
        "request.parked",
        "wallet.released",
        "transaction.failed",
        "transfer.received",
        "transfer.refused",
    }


def test_random_traffic_holds() -> None:
    chance = random.Random(7)
    ledger = Ledger(PARTITIONS)
    wallets = [*HERE[:8], *THERE[:8]]
    for wallet in wallets:
        ledger.send(operation="open_wallet", wallet_id=wallet, owner_ref="o", assets=["EUR"])
        ledger.send(operation="credit", wallet_id=wallet, amount_minor=500, asset="EUR")
    for _ in range(600):
        payer, payee = chance.sample(wallets, 2)
        ledger.send(
            operation="transfer",
            wallet_id=payer,
            amount_minor=chance.randint(0, 300),
            asset=chance.choice(["EUR", "EUR", "EUR", "USD"]),
            to_wallet_id=payee,
            idempotency_key=f"k{chance.randint(0, 500)}",
            partition=chance.choice([None, None, 0, 1]),
        )
        if chance.random() < 0.1:
            ledger.step(chance.randrange(PARTITIONS), chance.randint(1, 20))
    ledger.run(max_records=20)
    report = audit(ledger)
    assert report.counts == {}
    assert report.open_sagas == 0


@pytest.mark.parametrize("seed", range(4))
def test_random_traffic_with_all_operations_holds(seed: int) -> None:
    report = audit(Traffic(seed).run(400), chunk=50)
    assert report.counts == {}, report.findings
    assert report.events > 300


def _seals(ledger: Ledger, partition: int) -> Iterable[int]:
    """Where a partition's log may end: behind each seal, or before the first event."""
    yield 0
    for index, record in enumerate(ledger.topics[EVENTS][partition]):
        if is_seal(record.value or b""):
            yield index + 1


def _read_while_it_grows(cuts: tuple[int, ...]) -> Report:
    ledger = story()
    grown = {partition for partition, cut in enumerate(cuts) if cut < len(ledger.topics[EVENTS][partition])}
    for partition, cut in enumerate(cuts):
        del ledger.topics[EVENTS][partition][cut:]
    return audit(ledger, grown=grown)


def test_a_log_that_grows_while_it_is_read_holds() -> None:
    """Each partition's log may have been read up to any seal, the other topics further."""
    ledger = story()
    sagas, forwards = 0, 0
    for first in _seals(ledger, 0):
        for second in _seals(ledger, 1):
            report = _read_while_it_grows((first, second))
            assert report.counts == {}, (first, second, report.findings)
            sagas, forwards = max(sagas, report.open_sagas), max(forwards, report.forwards_under_way)
    assert sagas > 0
    assert forwards > 0


def _shows_elsewhere(records: Iterable[LogRecord]) -> bool:
    """True where events are answered or state a balance, so that other topics know of them."""
    events = [orjson.loads(record.value or b"") for record in records if not is_seal(record.value or b"")]
    return any(
        "entries" in event
        or "from_state" in event
        or (event["cause"]["topic"] != topics.INTERNAL_COMMANDS and event["type"] != "request.forwarded")
        for event in events
    )


def test_a_log_at_rest_that_lacks_its_tail_does_not() -> None:
    """Whatever batches are cut off: answers and balances reach beyond the end, and the log does not grow any more."""
    cuts = 0
    for partition in range(PARTITIONS):
        for cut in _seals(story(), partition):
            ledger = story()
            tail = ledger.topics[EVENTS][partition][cut:]
            if not _shows_elsewhere(tail):
                continue
            del ledger.topics[EVENTS][partition][cut:]
            found = codes(audit(ledger))
            assert found & {"tail_missing", "answer_unfounded", "leg_unfounded", "saga_differs"}, (partition, cut)
            # Growth of another partition excuses nothing here.
            assert codes(audit(ledger, grown={1 - partition})) & {"tail_missing", "answer_unfounded"}, (partition, cut)
            cuts += 1
    assert cuts > 10


def test_only_a_partition_that_grows_is_given_time() -> None:
    ledger = story()
    del ledger.topics[EVENTS][0][list(_seals(ledger, 0))[-2] :]
    assert audit(ledger, grown={0}).counts == {}
    assert codes(audit(ledger, grown={1})) == codes(audit(ledger)) == {"tail_missing", "answer_unfounded"}


def test_what_waits_is_said() -> None:
    ledger = living()
    ledger.send(operation="credit", wallet_id=HERE[0], amount_minor=1, asset="EUR")
    report = audit(ledger)
    assert report.counts == {}
    assert report.unread == 1
    assert any(line.startswith("not idle: 1 input records") for line in report.lines())


def test_open_sagas_are_counted_and_summed() -> None:
    ledger = living()
    ledger.send(operation="transfer", wallet_id=HERE[0], amount_minor=33, asset="EUR", to_wallet_id=THERE[0])
    ledger.step(0)
    report = audit(ledger)
    assert report.counts == {}
    assert (report.open_sagas, report.open_minor) == (1, {"EUR": 33})


def test_a_quarantine_may_hold_a_saga() -> None:
    """Idle, with a transfer under way: its leg is parked."""
    ledger = Ledger(PARTITIONS, UnluckyMachine())
    for wallet in (HERE[0], THERE[0]):
        ledger.send(operation="open_wallet", wallet_id=wallet, owner_ref="o", assets=["EUR"])
        ledger.send(operation="credit", wallet_id=wallet, amount_minor=9_000, asset="EUR")
    ledger.send(operation="credit", wallet_id=THERE[0], amount_minor=UNLUCKY_MINOR, asset="EUR")
    ledger.run()
    ledger.send(operation="transfer", wallet_id=HERE[0], amount_minor=5, asset="EUR", to_wallet_id=THERE[0])
    ledger.run()
    report = audit(ledger)
    assert report.counts == {}
    assert report.is_idle
    assert report.open_sagas == 1


# ---- retention ----------------------------------------------------------------------------------------


def _after_retention(ledger: Ledger, topic: str, keep: int) -> list[int]:
    """Keep the last `keep` records of each partition; returns the first offsets left."""
    for records in ledger.topics[topic]:
        del records[: len(records) - keep]
    return [records[0].offset if records else 0 for records in ledger.topics[topic]]


def test_inputs_past_their_retention_are_no_finding() -> None:
    ledger = story()
    starts = {topic: [0] * PARTITIONS for topic in topics.INPUTS}
    starts[topics.TRANSACTION_REQUESTS] = _after_retention(ledger, topics.TRANSACTION_REQUESTS, 5)
    assert audit(ledger, retained_from=starts).counts == {}
    ledger.topics[topics.TRANSACTION_REQUESTS][0].pop()
    assert codes(audit(ledger, retained_from=starts)) == {"no_such_input"}


def test_inputs_that_were_deleted_unread_are_found() -> None:
    ledger = story()
    starts = {topic: [0] * PARTITIONS for topic in topics.INPUTS}
    for topic in (topics.TRANSACTION_REQUESTS, topics.OPERATOR_COMMANDS):
        starts[topic] = [records[-1].offset + 1 for records in ledger.topics[topic]]
    assert audit(ledger, retained_from=starts).counts == {}
    starts[topics.OPERATOR_COMMANDS][1] += 2
    (finding,) = audit(ledger, retained_from=starts).findings
    assert finding.check == Check.INPUT_BOUNDS
    assert finding.sentence.endswith("has read only up to 1: 2 offsets were deleted unread")


@pytest.mark.parametrize("keep", [0, 1, 9])
def test_outcomes_past_their_retention_are_no_finding(keep: int) -> None:
    ledger = story()
    _after_retention(ledger, OUTCOMES, keep)
    assert audit(ledger, outcomes_begin=True).counts == {}


def test_an_answer_is_missed_within_the_retention() -> None:
    ledger = story()
    _after_retention(ledger, OUTCOMES, 9)
    remove(ledger, OUTCOMES, (0, 4))
    assert codes(audit(ledger, outcomes_begin=True)) == {"answer_missing"}


def test_events_are_never_past_their_retention() -> None:
    ledger = story()
    del ledger.topics[EVENTS][0][:3]
    assert "events_deleted" in codes(audit(ledger))


def test_what_is_open_keeps_what_it_acts_on_however_long() -> None:
    ledger = Ledger()
    wallet_id, month_ms = HERE[0], 30 * 86_400_000
    ledger.send(operation="open_wallet", wallet_id=wallet_id, owner_ref="o", assets=["EUR"])
    paid = _transaction(ledger, operation="credit", wallet_id=wallet_id, amount_minor=9, asset="EUR")
    named = {"wallet_id": wallet_id, "transaction_id": paid, "reason": "fraud"}
    disputes = [_transaction(ledger, operation="dispute", amount_minor=4, **named)]
    for _ in range(60):
        # Each of them is remembered for its time: the auditor's memory turns over more than twice.
        ledger.now_ms += month_ms
        _transaction(ledger, operation="credit", wallet_id=wallet_id, amount_minor=1, asset="EUR")
    disputes.append(_transaction(ledger, operation="dispute", amount_minor=5, **named))
    for dispute in disputes:
        signed: dict[str, Any] = {"requested_by": "o", "approved_by": "p", "reason_code": "x", "won": True}
        topic = topics.OPERATOR_COMMANDS
        ledger.send(topic, operation="resolve_dispute", wallet_id=wallet_id, transaction_id=dispute, **signed)
    ledger.run()
    assert _last(ledger)["to_state"] == "settled"
    assert audit(ledger).counts == {}


def _last(ledger: Ledger) -> dict[str, Any]:
    """The last event of partition 0 but for its seal."""
    event: dict[str, Any] = orjson.loads(ledger.topics[EVENTS][0][-2].value or b"")
    return event


def _transaction(ledger: Ledger, **fields: Any) -> str:
    """The id of the transaction that a command begins, in partition 0."""
    ledger.send(**fields)
    ledger.run()
    told = orjson.loads(ledger.topics[OUTCOMES][0][-1].value or b"")
    assert told["code"] == "ok", told
    return str(told["transaction_id"])


def test_a_key_may_be_used_again_after_its_retention() -> None:
    ledger = story()
    first = locate(ledger, EVENTS, type="transaction.settled", operation="debit")
    cause = orjson.loads(ledger.topics[EVENTS][first[0]][first[1]].value or b"")["cause"]
    later = locate(ledger, EVENTS, type="transaction.settled", operation="credit", wallet_id=HERE[0])
    edit(ledger, EVENTS, later, cause=lambda old: {**old, "idempotency_key": cause["idempotency_key"]})
    reseal(ledger)
    assert Check.KEY_USED_TWICE in audit(ledger).counts
    assert Check.KEY_USED_TWICE not in audit(ledger, retained_ms=1).counts
