"""Gauges say where the books of the partitions stand that this worker owns."""

from __future__ import annotations

import time
from collections.abc import Iterator

import msgspec
import pytest

from agents.reconciliation.observing import ReconciliationMetrics
from agents.reconciliation.state import OPEN
from schemas.clock import unix_ms
from schemas.reconciliation_exceptions import ReconciliationException
from schemas.reconciliation_results import BookSummary, OpenExceptions, RelationTotals, encode_result
from schemas.topics import RECONCILIATION_RESULTS
from streams.batch import Batch, Progress
from streams.errors import StoreError
from streams.machine import Message, Outgoing
from streams.metrics import REGISTRY
from tests.ledger.store import DictStore
from tests.reconciliation.test_role import short_paid

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


def stored(*exceptions: ReconciliationException) -> DictStore:
    """A local state with these open exceptions."""
    store = DictStore()
    for one in exceptions:
        store.rows.setdefault(OPEN.name, {})[f"{one.book} {one.exception_id}"] = OPEN.encode(one)
    return store


def test_what_was_open_before_a_restart_is_told_after_it() -> None:
    world = short_paid()
    (one,) = world.open()
    as_, later = msgspec.structs.replace, "2026-11-23T06:00:00.000Z"
    more = [
        as_(one, book="shown-a"),
        as_(one, book="shown-a", exception_id="2", amount_minor=7, opened_at=later),
        as_(one, book="shown-b", exception_id="3", severity="low"),
    ]
    metrics = ReconciliationMetrics()
    metrics.loaded(1, stored(*more))
    count, at_risk = "walletstream_reconciliation_open_exceptions", "walletstream_reconciliation_at_risk_minor"
    labels = {"book": "shown-a", "severity": one.severity}
    assert REGISTRY.get_sample_value(count, {**labels, "reason": one.reason}) == 2
    assert REGISTRY.get_sample_value(at_risk, {**labels, "asset": "EUR"}) == one.amount_minor + 7
    age_s = REGISTRY.get_sample_value("walletstream_reconciliation_oldest_exception_seconds", {"book": "shown-a"})
    assert age_s == pytest.approx(time.time() - unix_ms(one.opened_at) / 1000, abs=60)
    assert books() == {"shown-a", "shown-b"}
    metrics.committed(1, told("shown-a", 1))
    assert REGISTRY.get_sample_value(count, {**labels, "reason": one.reason}) is None, "what was matched since counts"
    metrics.loaded(1, stored(more[2]))
    assert books() == {"shown-b"}
    metrics.ended(1)
    assert books() == set()


def test_a_state_that_cannot_be_read_ends_nothing() -> None:
    class Broken(DictStore):
        def scan(self, table: str, start: str = "") -> Iterator[tuple[str, bytes]]:
            raise StoreError("cannot be read")

    ReconciliationMetrics().loaded(1, Broken())
    assert books() == set()


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
