"""Deciding a batch: time, savepoints, bugs, sizes, the seal."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from schemas.clock import rfc3339
from streams.batch import Batch, BatchDecider, Progress
from streams.box import Taken
from streams.errors import BatchTooLarge, Refused, StoreError
from streams.machine import Context, InputRecord, Message, Output
from streams.overlay import Overlay
from streams.seal import Span, decode_seal
from streams.tables import Table
from tests.simulation.memory_log import CREATE_TIME, StoredRecord
from tests.simulation.memory_store import Files, MemoryStore
from tests.streams.records import record

COUNT: Table[int] = Table("count", lambda value: b"%d" % value, int)


class Machine:
    """Counts records; `step` may be told to raise after it has written."""

    tables: tuple[Table[Any], ...] = (COUNT,)

    def __init__(self, raises: Callable[[InputRecord], None] = lambda _record: None):
        self._raises = raises
        self.contexts: list[tuple[str, int, int, int, str]] = []
        self.looked: list[tuple[Overlay, list[int], str]] = []
        self.completed: list[tuple[Overlay, int]] = []

    def _write(self, state: Overlay, context: Context, out: Output, what: str) -> None:
        self.contexts.append(
            (context.topic, context.partition, context.partitions, context.recorded_at_ms, context.recorded_at)
        )
        view = state.table(COUNT)
        view.put("n", (view.get("n") or 0) + 1)
        out.event(b"k", json.dumps({"sequence": out.sequence + 1, "type": what}).encode(), (what, "ok"))
        out.send("outcomes", context.partition, b"k", what.encode(), [("h", b"1")])

    def look_ahead(self, state: Overlay, records: Sequence[InputRecord], context: Context) -> None:
        """Each record is looked up by itself."""
        self.looked.append((state, [record.offset for record in records], context.topic))

    def step(self, state: Overlay, record: InputRecord, context: Context, out: Output) -> None:
        self._write(state, context, out, f"{context.topic}-{record.offset}")
        self._raises(record)

    def failed(self, state: Overlay, record: InputRecord, context: Context, error: Exception, out: Output) -> None:
        self._write(state, context, out, f"failed {type(error).__name__} {record.offset}")

    def oversized(self, state: Overlay, record: InputRecord, context: Context, out: Output) -> None:
        self._write(state, context, out, f"oversized {record.offset}")

    def fold(self, state: Overlay, value: bytes) -> None:
        """Not used."""

    def complete(self, state: Overlay, context: Context, out: Output) -> None:
        """Each record has its events already."""
        self.completed.append((state, context.recorded_at_ms))

    def finish(self, state: Overlay, context: Context, last_sequence: int, out: Output) -> None:
        count = state.table(COUNT).get("n") or 0
        out.send("totals", context.partition, None, b"%d to %d" % (count, last_sequence))

    def refer(self, topic: str, key: str, value: bytes | None) -> None:
        """Not used."""

    def due_at_ms(self, state: Overlay) -> int | None:
        return None

    def tick(self, due_at_ms: int, partition: int) -> Message:
        return Message("first", partition, None, None)


def taken(*records: tuple[str, list[StoredRecord]]) -> Taken:
    spans = {"first": Span(0, 9), "second": Span(3, 3)}
    return Taken([(topic, list(found)) for topic, found in records], spans, sum(len(found) for _, found in records))


def decide(machine: Machine, what: Taken, before: Progress | None = None, **options: Any) -> tuple[Batch, Overlay]:
    state = Overlay(machine.tables, MemoryStore(Files(), lambda _what: None, lambda: False))
    decider = BatchDecider(machine, "events", 2, 8, rfc3339, **options)
    return decider.decide(state, before or Progress(), what), state


def types(batch: Batch) -> list[str]:
    return [json.loads(m.value or b"")["type"] for m in batch.messages if m.topic == "events"]


def test_events_come_first_and_the_seal_is_the_last_of_them() -> None:
    batch, state = decide(Machine(), taken(("first", [record(4), record(7)]), ("second", [record(1)])))
    assert types(batch) == ["first-4", "first-7", "second-1", "batch.sealed"]
    messages = list(batch.messages)
    assert [m.topic for m in messages] == ["events"] * 4 + ["outcomes"] * 3 + ["totals"]
    assert {m.partition for m in messages} == {2}
    assert messages[3] == Message("events", 2, b"", batch.seal)
    assert messages[4].headers == [("h", b"1")]
    assert messages[-1].value == b"3 to 3"
    assert len(batch.messages) == len(messages) == 8
    assert batch.labels == [("first-4", "ok"), ("first-7", "ok"), ("second-1", "ok")]
    assert (batch.count, batch.first) == (3, ("first", 4))
    assert state.table(COUNT).get("n") == 3


def test_each_record_is_decided_once_after_a_look_at_those_of_its_input() -> None:
    machine = Machine()
    records = taken(("first", [record(4), record(7)]), ("second", [record(1, timestamp=1_700)]))
    _, state = decide(machine, records)
    assert [context[0] for context in machine.contexts] == ["first", "first", "second"]
    assert machine.looked == [(state, [4, 7], "first"), (state, [1], "second")]
    assert machine.completed == [(state, 1_700)]


def test_a_bug_in_the_look_ahead_costs_no_more_than_the_look() -> None:
    class Blind(Machine):
        def look_ahead(self, state: Overlay, records: Sequence[InputRecord], context: Context) -> None:
            raise KeyError("a bug")

    batch, _ = decide(Blind(), taken(("first", [record(0), record(1)])))
    assert types(batch) == ["first-0", "first-1", "batch.sealed"]


def test_the_seal_continues_what_was_before() -> None:
    first, _ = decide(Machine(), taken(("first", [record(0)])))
    second, _ = decide(Machine(), taken(("first", [record(1)])), first.after)
    one, two = decode_seal(first.seal), decode_seal(second.seal)
    assert (one.first_sequence, one.sequence, two.first_sequence, two.sequence) == (0, 1, 2, 3)
    assert (two.previous_hash, two.hash) == (one.hash, second.after.hash)
    assert (two.partition, two.partitions) == (2, 8)
    assert two.inputs == {"first": Span(0, 9), "second": Span(3, 3)}
    assert second.after.positions == {"first": 9, "second": 3}
    assert (second.after.sequence, second.after.seal_offset) == (3, -1)


def test_partition_time_is_the_latest_append_time_so_far() -> None:
    machine = Machine()
    records = [record(0, timestamp=500), record(1, timestamp=700), record(2, timestamp=600)]
    batch, _ = decide(machine, taken(("first", records)), Progress(time_ms=600))
    assert [context[3] for context in machine.contexts] == [600, 700, 700]
    assert machine.contexts[1] == ("first", 2, 8, 700, "1970-01-01T00:00:00.700Z")
    assert batch.after.time_ms == 700
    assert decode_seal(batch.seal).partition_time == "1970-01-01T00:00:00.700Z"


def test_a_batch_of_moved_positions_is_a_seal_alone() -> None:
    batch, _ = decide(Machine(), taken(), Progress(sequence=6, time_ms=5))
    assert types(batch) == ["batch.sealed"]
    assert (batch.count, batch.first) == (0, None)
    assert (batch.after.sequence, batch.after.time_ms) == (7, 5)


def test_before_stays_as_it_is() -> None:
    before = Progress(sequence=6, positions={"first": 0})
    decide(Machine(), taken(("first", [record(0)])), before)
    assert before == Progress(sequence=6, positions={"first": 0})


@pytest.mark.parametrize("before", [0, 1])
def test_a_record_that_the_broker_did_not_stamp_is_refused(before: int) -> None:
    """Wherever it stands in the batch: somebody may change the topic's setting at any time."""
    records = [*map(record, range(before)), record(before, timestamp_type=CREATE_TIME)]
    with pytest.raises(Refused, match=r"second is not stamped by the broker: set message.timestamp.type=LogAppendTime"):
        decide(Machine(), taken(("second", records)))


