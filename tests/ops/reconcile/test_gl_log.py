"""How the log is read for a period: up to its end and no further, from its beginning, and whether it is over."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import Any, NamedTuple, cast

import pytest

from agents.reconciliation.proofs.postings import Posting
from ops.consuming import Bounds
from ops.errors import OperationError
from ops.reading import TopicReader
from ops.reconcile.days import Period
from ops.reconcile.gl_log import SETTLED_AFTER_S, Books, read_books
from schemas.topics import INPUTS, LEDGER_EVENTS
from tests.reconciliation.proofs.ledgers import totals_of
from tests.reconciliation.proofs.test_story import DAYS, LINES, LOGS

#: Between two offsets there is one that no reader sees, as a control record takes it.
STEP = 2
PARTITIONS = len(LINES)


class Rec(NamedTuple):
    topic: str
    partition: int
    offset: int
    value: bytes | None
    timestamp: int = 0
    key: bytes | None = None
    headers: tuple[()] = ()


class FakeStream:
    """Records up to `end`, three at a time."""

    def __init__(self, records: list[Rec]):
        self._records = records
        self.is_closed = False

    async def next(self) -> list[Rec] | None:
        found, self._records = self._records[:3], self._records[3:]
        return found or None

    async def close(self) -> None:
        self.is_closed = True


class FakeReader:
    """The log of the story, as partitions 0 and up; and inputs in which perhaps something waits, or may be hidden."""

    def __init__(
        self,
        logs: list[list[bytes]],
        *,
        waiting: Collection[int] = (),
        hidden: Collection[int] = (),
        start: int = 0,
    ):
        self.logs = [[Rec("log", p, n * STEP, value) for n, value in enumerate(log)] for p, log in enumerate(logs)]
        self.waiting, self.hidden, self.start = waiting, hidden, start
        self.streams: list[FakeStream] = []

    async def partition_count(self, _name: str) -> int:
        return len(self.logs)

    async def bounds(self, name: str, _partitions: Any = None) -> dict[int, Bounds]:
        if name == LEDGER_EVENTS:
            return {p: Bounds(self.start, len(log) * STEP) for p, log in enumerate(self.logs)}
        # Of each input the seals say how far it was read; what waits is behind that.
        return {p: Bounds(0, 10**9 if p in self.waiting and name == INPUTS[-1] else 0) for p in range(len(self.logs))}

    async def whole_bounds(self, name: str) -> dict[int, Bounds]:
        assert name == LEDGER_EVENTS
        return await self.bounds(name)

    async def high_watermarks(self, name: str) -> dict[int, int]:
        hidden = self.hidden if name == INPUTS[-1] else ()
        return {p: found.end + 7 * (p in hidden) for p, found in (await self.bounds(name)).items()}

    def stream(self, name: str, partition: int, start: int, end: int) -> FakeStream:
        if name != LEDGER_EVENTS:
            return FakeStream([Rec(name, partition, start, b"{}")])
        self.streams.append(FakeStream([one for one in self.logs[partition] if start <= one.offset < end]))
        return self.streams[-1]

    async def last(self, _name: str, partition: int, count: int) -> list[Rec]:
        return self.logs[partition][-count:]


STORY = list(LINES.values())
LATE_S = 4_000_000_000.0


def read(period: Period, reader: FakeReader | None = None, now_s: float = LATE_S, **given: Any) -> Books:
    reader = reader or FakeReader(STORY)
    found = asyncio.run(read_books(cast(TopicReader, reader), period, now_s=now_s, **given))
    assert all(stream.is_closed for stream in reader.streams)
    return found


@pytest.mark.parametrize("first", DAYS)
@pytest.mark.parametrize("last", [*DAYS, "2026-11-30", "2027-01-01"])
def test_any_period_is_what_the_fold_of_the_log_says(first: str, last: str) -> None:
    if first > last:
        return
    books = read(Period(first, last))
    expected = [totals_of(log, partition, first, last) for partition, log in enumerate(LOGS.values())]
    assert [part.totals for part in books.parts] == [part.totals for part in expected]
    assert [part.last_sequence for part in books.parts] == [part.last_sequence for part in expected]
    assert [part.entries for part in books.parts] == [part.entries for part in expected]


def test_the_journal_is_that_of_the_period_and_of_no_other_day() -> None:
    journals: dict[str, list[tuple[int, int]]] = {}
    for day in DAYS:

        def take(partition: int, posting: Posting, of: str = day) -> None:
            journals.setdefault(of, []).append((partition, posting.sequence))
            assert posting.day == of

        read(Period(day, day), on_posting=take)
    told = [place for day in DAYS for place in journals.get(day, [])]
    expected = [(p, one.sequence) for p, log in enumerate(LOGS.values()) for one in log if one.entries]
    assert sorted(told) == sorted(expected)
    assert len(told) == len(set(told))


def test_it_is_told_how_far_each_partition_was_read() -> None:
    books = read(Period(DAYS[0], DAYS[0]))
    for cut, log in zip(books.cuts, LOGS.values(), strict=True):
        of_day = [one for one in log if one.day <= DAYS[0]]
        assert (cut.last_sequence, cut.offset) == (len(of_day) - 1, len(of_day) * STEP)
        assert cut.recorded_at == of_day[-1].recorded_at
        assert cut.seal_hash == of_day[-1].hash


def test_progress_goes_from_nothing_to_all() -> None:
    told: list[tuple[int, int]] = []
    read(Period(DAYS[0], DAYS[0]), on_progress=lambda done, total: told.append((done, total)))
    total = sum(len(log) * STEP for log in STORY)
    assert told == sorted(told)
    assert told[-1] == (total, total)


# ---- is it over -----------------------------------------------------------------------------------------


def test_a_partition_that_has_recorded_something_later_is_over_at_once() -> None:
    end_s = Period(DAYS[0], DAYS[0]).ends_at_s
    cuts = read(Period(DAYS[0], DAYS[0]), now_s=end_s + 1).cuts
    later = [any(one.day > DAYS[0] for one in log) for log in LOGS.values()]
    assert [cut.is_over for cut in cuts] == later
    assert set(later) == {True, False}


@pytest.mark.parametrize(("after_s", "is_over"), [(SETTLED_AFTER_S - 1, False), (SETTLED_AFTER_S, True)])
def test_one_in_which_nothing_happens_is_over_some_time_after_the_day(after_s: int, is_over: bool) -> None:
    books = read(Period(DAYS[0], DAYS[0]), now_s=Period(DAYS[0], DAYS[0]).ends_at_s + after_s)
    assert books.is_over is is_over


@pytest.mark.parametrize("is_hidden", [False, True])
def test_unless_something_waits_in_its_inputs_or_is_hidden_by_a_transaction_there(is_hidden: bool) -> None:
    idle = next(p for p, log in enumerate(LOGS.values()) if log[-1].day == DAYS[0])
    books = read(
        Period(DAYS[0], DAYS[0]),
        FakeReader(STORY, waiting=() if is_hidden else [idle], hidden=[idle] if is_hidden else ()),
    )
    assert [cut.partition for cut in books.cuts if not cut.is_over] == [idle]
    assert books.cuts[idle].reason == (
        f"transaction-requests/{idle} waits to be decided; is a worker running, and no transaction of a producer left "
        "open?"
    )


# ---- what is no log -------------------------------------------------------------------------------------


def test_a_log_without_its_beginning_is_refused() -> None:
    with pytest.raises(OperationError, match="begins at offset 4: what was posted before is gone"):
        read(Period(DAYS[0], DAYS[0]), FakeReader(STORY, start=4))


@pytest.mark.parametrize(
    ("log", "message"),
    [
        ([STORY[0][0], *STORY[0][2:]], "sequence 2 comes after 0"),
        ([STORY[0][0], STORY[0][0]], "sequence 0 comes after 0"),
        ([b"{}"], "missing required field"),
        ([b"\xff\xfe"], "is not the next event"),
        ([b'{"sequence":"0","type":"x","recorded_at":"2026-11-23"}'], "Expected `int`"),
        ([b""], "is not the next event"),
    ],
)
def test_what_is_no_event_is_told_by_its_place(log: list[bytes], message: str) -> None:
    with pytest.raises(
        OperationError, match=r"log/0 offset \d+ is not the next event .*run `walletstream verify`"
    ) as e:
        read(Period(DAYS[0], DAYS[0]), FakeReader([log]), now_s=0.0)
    assert message in str(e.value)


def test_an_empty_ledger_has_empty_books() -> None:
    books = read(Period(DAYS[0], DAYS[0]), FakeReader([[], []]))
    assert books.is_over
    assert [part.totals for part in books.parts] == [(), ()]
