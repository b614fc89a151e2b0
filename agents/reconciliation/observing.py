"""The role's metrics, fed from what a batch has committed."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

from agents.reconciliation.resolving import RESOLUTION
from agents.reconciliation.state import OPEN
from agents.reconciliation.summing import grouped
from schemas.clock import unix_ms
from schemas.reconciliation_events import (
    DECISION_REFUSED,
    DECISION_REPEATED,
    EXCEPTION_CHANGED,
    RECORD_FAILED,
    STATEMENT_NOTED,
    STATEMENT_REFUSED,
    STATEMENT_REPEATED,
    STATEMENT_TAKEN,
)
from schemas.reconciliation_exceptions import ReconciliationException
from schemas.reconciliation_results import (
    BookSummary,
    MatchRecord,
    OpenExceptions,
    RelationTotals,
    UnmatchRecord,
    decode_result,
)
from schemas.topics import RECONCILIATION_RESULTS
from streams import metrics
from streams.batch import Batch
from streams.errors import StoreError
from streams.observer import Observer
from streams.tables import Reads

log = logging.getLogger(__name__)

_STATEMENTS = {
    STATEMENT_TAKEN: "taken",
    STATEMENT_REPEATED: "repeated",
    STATEMENT_REFUSED: "refused",
    STATEMENT_NOTED: "noted",
}


class ReconciliationMetrics(Observer):
    """Counts matches, statements, steps of exceptions and refused decisions; gauges say where each book stands."""

    def __init__(self) -> None:
        #: Book -> labels of its gauges, so that what is over does not go on to be told.
        self._told: dict[str, list[tuple[Any, tuple[str, ...]]]] = {}
        #: Partition -> books that are told of.
        self._books: dict[int, set[str]] = {}

    def loaded(self, partition: int, store: Reads) -> None:
        """The local state as a restore leaves it: what was open stays open. Lines are too many to be counted."""
        self.ended(partition)
        by_book: dict[str, list[ReconciliationException]] = {}
        try:
            for _, row in store.scan(OPEN.name):
                one = OPEN.decode(row)
                by_book.setdefault(one.book, []).append(one)
        except StoreError as error:
            log.warning("open exceptions are not told of until their books are matched: %s", error)
            return
        self._books[partition] = set(by_book)
        for book, exceptions in by_book.items():
            self._tell(book, (), grouped(exceptions))

    def ended(self, partition: int) -> None:
        """The processor has ended: its books are another worker's to tell of."""
        for book in self._books.pop(partition, ()):
            self._forget(book)

    def committed(self, partition: int, batch: Batch) -> None:
        """A batch is committed and persisted."""
        for (type_, what), count in Counter(batch.labels).items():
            if type_ in _STATEMENTS:
                metrics.RECONCILIATION_STATEMENTS.labels(_STATEMENTS[type_]).inc(count)
            elif type_ == EXCEPTION_CHANGED:
                metrics.RECONCILIATION_EXCEPTION_STEPS.labels((what or "").partition(" ")[0]).inc(count)
            elif type_ == DECISION_REFUSED:
                metrics.RECONCILIATION_REFUSED.labels(what or "").inc(count)
            elif type_ == DECISION_REPEATED:
                metrics.RECONCILIATION_REFUSED.labels("repeated").inc(count)
            elif type_ == RECORD_FAILED:
                metrics.RECONCILIATION_REFUSED.labels("failed").inc(count)
        for (topic, _), records in batch.messages.by_target.items():
            if topic == RECONCILIATION_RESULTS:
                self._results(partition, [decode_result(value) for _, value, _ in records if value is not None])

    def _results(self, partition: int, results: list[MatchRecord | UnmatchRecord | BookSummary]) -> None:
        latest: dict[str, BookSummary] = {}
        for result in results:
            if isinstance(result, BookSummary):
                latest[result.book] = result
            elif isinstance(result, MatchRecord):
                by = "people" if result.pass_name == RESOLUTION else "rules"
                metrics.RECONCILIATION_MATCHES.labels(result.relation, by).inc()
            else:
                metrics.RECONCILIATION_UNMATCHED.labels(result.relation).inc()
        for summary in latest.values():
            self._books.setdefault(partition, set()).add(summary.book)
            self._tell(summary.book, summary.totals, summary.exceptions)

    def _forget(self, book: str) -> None:
        for gauge, labels in self._told.pop(book, []):
            gauge.remove(*labels)

    def _tell(self, book: str, totals: Sequence[RelationTotals], exceptions: Sequence[OpenExceptions]) -> None:
        self._forget(book)
        told: dict[tuple[Any, tuple[str, ...]], float] = {}

        def add(gauge: Any, labels: tuple[str, ...], value: float) -> None:
            told[gauge, labels] = told.get((gauge, labels), 0) + value

        for each in totals:
            where = (book, each.relation, each.side)
            add(metrics.RECONCILIATION_LINES, (*where, "matched"), each.matched)
            add(metrics.RECONCILIATION_LINES, (*where, "expected"), each.expected)
            add(metrics.RECONCILIATION_LINES, (*where, "exception"), each.exceptions)
        now_s = time.time()
        for one in exceptions:
            add(metrics.RECONCILIATION_EXCEPTIONS, (book, one.reason, one.severity), one.count)
            add(metrics.RECONCILIATION_AT_RISK, (book, one.asset, one.severity), one.amount_minor)
            age = (metrics.RECONCILIATION_OLDEST, (book,))
            told[age] = max(told.get(age, 0.0), now_s - unix_ms(one.oldest_at) / 1000)
        for (gauge, labels), value in told.items():
            gauge.labels(*labels).set(value)
        self._told[book] = list(told)
