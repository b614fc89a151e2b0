"""Totals of all partitions, day by day, as they end: what whoever publishes proofs while the ledger runs has to keep.

A partition tells the totals of a day once it is over there (`RunningBooks`). A day can be proven once it is over in all
of them. One that had nothing to record on a day stands as it stood the day before; so does a day on which none had.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Final, NamedTuple

from agents.reconciliation.proofs.books import AccountTotal, DayTotals


class CompleteDay(NamedTuple):
    """A day that is over in all partitions, and the totals of each."""

    day: str
    parts: tuple[DayTotals, ...]


class CollectedDays:
    """Keeps days until they are over everywhere: for each partition the days that it is ahead of the slowest one."""

    def __init__(self, partitions: int):
        self._ended: Final[list[dict[str, DayTotals]]] = [{} for _ in range(partitions)]
        self._latest: Final[list[DayTotals]] = [DayTotals(partition, "", ()) for partition in range(partitions)]
        #: The day up to which nothing can come any more.
        self._over: Final[list[str]] = [""] * partitions
        self._told = ""

    def take(self, ended: DayTotals) -> list[CompleteDay]:
        """A day that is over in a partition; the days that are over everywhere with it, oldest first.

        One that was taken before changes nothing.
        """
        if ended.day <= self._over[ended.partition]:
            return []
        self._ended[ended.partition][ended.day] = ended
        return self.pass_over(ended.partition, ended.day)

    def pass_over(self, partition: int, day: str) -> list[CompleteDay]:
        """Nothing can be recorded in a partition up to and on a day any more, though it has recorded nothing later."""
        self._over[partition] = max(day, self._over[partition])
        return [self._complete(day) for day in self._days_until(min(self._over))]

    def is_over(self, partition: int, day: str) -> bool:
        """Whether nothing may be recorded in a partition on a day any more."""
        return day <= self._over[partition]

    def _days_until(self, over: str) -> Iterator[str]:
        """Every day after the one that was told last, or from the first on which anything was recorded."""
        day = _after(self._told) if self._told else min((day for days in self._ended for day in days), default="")
        while day and day <= over:
            yield day
            day = _after(day)

    def _complete(self, day: str) -> CompleteDay:
        self._told = day
        for partition, days in enumerate(self._ended):
            found = days.pop(day, None)
            self._latest[partition] = found or _unmoved(self._latest[partition], day)
        return CompleteDay(day, tuple(self._latest))


def _after(day: str) -> str:
    return (date.fromisoformat(day) + timedelta(days=1)).isoformat()


def _unmoved(before: DayTotals, day: str) -> DayTotals:
    totals = tuple(AccountTotal(one.account, one.asset, one.closing_minor, 0, 0) for one in before.totals)
    return DayTotals(before.partition, day, totals, before.last_sequence, before.seal_hash)
