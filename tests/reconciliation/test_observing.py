"""Gauges say where the books of the partitions stand that this worker owns."""

from __future__ import annotations

from agents.reconciliation.observing import ReconciliationMetrics
from schemas.reconciliation_results import BookSummary, OpenExceptions, RelationTotals, encode_result
from schemas.topics import RECONCILIATION_RESULTS
from streams.batch import Batch, Progress
from streams.machine import Message, Outgoing
from streams.metrics import REGISTRY

AT = "2026-03-02T12:00:00.000Z"


def told(book: str, exceptions: int) -> Batch:
    totals = RelationTotals(
        relation="ledger-partner", side="own", asset="EUR", matched=4, expected=1, exceptions=exceptions
    )
    open_ = OpenExceptions("ledger-partner", "missing", "high", "EUR", count=exceptions, amount_minor=5, oldest_at=AT)
    summary = BookSummary(
        book=book, as_of=AT[:10], rules_version=1, totals=(totals,), exceptions=(open_,), recorded_at=AT
    )
    message = Message(RECONCILIATION_RESULTS, 0, b"k", encode_result(summary))
    return Batch(Outgoing([message]), [], b"seal", Progress(), 1, None)


def open_exceptions(book: str) -> float | None:
    labels = {"book": book, "reason": "missing", "severity": "high"}
    return REGISTRY.get_sample_value("walletstream_reconciliation_open_exceptions", labels)


def books() -> set[str]:
    samples = [sample for family in REGISTRY.collect() for sample in family.samples]
    return {sample.labels["book"] for sample in samples if sample.labels.get("book", "").startswith("shown-")}


def test_books_of_a_partition_that_went_to_another_worker_are_not_told_of_any_more() -> None:
    metrics = ReconciliationMetrics()
    metrics.committed(1, told("shown-a", 3))
    metrics.committed(2, told("shown-b", 1))
    metrics.committed(1, told("shown-a", 2))
    assert (open_exceptions("shown-a"), open_exceptions("shown-b")) == (2, 1)
    metrics.ended(1)
    assert books() == {"shown-b"}
    metrics.ended(1)
    metrics.committed(1, told("shown-a", 4))
    assert open_exceptions("shown-a") == 4
    metrics.ended(1)
    metrics.ended(2)
    assert books() == set()
