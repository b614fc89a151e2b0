"""Matching outcomes with requests."""

from __future__ import annotations

from typing import Any

import pytest

from ops.tracker import Seen, SeenSource, Tracker, decode_seen
from schemas.events import AccountBalance, Source
from schemas.outcomes import Outcome, encode_outcome


def seen(offset: int, *, partition: int = 0, topic: str = "transaction-requests", **fields: Any) -> Seen:
    return Seen(
        **{
            "kind": "answer",
            "code": "ok",
            "source": SeenSource(topic, partition, offset),
            "operation": "credit",
            **fields,
        }
    )


def test_an_outcome_as_the_ledger_writes_it_is_read() -> None:
    outcome = Outcome(
        kind="answer",
        operation="transfer",
        status="accepted",
        code="ok",
        state="processed",
        balances=(AccountBalance("w/main/available", "EUR", 5),),
        source=Source("transaction-requests", 3, 7),
        recorded_at="2026-11-23T00:00:00.000Z",
    )
    assert decode_seen(encode_outcome(outcome)) == seen(7, partition=3, operation="transfer", state="processed")


def test_latency_is_from_when_it_was_to_be_sent_to_when_it_was_seen() -> None:
    tracker = Tracker()
    tracker.on_sent(0, 10, [1.0, 2.0, 3.0])
    assert (tracker.sent, tracker.answered, tracker.waiting) == (3, 0, 3)
    tracker.on_outcomes([seen(11)], 2.5)
    tracker.on_outcomes([seen(10, code="insufficient_funds"), seen(12, replayed=True)], 4.0)
    assert (tracker.answered, tracker.waiting, tracker.replayed, tracker.doubled) == (3, 0, 1, 0)
    assert tracker.codes == {"ok": 2, "insufficient_funds": 1}
    took = tracker.latencies.summary()
    assert [took.p50, took.max] == pytest.approx([1000, 3000])


def test_an_answer_may_be_seen_before_the_acknowledgement() -> None:
    tracker = Tracker()
    tracker.on_outcomes([seen(10), seen(11)], 1.5)
    assert tracker.answered == 0
    tracker.on_sent(0, 10, [1.0])
    assert tracker.answered == 1
    tracker.on_sent(0, 11, [1.0])
    assert (tracker.answered, tracker.doubled) == (2, 0)
    assert tracker.latencies.summary().max == pytest.approx(500)


def test_two_answers_to_one_request_are_counted_early_and_late() -> None:
    tracker = Tracker()
    tracker.on_outcomes([seen(10), seen(10)], 1.0)
    tracker.on_sent(0, 10, [1.0, 1.0])
    tracker.on_outcomes([seen(11), seen(11)], 2.0)
    assert (tracker.answered, tracker.doubled) == (2, 2)


def test_what_others_sent_is_none_of_ours() -> None:
    tracker = Tracker()
    tracker.on_sent(0, 10, [1.0])
    tracker.on_sent(0, 15, [1.0])  # somebody else wrote 11 to 14
    tracker.on_outcomes([seen(9), seen(12), seen(12, topic="operator-commands"), seen(20), seen(10, partition=1)], 2.0)
    assert (tracker.answered, tracker.waiting, tracker.doubled) == (0, 2, 0)
    tracker.on_sent(0, 25, [1.0])  # 20 was somebody else's
    tracker.on_outcomes([seen(10), seen(15), seen(25)], 2.0)
    assert (tracker.answered, tracker.waiting, tracker.doubled) == (3, 0, 0)


def test_a_transfer_to_another_partition_settles_with_its_update() -> None:
    tracker = Tracker()
    tracker.on_sent(0, 0, [0.0, 0.0, 0.0])
    transfer: dict[str, Any] = {"operation": "transfer", "state": "processed"}
    tracker.on_outcomes([seen(0, **transfer), seen(1, **transfer), seen(2, **transfer, replayed=True)], 1.0)
    assert (tracker.answered, tracker.settling) == (3, 2)
    tracker.on_outcomes([seen(0, kind="update"), seen(1, kind="update", code="payee_refused")], 2.0)
    assert (tracker.settling, tracker.answered) == (0, 3)
    assert tracker.updates == {"ok": 1, "payee_refused": 1}
    assert len(tracker.latencies) == 3


def test_another_topic_can_be_tracked() -> None:
    tracker = Tracker("operator-commands")
    tracker.on_sent(0, 0, [0.0])
    tracker.on_outcomes([seen(0)], 1.0)
    assert tracker.answered == 0
    tracker.on_outcomes([seen(0, topic="operator-commands")], 1.0)
    assert tracker.answered == 1
