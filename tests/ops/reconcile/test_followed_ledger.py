"""The log as a worker follows it: each day is told once, and none that was told too early stays so."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from agents.reconciliation.proofs.books import AccountTotal, DayTotals
from agents.reconciliation.proofs.collecting import CompleteDay
from agents.reconciliation.proofs.trial_balance import trial_balance
from ops.consuming import Bounds
from ops.errors import OperationError
from ops.reading import TopicReader
from ops.reconcile import daily_proofs, followed_ledger
from ops.reconcile.daily_proofs import DailyProofs
from ops.reconcile.days import Period
from ops.reconcile.followed_ledger import FollowedLedger
from ops.reconcile.gl_log import SETTLED_AFTER_S
from ops.reconcile.publishing import Published
from ops.reference_records import Contents
from schemas.reconciliation_proofs import Proof
from tests.ops.reconcile.test_gl_log import Rec

DAY = "2026-11-20"
OVER_S = Period(DAY, DAY).ends_at_s + SETTLED_AFTER_S


class Log:
    """One partition, of which nothing waits; a reader of it."""

    def __init__(self) -> None:
        self.records: list[Any] = []

    def post(self, day: str, minor: int) -> None:
        number = len(self.records)
        value = (
            f'{{"sequence":{number},"type":"transaction.settled","recorded_at":"{day}T12:00:00.000Z","entries":['
            f'{{"account":"system/rail:cards","asset":"EUR","debit_minor":{minor},"credit_minor":0}},'
            f'{{"account":"w1/main/available","asset":"EUR","debit_minor":0,"credit_minor":{minor}}}]}}'
        )
        self.records.append(Rec("ledger-events", 0, number, value.encode()))

    async def whole_bounds(self, _name: str) -> dict[int, Bounds]:
        return {0: Bounds(0, len(self.records))}

    bounds = whole_bounds

    def stream(self, _name: str, _partition: int, start: int, end: int) -> Stream:
        return Stream(self.records[start:end])


class Stream:
    def __init__(self, records: list[Any]):
        self.records = records

    async def next(self) -> list[Any] | None:
        found, self.records = self.records, []
        return found or None

    async def close(self) -> None:
        pass


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Log:
    async def nothing(_reader: TopicReader) -> dict[str, int]:
        return {}

    monkeypatch.setattr(followed_ledger, "what_waits", nothing)
    return Log()


def advance(ledger: FollowedLedger, log: Log, now_s: float) -> dict[str, int]:
    """Day -> what was debited on it."""
    days = asyncio.run(ledger.advance(cast(TopicReader, log), now_s))
    return {day: sum(one.debit_minor for one in trial_balance(parts).assets) for day, parts in days}


def test_a_day_that_a_wrong_clock_took_to_be_over_is_followed_anew(log: Log) -> None:
    log.post(DAY, 5)
    ledger = FollowedLedger(1)
    assert advance(ledger, log, OVER_S) == {DAY: 5}
    # The clock leaps to a day ahead, and back.
    assert advance(ledger, log, OVER_S + 86_400) == {"2026-11-21": 0}
    log.post("2026-11-21", 7)
    with pytest.raises(OperationError, match=r"ledger-events/0 offset 1 is of 2026-11-21, which was taken to be over"):
        advance(ledger, log, OVER_S)
    assert advance(FollowedLedger(1), log, OVER_S + 86_400) == {DAY: 5, "2026-11-21": 7}


class Once:
    """A day that is told once, as by a ledger that is followed."""

    def __init__(self, _partitions: int):
        self.days = [CompleteDay(DAY, (DayTotals(0, DAY, (AccountTotal("system/fees", "EUR", 0, 0, 0),)),))]

    async def advance(self, _reader: TopicReader, _now_s: float) -> list[CompleteDay]:
        found, self.days = self.days, []
        return found

    def problems(self) -> list[str]:
        return []


async def unread(*_of: object) -> None:
    raise OperationError("no broker answers")


def test_days_are_told_again_where_assets_could_not_be_read(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(daily_proofs, "FollowedLedger", Once)
    monkeypatch.setattr(daily_proofs, "read_contents", unread)
    proofs = DailyProofs(1)
    for _ in range(2):
        with pytest.raises(OperationError, match="no broker answers"):
            asyncio.run(proofs.look(cast(TopicReader, log), OVER_S))


def test_what_is_wrong_with_statements_holds_up_no_proof_that_the_money_is_there(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    published: list[str] = []

    async def contents(*_of: object) -> Contents:
        return Contents()

    async def nothing(*_of: object) -> dict[str, Proof]:
        return {}

    async def publish(_reader: TopicReader, proofs: list[Proof]) -> Published:
        published.extend(one.proof_id for one in proofs)
        return Published(tuple(proofs), 0)

    for name, stub in (
        ("FollowedLedger", Once),
        ("read_contents", contents),
        ("read_published", nothing),
        ("publish_new", publish),
        ("read_books", unread),
    ):
        monkeypatch.setattr(daily_proofs, name, stub)
    proofs = DailyProofs(1)
    for _ in range(2):
        with pytest.raises(OperationError, match="no broker answers"):
            asyncio.run(proofs.look(cast(TopicReader, log), OVER_S))
    assert published == [f"safeguarding/EUR/{DAY}"]