def test_records_of_another_roles_log_are_stamped_by_its_workers() -> None:
    machine = Machine()
    records = taken(("first", [record(0, timestamp=500, timestamp_type=CREATE_TIME)]))
    batch, _ = decide(machine, records, logs=frozenset({"first"}))
    assert batch.after.time_ms == 500


def test_a_bug_is_rolled_back_and_answered_by_itself() -> None:
    def raises(record: InputRecord) -> None:
        if record.offset == 1:
            raise KeyError("a bug")

    told: list[tuple[int, str, str]] = []
    batch, state = decide(
        Machine(raises),
        taken(("first", [record(0), record(1), record(2)])),
        on_bug=lambda record, context, error: told.append((record.offset, context.topic, repr(error))),
    )
    assert types(batch) == ["first-0", "failed KeyError 1", "first-2", "batch.sealed"]
    assert [json.loads(m.value or b"")["sequence"] for m in batch.messages if m.topic == "events"] == [0, 1, 2, 3]
    assert [m.value for m in batch.messages if m.topic == "outcomes"] == [b"first-0", b"failed KeyError 1", b"first-2"]
    assert batch.labels[1] == ("failed KeyError 1", "ok")
    assert state.table(COUNT).get("n") == 3
    assert told == [(1, "first", "KeyError('a bug')")]


