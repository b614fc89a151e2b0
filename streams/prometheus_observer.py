"""Feeds the metrics from what processors tell, a few microseconds for each batch and nothing for a record."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from streams import metrics
from streams.batch import Batch
from streams.commit import CommitStep
from streams.errors import Fenced
from streams.machine import Context, InputRecord
from streams.observer import Observer

#: What is measured: the step's own time, so without the wait for records; the commit belongs to the write.
_MEASURED = {
    CommitStep.DECIDE: metrics.STEP_SECONDS.labels("decide"),
    CommitStep.WRITE: metrics.STEP_SECONDS.labels("write"),
    CommitStep.PERSIST: metrics.STEP_SECONDS.labels("persist"),
}


class _Partition:
    """The metrics of one partition, looked up once."""

    def __init__(self, partition: int):
        label = str(partition)
        self.batches = metrics.BATCHES.labels(label)
        self.records = metrics.RECORDS.labels(label)
        self.messages = metrics.MESSAGES.labels(label)
        self.label = label
        self.events: dict[tuple[str, str | None], Any] = {}
        self.restoring_since_s = 0.0

    def count_events(self, labels: list[tuple[str, str | None]]) -> None:
        """Count events by their labels."""
        for pair, count in Counter(labels).items():
            metric = self.events.get(pair)
            if metric is None:
                metric = self.events[pair] = metrics.EVENTS.labels(self.label, pair[0], pair[1] or "")
            metric.inc(count)


class PrometheusObserver(Observer):
    """Counts what every processor of a worker does."""

    def __init__(self) -> None:
        self._partitions: dict[int, _Partition] = {}

    def _of(self, partition: int) -> _Partition:
        known = self._partitions.get(partition)
        if known is None:
            known = self._partitions[partition] = _Partition(partition)
        return known

    def restoring(self, partition: int, incarnation: int) -> None:
        """A restore began."""
        self._of(partition).restoring_since_s = time.monotonic()
        metrics.RESTORES.labels(partition).inc()
        metrics.INCARNATION.labels(partition).set(incarnation)

    def restore_progress(self, partition: int, done: int, of: int) -> None:
        """The restore has read the event log up to offset `done` of `of`."""
        metrics.RESTORE_REMAINING.labels(partition).set(max(0, of - done))

    def restored(self, partition: int, sequence: int) -> None:
        """The fold stands at `sequence`."""
        known = self._of(partition)
        metrics.RESTORE_SECONDS.observe(time.monotonic() - known.restoring_since_s)
        metrics.RESTORE_REMAINING.labels(partition).set(0)
        metrics.SEQUENCE.labels(partition).set(sequence)

    def rebuilt(self, partition: int) -> None:
        """The local state contradicted the log, or another version wrote it."""
        metrics.REBUILT.labels(partition).inc()

    def committed(self, partition: int, batch: Batch) -> None:
        """A batch is committed and persisted."""
        known = self._of(partition)
        known.batches.inc()
        known.records.inc(batch.count)
        known.messages.inc(len(batch.messages))
        known.count_events(batch.labels)
        for reason, stage in batch.dead_letters:
            metrics.DEAD_LETTERS.labels(reason, stage).inc()
        metrics.SEQUENCE.labels(partition).set(batch.after.sequence)
        if batch.count:
            metrics.BATCH_RECORDS.observe(batch.count)

    def failed(self, partition: int, error: BaseException, failures: int) -> None:
        """A cycle, restore or acknowledgement failed."""
        del failures
        metrics.FAILURES.labels(partition, type(error).__name__).inc()
        if isinstance(error, Fenced):
            metrics.FENCED.labels(partition).inc()

    def hole(self, partition: int, topic: str) -> None:
        """A fetched batch did not start where the last one ended."""
        metrics.HOLES.labels(partition, topic).inc()

    def bug(self, record: InputRecord, context: Context, error: Exception) -> None:
        """The machine raised on this record."""
        del record
        metrics.BUGS.labels(context.partition, type(error).__name__).inc()


class StepTimer:
    """Measures the steps of one processor, as its `at_step`."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter):
        self._clock = clock
        self._step: CommitStep | None = None
        self._since = 0.0

    async def __call__(self, step: CommitStep) -> None:
        """`step` begins, so the one before has ended."""
        if step is CommitStep.COMMIT:
            return
        now = self._clock()
        before = self._step
        # A failed cycle jumps back to the first step; what it broke off is no measurement.
        if before is not None and step > before and (metric := _MEASURED.get(before)) is not None:
            metric.observe(now - self._since)
        self._step, self._since = step, now
