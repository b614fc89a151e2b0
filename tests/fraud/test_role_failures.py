"""What the role cannot handle, and what it forgets."""

from __future__ import annotations

from typing import Any
from unittest.mock import patch

import orjson
import pytest

from agents.fraud import arriving, taking
from agents.fraud import machine as machine_module
from agents.fraud.machine import FraudMachine
from schemas.clock import rfc3339
from schemas.dead_letters import read_dead_letter_headers
from schemas.fraud_internal import MOST_BYTES, KeyUse, decode_fraud_internal, together
from schemas.money import INT64_MAX
from schemas.partitioning import partition_of
from schemas.topics import FRAUD_FEEDBACK, FRAUD_INTERNAL, LEDGER_EVENTS
from streams.machine import Context, Output
from tests.fraud.role import EACH, RoleWorld, counted, one, payment, rule

#: Nested more deeply than a decoder goes.
DEEP = b'{"kind":"facts","uses":[],"facts":[[0,0,0,0,[],' + b"[" * 100_000


@pytest.mark.parametrize("topic", [LEDGER_EVENTS, FRAUD_INTERNAL, FRAUD_FEEDBACK])
@pytest.mark.parametrize(
    "value", [b"", b"{", b"\xff\xfe", b"[]", b'{"kind":"facts"}', b"null", pytest.param(DEEP, id="deep")]
)
def test_what_is_no_record_of_ours_is_dead_lettered_and_the_others_go_on(topic: str, value: bytes) -> None:
    world = RoleWorld([counted("burst", ["wallet_id"], 2)], partitions=1)
    payment(world, 1, "w1", 0)
    world.send(topic, 0, b"k", value)
    payment(world, 2, "w1", 0)
    world.run()
    assert one(world).occurrences == 1
    (event,) = world.events("fact.failed", "feedback.refused")
    assert event.message
    (letter,) = world.topics["dead-letters", 0]
    assert letter.value == value
    headers = read_dead_letter_headers(letter.headers)
    assert headers.original_topic == topic
    world.all[0].restart()


def test_a_bug_takes_one_record_and_leaves_no_trace_of_it() -> None:
    """What the judge has in memory of the batch that failed is forgotten with it."""
    world = RoleWorld([counted("burst", ["wallet_id"], 3)], partitions=1)
    real = arriving.take_ledger_event

    def broken(turn: Any, record: Any) -> None:
        real(turn, record)
        if record.offset == 1:
            raise ZeroDivisionError

    for number in range(4):
        payment(world, number, "w1", 0)
    with patch.object(machine_module, "take_ledger_event", broken):
        world.run()
    assert [type(bug) for bug in world.bugs] == [ZeroDivisionError]
    # Without the second one there are three.
    (alert,) = world.alerts().values()
    assert (alert.observed, alert.occurrences) == ("3", 1)
    world.all[0].restart()


@pytest.mark.parametrize("way", ["failed", "oversized"])
def test_of_several_facts_in_one_record_one_that_is_bad_takes_no_other_with_it(way: str) -> None:
    by_device = counted("shared", ["device"], 1)
    world = RoleWorld([by_device], partitions=2)
    device = next(f"d{number}" for number in range(10) if partition_of(f"d{number}", 2) == 1)
    for number in range(5):
        payment(world, number, "w1", 0, device={"fingerprint": device})
    world.all[0].run(100)
    (joined,) = world.topics[FRAUD_INTERNAL, 1]
    assert len(decode_fraud_internal(joined.value or b"").facts) == 5
    real = taking.take_fact

    def broken(turn: Any, record: Any, arrived: Any) -> None:
        if arrived.offset == 2:
            raise ZeroDivisionError
        real(turn, record, arrived)

    partition = world.all[1]
    if way == "oversized":
        out = Output("fraud-events", 1, -1)
        context = Context(FRAUD_INTERNAL, 1, 2, world.now_ms, rfc3339(world.now_ms))
        partition.machine.oversized(partition.overlay, joined, context, out)
        assert len(out.outgoing.by_target[FRAUD_INTERNAL, 1]) == 5
        assert out.dead_letters == []
        return
    with patch.object(machine_module, "take_fact", broken):
        world.run()
    assert [event.type for event in partition.events()] == [
        "facts.split",
        *["fact.evaluated"] * 2,
        "fact.failed",
        *["fact.evaluated"] * 2,
    ]
    (letter,) = world.topics["dead-letters", 1]
    assert letter.value == world.topics[FRAUD_INTERNAL, 1][3].value
    (alert,) = {alert.occurrences for alert in world.alerts().values()}
    assert alert == 1
    assert len(world.alerts()) == 4
    partition.restart()


def test_what_a_record_that_failed_was_to_send_is_not_sent() -> None:
    """Also where it fails when all is done, and where its batch is decided once more."""
    world = RoleWorld([counted("shared", ["device"], 1)], partitions=2)
    device = next(f"d{number}" for number in range(10) if partition_of(f"d{number}", 2) == 1)
    real = FraudMachine.step

    def broken(machine: FraudMachine, state: Any, record: Any, context: Context, out: Output) -> None:
        real(machine, state, record, context, out)
        if context.topic == LEDGER_EVENTS and record.offset in (2, 4):
            raise ZeroDivisionError

    for number in range(5):
        payment(world, number, "w1", 0, device={"fingerprint": device})
    with patch.object(FraudMachine, "step", broken):
        world.run()
    (joined,) = world.topics[FRAUD_INTERNAL, 1]
    facts = decode_fraud_internal(joined.value or b"").facts
    assert [fact.offset for fact in facts] == [0, 1, 3]


