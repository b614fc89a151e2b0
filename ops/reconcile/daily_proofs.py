"""The proofs of every day, as days end: made from the log, and published where they say something new.

The safeguarding identity is proven for every day since the first. Positions against statements are looked at again for
as long as a statement is late or an exception lasts, as a rule.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Final, NamedTuple

from agents.reconciliation.followed import Followed
from agents.reconciliation.proofs.collecting import CompleteDay
from agents.reconciliation.proofs.safeguarding import safeguarding_proofs
from ops.reading import TopicReader
from ops.reconcile.followed_ledger import FollowedLedger
from ops.reconcile.live_books import read_books
from ops.reconcile.open_items import ToldByRole, read_told
from ops.reconcile.prove import balances_of, kinds_of
from ops.reconcile.publishing import new_among, publish_new, read_published
from ops.reconcile.statements import Statements, read_statements
from ops.reference_records import read_contents
from schemas.reconciliation_proofs import BalanceProof, Proof, SafeguardingProof
from schemas.topics import (
    ASSETS,
    EXTERNAL_STATEMENTS,
    MATCHING_RULES,
    RECONCILIATION_EXCEPTIONS,
    RECONCILIATION_RESULTS,
)

#: Positions of so many days are looked at again: a month's statement comes after its end.
REVISED_DAYS: Final = 35
#: What positions are made from, beside the log of the ledger.
_TOLD: Final = (ASSETS, MATCHING_RULES, EXTERNAL_STATEMENTS, RECONCILIATION_RESULTS, RECONCILIATION_EXCEPTIONS)
#: Most proofs of one transaction: the first look at a long log has many.
_AT_ONCE: Final = 1_000


class Look(NamedTuple):
    """What a look has found.

    Attributes:
        written: proofs that were published.
        safeguarding: those of the last day that is proven.
        balances: of the days that are looked at again, oldest first.
        told: what the role says, open exceptions among it.
        statements: what was imported.
        problems: sentences on journals that do not balance; then nothing is published.
    """

    written: tuple[Proof, ...]
    safeguarding: tuple[SafeguardingProof, ...]
    balances: tuple[BalanceProof, ...]
    told: ToldByRole
    statements: Statements
    problems: tuple[str, ...] = ()


class _Read(NamedTuple):
    """What positions are made from."""

    followed: Followed
    statements: Statements
    told: ToldByRole


class DailyProofs:
    """Publishes what is new at every look. One that was interrupted leaves nothing half done: look again."""

    def __init__(self, partitions: int):
        self._partitions = partitions
        self._published: dict[str, Proof] | None = None
        self._begin()

    def _begin(self) -> None:
        self._ledger = FollowedLedger(self._partitions)
        self._days: deque[CompleteDay] = deque(maxlen=REVISED_DAYS)
        #: Of days that are over, not known to be published yet.
        self._waiting: list[SafeguardingProof] = []
        self._last: tuple[SafeguardingProof, ...] = ()
        self._read: _Read | None = None
        self._balances: tuple[BalanceProof, ...] = ()
        #: Topic -> ends, as of what was read last.
        self._ends: dict[str, dict[int, int]] = {}

    async def look(self, reader: TopicReader, now_s: float) -> Look:
        """Read on, prove the days that are over, and publish what is new: that the money is there whatever else fails.

        Raises:
            OperationError: a topic cannot be read, or somebody else publishes meanwhile.
        """
        await self._follow(reader, now_s)
        problems, written = tuple(self._ledger.problems()), list[Proof]()
        if not problems:
            written += await self._publish_new(reader, self._waiting)
            self._waiting.clear()
        read = await self._positions(reader)
        if not problems:
            written += await self._publish_new(reader, self._balances)
        return Look(tuple(written), self._last, self._balances, read.told, read.statements, problems)

    async def _follow(self, reader: TopicReader, now_s: float) -> None:
        """Days that are over, with their identity."""
        try:
            # A day is told once: whatever fails before it is kept here, it has to be told again.
            days = await self._ledger.advance(reader, now_s)
            assets = (await read_contents(reader, ASSETS)).reference.assets if days else None
        except BaseException:
            self._begin()
            raise
        if assets is not None:
            kind_of = kinds_of(assets)
            for day in days:
                self._last = tuple(safeguarding_proofs(day.day, day.parts, kind_of))
                self._waiting += self._last
            self._days += days
            self._ends.clear()

    async def _positions(self, reader: TopicReader) -> _Read:
        """Positions of the days that are looked at again, anew where anything was told since."""
        ends = {name: {p: one.end for p, one in (await reader.bounds(name)).items()} for name in _TOLD}
        if self._read is None or ends != self._ends:
            followed = (await read_books(reader)).followed
            self._read = _Read(followed, await read_statements(reader), await read_told(reader))
            # Beside the loop: what decides on records does not wait for it.
            days, lines = tuple(self._days), self._ledger.lines
            self._balances = tuple(await asyncio.to_thread(balances_of, days, followed, lines, *self._read[1:]))
            self._ends = ends
        return self._read

    async def _publish_new(self, reader: TopicReader, proofs: Sequence[Proof]) -> list[Proof]:
        if self._published is None:
            self._published = await read_published(reader)
        new, written = [one.proof_id for one in new_among(proofs, self._published)], list[Proof]()
        for start in range(0, len(new), _AT_ONCE):
            part = set(new[start : start + _AT_ONCE])
            written += await self._publish(reader, [one for one in proofs if one.proof_id in part])
        return written

    async def _publish(self, reader: TopicReader, proofs: list[Proof]) -> tuple[Proof, ...]:
        held, self._published = self._published, None
        done = (await publish_new(reader, proofs)).written
        self._published = {**(held or {}), **{one.proof_id: one for one in done}}
        return done
