"""What machines hear of reference data, and when."""

from __future__ import annotations

import gc
import logging

import pytest

from streams import metrics
from streams.reference_data import ReferenceData, ReferenceRecord, ReferenceTable
from tests.streams.toy import SETTINGS, ToyMachine


def record(key: str | bytes | None, value: bytes | None, offset: int = 0) -> ReferenceRecord:
    return ReferenceRecord(SETTINGS, offset, key.encode() if isinstance(key, str) else key, value)


def data(*records: ReferenceRecord) -> ReferenceData:
    """Reference data of a worker that has taken these records."""
    taken = ReferenceData(ToyMachine)
    for one in records:
        taken.take(one)
    return taken


def count(result: str) -> float:
    labels = {"topic": SETTINGS, "result": result}
    return metrics.REGISTRY.get_sample_value("walletstream_reference_records_total", labels) or 0.0


def test_a_machine_that_is_made_later_knows_what_the_others_know() -> None:
    known = data(record("a", b"1"))
    first, second = ToyMachine(), ToyMachine()
    known.teach(first)
    for one in (record("b", b"2"), record("a", b"3"), record("c", b"4"), record("b", None)):
        known.take(one)
    known.teach(second)
    assert first.settings == second.settings == {"a": 3, "c": 4}
    known.take(record("a", b"5"))
    assert first.settings == second.settings == {"a": 5, "c": 4}
    assert first is not second


BAD = [record("a", b"x", 7), record(None, b"1", 7), record(b"\xff", b"1", 7), record(None, None, 7)]


@pytest.mark.parametrize("bad", BAD, ids=["value", "no key", "key that is no text", "nothing"])
def test_a_bad_record_is_told_counted_and_passed_over(bad: ReferenceRecord, caplog: pytest.LogCaptureFixture) -> None:
    known, machine = data(record("a", b"1")), ToyMachine()
    known.teach(machine)
    applied, skipped = count("applied"), count("skipped")
    with caplog.at_level(logging.ERROR):
        known.take(bad)
        known.take(record("b", b"2"))
    assert machine.settings == {"a": 1, "b": 2}
    assert known.values == {(SETTINGS, "a"): b"1", (SETTINGS, "b"): b"2"}
    assert (count("applied") - applied, count("skipped") - skipped) == (1, 1)
    (told,) = caplog.records
    assert "a record of reference data is passed over" in told.message
    assert told.fields == {"topic": SETTINGS, "offset": 7, "key": bad.key}  # type: ignore[attr-defined]


class TrippingMachine(ToyMachine):
    """A machine with a bug in what it does with reference data."""

    def refer(self, topic: str, key: str, value: bytes | None) -> None:
        super().refer(topic, key, value)
        raise KeyError("a bug")


def test_a_record_on_which_a_machine_trips_is_passed_over_too(caplog: pytest.LogCaptureFixture) -> None:
    table = ReferenceTable(TrippingMachine())
    with caplog.at_level(logging.ERROR):
        assert not table.take(record("a", b"1"))
    assert table.values == {}
    assert "KeyError('a bug')" in caplog.text


def test_a_table_that_was_read_anew_tells_only_what_differs() -> None:
    class Noting(ToyMachine):
        def __init__(self) -> None:
            super().__init__()
            self.heard: list[tuple[str, bytes | None]] = []

        def refer(self, topic: str, key: str, value: bytes | None) -> None:
            super().refer(topic, key, value)
            self.heard.append((key, value))

    known, machine = data(record("gone", b"1"), record("same", b"2"), record("other", b"3")), Noting()
    known.teach(machine)
    machine.heard.clear()
    table = known.new_table()
    # The same way as it went: nobody must see what was true for a while.
    for one in (record("other", b"9"), record("same", b"2"), record("other", b"4"), record("new", b"5")):
        table.take(one)
    assert machine.heard == []
    known.replace(table)
    assert machine.heard == [("gone", None), ("other", b"4"), ("new", b"5")]
    assert machine.settings == {"same": 2, "other": 4, "new": 5}
    known.take(record("new", None))
    assert machine.settings == {"same": 2, "other": 4}


class Stubborn(ToyMachine):
    """Refuses to give up what it has heard of once."""

    def refer(self, topic: str, key: str, value: bytes | None) -> None:
        if key in self.settings:
            raise ValueError("cannot be changed")
        super().refer(topic, key, value)


def test_a_machine_that_refuses_what_a_new_one_takes_keeps_what_it_has(caplog: pytest.LogCaptureFixture) -> None:
    known, stubborn = ReferenceData(Stubborn), Stubborn()
    known.take(record("a", b"1"))
    known.teach(stubborn)
    table = known.new_table()
    table.take(record("a", b"2"))
    table.take(record("b", b"3"))
    with caplog.at_level(logging.ERROR):
        known.replace(table)
    assert stubborn.settings == {"a": 1, "b": 3}
    assert "keeps its reference data until a restart: cannot be changed" in caplog.text


def test_machines_that_are_gone_are_forgotten() -> None:
    known = data()
    known.teach(ToyMachine())
    gc.collect()
    assert len(known._machines) == 0
