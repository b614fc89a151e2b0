"""The audit of a whole ledger: all partitions, and what only all of them together can show. Pure: it reads nothing."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final

from ops.verify.findings import Check, Finding, Findings
from ops.verify.forwards import Forwards
from ops.verify.partition import PartitionAudit, Shared, StoreCopy
from ops.verify.report import Report
from ops.verify.sagas import Sagas
from schemas.topics import INPUTS, LEDGER_EVENTS

DAY_MS: Final = 86_400_000
#: Later than every partition time.
_END_OF_TIME: Final = "~"


class LedgerAudit:
    """Feed each partition's audit with what was read, then `finish`.

    Args:
        partitions: partition count of the ledger.
        retained_from: input topic -> the first offset that each partition still holds; by default all from 0.
        retained_ms: how long idempotency keys are kept.
        transactions_retained_ms: how long transactions can be named.
        copies: for each partition the local states to compare with.
    """

    def __init__(
        self,
        partitions: int,
        *,
        retained_from: Mapping[str, Sequence[int]] | None = None,
        retained_ms: int = 40 * DAY_MS,
        transactions_retained_ms: int = 540 * DAY_MS,
        copies: Mapping[int, Sequence[StoreCopy]] | None = None,
    ):
        self._findings = Findings()
        self._sagas = Sagas(self._findings, partitions)
        self._forwards = Forwards(self._findings)
        shared = Shared(self._findings, self._sagas, self._forwards, partitions, retained_ms, transactions_retained_ms)
        retained = {topic: [0] * partitions for topic in INPUTS} if retained_from is None else retained_from
        copies = copies or {}
        self._grown: Collection[int] = ()
        self._stores = sum(map(len, copies.values()))
        self.partitions = [
            PartitionAudit(shared, p, {topic: starts[p] for topic, starts in retained.items()}, copies.get(p, ()))
            for p in range(partitions)
        ]

    def is_open(self, partition: int) -> bool:
        """True where something was read that needs more of this partition's event log than was read of it."""
        return (
            self.partitions[partition].is_ahead
            or partition in self._sagas.waits_for()
            or partition in self._forwards.waits_for()
        )

    def finish(self, notes: Sequence[str] = (), seconds: float = 0.0, *, grown: Collection[int] = ()) -> Report:
        """Everything has been read: the checks that need all of it, and the report.

        `grown` are partitions whose event log has a later end than the one it was read to: what belongs behind it is
        not judged. Of the others nothing may be missing.
        """
        self._grown = grown
        for part in self.partitions:
            part.finish_log()
        unread = sum(part.inputs.unread for part in self.partitions)
        is_idle = unread == 0
        for part in self.partitions:
            part.finish_others(part.partition in grown)
        parked = set[str]().union(*(part.parked.transactions for part in self.partitions))
        open_sagas = self._sagas.finish(is_idle, parked, self._time_of)
        forwards_under_way = self._forwards.finish(is_idle, self._time_of)
        self._check_sums()
        return Report(
            partitions=len(self.partitions),
            events=sum(part.events for part in self.partitions),
            seals=sum(part.chain.seals for part in self.partitions),
            wallets=sum(part.books.wallets for part in self.partitions),
            outcomes=sum(part.answers.outcomes for part in self.partitions),
            inputs=sum(part.inputs.records for part in self.partitions),
            stores=self._stores,
            open_sagas=open_sagas.transfers,
            open_minor=open_sagas.sums_minor,
            forwards_under_way=forwards_under_way,
            unread=unread,
            counts=self._findings.counts,
            findings=tuple(self._findings.kept),
            notes=tuple(notes),
            seconds=seconds,
        )

    def _time_of(self, partition: int) -> str:
        return self.partitions[partition].chain.partition_time if partition in self._grown else _END_OF_TIME

    def _check_sums(self) -> None:
        for asset, minor in _added(part.books.sums() for part in self.partitions).items():
            if minor:
                self._report(Check.SUM_NOT_ZERO, f"all accounts of {asset} sum to {minor}")
        transit = _added(part.books.transit() for part in self.partitions)
        expected = self._sagas.in_transit()
        for asset in sorted({*transit, *expected}):
            if transit.get(asset, 0) != expected.get(asset, 0):
                self._report(
                    Check.TRANSIT_WRONG,
                    f"transit holds {transit.get(asset, 0)} {asset}, transfers under way make {expected.get(asset, 0)}",
                )

    def _report(self, check: Check, sentence: str) -> None:
        self._findings.add(Finding(check, sentence, LEDGER_EVENTS))


def _added(sums: Iterable[Mapping[str, int]]) -> dict[str, int]:
    total: dict[str, int] = {}
    for part in sums:
        for asset, minor in part.items():
            total[asset] = total.get(asset, 0) + minor
    return total