def test_dead_letters_of_a_bug_are_not_counted() -> None:
    class Writes(Machine):
        def step(self, state: Overlay, record: InputRecord, context: Context, out: Output) -> None:
            out.dead_letter("dead", None, record.value, (), ("bad", f"step-{record.offset}"))
            super().step(state, record, context, out)

    def raises(record: InputRecord) -> None:
        if record.offset == 1:
            raise KeyError("a bug")

    batch, _ = decide(Writes(raises), taken(("first", [record(0), record(1), record(2)])))
    assert batch.dead_letters == [("bad", "step-0"), ("bad", "step-2")]
    assert [m.topic for m in batch.messages].count("dead") == 2


def test_a_bug_needs_nobody_who_listens() -> None:
    def raises(record: InputRecord) -> None:
        raise RecursionError

    batch, _ = decide(Machine(raises), taken(("first", [record(0)])))
    assert types(batch) == ["failed RecursionError 0", "batch.sealed"]


@pytest.mark.parametrize("error", [StoreError("disk"), MemoryError()])
@pytest.mark.parametrize("bugs", [0, 1])
def test_what_is_no_fault_of_the_record_ends_the_batch(error: Exception, bugs: int) -> None:
    """Also where it shows only once the batch is decided again, record by record, for a bug."""
    errors = [*[KeyError("a bug")] * bugs, error]

    def raises(_record: InputRecord) -> None:
        raise errors.pop(0)

    with pytest.raises(type(error)):
        decide(Machine(raises), taken(("first", [record(0)])))


def test_what_leads_to_too_much_ends_a_batch_before_it() -> None:
    records = taken(("first", [record(0), record(1)]), ("second", [record(1), record(2)]))
    whole, _ = decide(Machine(), records)
    each = -(-whole.event_bytes // 4)
    for most, wanted in ((2 * each, 2), (each, 1), (1, 1)):
        with pytest.raises(BatchTooLarge) as raised:
            decide(Machine(), records, most_event_bytes=most)
        assert raised.value.records == wanted
    more = taken(("first", [record(0), record(1)]), ("second", [record(1)]), ("third", [record(2), record(3)]))
    with pytest.raises(BatchTooLarge) as raised:
        decide(Machine(), more, most_event_bytes=3 * each)
    assert raised.value.records == 3
    alone, _ = decide(Machine(), taken(("first", [record(0)])), most_event_bytes=1)
    assert types(alone) == ["first-0", "batch.sealed"], "one record is not made smaller"
    three, _ = decide(Machine(), taken(("first", [record(0), record(1)]), ("second", [record(1)])))
    for most in (three.event_bytes, 3 * each, 4 * each):
        assert types(decide(Machine(), records, most_event_bytes=most)[0]) == types(whole), "all is decided already"


class Sharing(Machine):
    """One whose records share an event."""

    def complete(self, state: Overlay, context: Context, out: Output) -> None:
        out.event(b"k", b'{"type":"shared"}' + b" " * 1_000, ("shared", None))


def test_what_records_share_ends_a_batch_too_where_it_is_too_much() -> None:
    records = taken(("first", [record(0), record(1)]), ("second", [record(1), record(2)]))
    with pytest.raises(BatchTooLarge) as raised:
        decide(Sharing(), records, most_event_bytes=1_000)
    assert raised.value.records == 2
    decided, whole = (decide(machine, records)[0].event_bytes for machine in (Machine(), Sharing()))
    with pytest.raises(BatchTooLarge) as raised:
        decide(Sharing(), records, most_event_bytes=decided)
    assert raised.value.records == 2
    for count in (2, 3):
        with pytest.raises(BatchTooLarge) as raised:
            decide(Sharing(), taken(("first", [record(at) for at in range(count)])), most_event_bytes=1_000)
        assert raised.value.records == 1
    assert decide(Sharing(), records, most_event_bytes=whole)[0].event_bytes == whole
    alone, _ = decide(Sharing(), taken(("first", [record(0)])), most_event_bytes=1_000)
    assert types(alone) == ["first-0", "shared", "batch.sealed"]


def test_only_the_record_that_is_too_large_is_decided_so() -> None:
    records = taken(("first", [record(0), record(1)]), ("second", [record(1)]))
    batch, _ = decide(Machine(), records, oversized={("first", 1)})
    assert types(batch) == ["first-0", "oversized 1", "second-1", "batch.sealed"]