@pytest.mark.parametrize(
    ("sizes", "counts"), [([], []), ([10], [1]), ([10] * 300, [128, 128, 44]), ([9, MOST_BYTES + 9, 9], [1, 1, 1])]
)
def test_records_of_several_facts_are_bounded(sizes: list[int], counts: list[int]) -> None:
    values = [b'"%b"' % (b"x" * size) for size in sizes]
    found = [orjson.loads(value) for value in together([KeyUse(("device",), 60)], values)]
    assert [len(each["facts"]) for each in found] == counts
    assert all(each["uses"] == [[["device"], 60, 0]] for each in found)


def test_what_is_too_large_for_the_broker_is_kept_as_a_reference() -> None:
    world = RoleWorld([EACH], partitions=1)
    payment(world, 1, "w1", 0)
    partition = world.all[0]
    (record,) = world.topics[LEDGER_EVENTS, 0]
    out = Output("fraud-events", 0, -1)
    context = Context(LEDGER_EVENTS, 0, 1, world.now_ms, rfc3339(world.now_ms))
    partition.machine.oversized(partition.overlay, record, context, out)
    assert out.dead_letters == [("oversized", "write")]
    assert [label for label, _ in out.labels] == ["fact.failed"]


def test_old_histories_are_forgotten() -> None:
    world = RoleWorld([counted("device", ["device"], 5)], partitions=1)
    for number in range(40):
        payment(world, number, f"w{number}", 0, device={"fingerprint": f"d{number}"})
    world.run()
    assert len(world.all[0].rows()["history-heads"]) == 80
    world.now_ms += 3 * 86_400_000
    for number in range(8):
        payment(world, 100 + number, "w0", 0)
    world.run()
    # The devices are gone after their day, the wallets stay for their thirty.
    assert len(world.all[0].rows()["history-heads"]) == 40
    world.now_ms += 40 * 86_400_000
    for number in range(8):
        payment(world, 200 + number, "w0", 0)
    world.run()
    assert len(world.all[0].rows()["history-heads"]) == 1
    world.all[0].restart()


@pytest.mark.slow
def test_ten_thousand_rules_harm_nothing() -> None:
    """They are refused with the reason once all together cost too much, and facts are judged by those before."""
    world = RoleWorld(partitions=1)
    refused = []
    for number in range(10_000):
        try:
            world.publish(counted(f"r{number}", ["wallet_id"], number + 1))
        except ValueError as error:
            refused.append(str(error))
    assert 9_000 < len(refused) < 10_000
    assert all("pause another first" in message for message in refused)
    payment(world, 1, "w1", 0)
    world.run()
    assert one(world).rule_id == "r0"


def test_sums_beyond_64_bits_are_told_exactly_and_blind_no_rule() -> None:
    """Whoever sends a few requests of the largest amount, all of them refused, would be seen by no rule any more."""
    aggregate = {"function": "sum", "field": "amount_minor", "window_s": 60, "include_current": True}
    total = rule("total", ["wallet_id"], aggregate=aggregate, condition={"op": "gt", "value": 1}, cooldown_s=60)
    below = total | {"rule_id": "below", "condition": {"left": "amount_minor", "op": "lt", "factor": 2}}
    world = RoleWorld([total, below], partitions=1)
    for number in range(4):
        payment(world, number, "w1", 0, type="request.rejected", amount_minor=INT64_MAX)
        world.run()
        world.all[0].restart()
    assert world.bugs == []
    found = {alert.rule_id: alert for alert in world.alerts().values()}
    assert (found["total"].occurrences, found["total"].observed) == (4, str(4 * INT64_MAX))
    assert f"{4 * INT64_MAX} minor units of EUR is above 1. Seen 4 times." in found["total"].sentence
    assert (found["below"].limit, found["below"].normal) == (str(8 * INT64_MAX), str(4 * INT64_MAX))


def test_more_than_any_amount_is_exchanged_to_the_largest_amount() -> None:
    aggregate = {"function": "sum", "field": "amount_minor", "window_s": 60, "include_current": True, "in_asset": "IDR"}
    rupiah = rule("rupiah", ["wallet_id"], aggregate=aggregate, condition={"op": "gt", "value": 1})
    world = RoleWorld([rupiah], partitions=1)
    rate = {"rate_id": "r", "base": "EUR", "quote": "IDR", "bid": "18000", "ask": "18000", "source": "s"}
    rate |= {"valid_from": "2026-01-01T00:00:00.000Z", "valid_until": "2027-01-01T00:00:00.000Z"}
    world.refer("fx-rates", "r", rate)
    payment(world, 1, "w1", 0, type="request.rejected", amount_minor=INT64_MAX)
    world.run()
    assert world.bugs == []
    assert one(world).observed == str(INT64_MAX)
    world.all[0].restart()
