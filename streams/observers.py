"""Observers that pass on, log, and remember for `/readyz`."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from streams.batch import Batch
from streams.logs import fields
from streams.machine import Context, InputRecord
from streams.observer import Observer
from streams.tables import Reads

log = logging.getLogger(__name__)


class Observers(Observer):
    """Tells several observers."""

    def __init__(self, observers: Sequence[Observer]):
        self._observers = tuple(observers)

    def restoring(self, partition: int, incarnation: int) -> None:
        """A restore began."""
        for one in self._observers:
            one.restoring(partition, incarnation)

    def restore_progress(self, partition: int, done: int, of: int) -> None:
        """The restore has read the event log up to offset `done` of `of`."""
        for one in self._observers:
            one.restore_progress(partition, done, of)

    def restored(self, partition: int, sequence: int) -> None:
        """The fold stands at `sequence`."""
        for one in self._observers:
            one.restored(partition, sequence)

    def loaded(self, partition: int, store: Reads) -> None:
        """The local state as a restore leaves it."""
        for one in self._observers:
            one.loaded(partition, store)

    def rebuilt(self, partition: int) -> None:
        """The local state contradicted the log, or another version wrote it."""
        for one in self._observers:
            one.rebuilt(partition)

    def committed(self, partition: int, batch: Batch) -> None:
        """A batch is committed and persisted."""
        for one in self._observers:
            one.committed(partition, batch)

    def failed(self, partition: int, error: BaseException, failures: int) -> None:
        """A cycle, restore or acknowledgement failed."""
        for one in self._observers:
            one.failed(partition, error, failures)

    def closed(self, partition: int, reason: str) -> None:
        """The processor gives the partition up."""
        for one in self._observers:
            one.closed(partition, reason)

    def ended(self, partition: int) -> None:
        """The processor has ended."""
        for one in self._observers:
            one.ended(partition)

    def hole(self, partition: int, topic: str) -> None:
        """A fetched batch did not start where the last one ended."""
        for one in self._observers:
            one.hole(partition, topic)

    def bug(self, record: InputRecord, context: Context, error: Exception) -> None:
        """The machine raised on this record."""
        for one in self._observers:
            one.bug(record, context, error)


class LogObserver(Observer):
    """Writes what happens to partitions into the log; of batches nothing."""

    def restoring(self, partition: int, incarnation: int) -> None:
        """A restore began."""
        log.info("restoring", extra=fields(partition=partition, incarnation=incarnation))

    def restored(self, partition: int, sequence: int) -> None:
        """The fold stands at `sequence`."""
        log.info("restored", extra=fields(partition=partition, sequence=sequence))

    def rebuilt(self, partition: int) -> None:
        """The local state contradicted the log, or another version wrote it."""
        log.warning(
            "the local state contradicted the event log or is of another version, and was rebuilt",
            extra=fields(partition=partition),
        )

    def failed(self, partition: int, error: BaseException, failures: int) -> None:
        """A cycle, restore or acknowledgement failed."""
        log.warning("failed: %r", error, extra=fields(partition=partition, failures=failures))

    def closed(self, partition: int, reason: str) -> None:
        """The processor gives the partition up."""
        log.info("closed: %s", reason, extra=fields(partition=partition))

    def hole(self, partition: int, topic: str) -> None:
        """A fetched batch did not start where the last one ended."""
        log.warning("hole in the input, fetching again", extra=fields(partition=partition, topic=topic))

    def bug(self, record: InputRecord, context: Context, error: Exception) -> None:
        """The machine raised on this record."""
        log.error(
            "the machine raised on a record, which is answered so",
            extra=fields(topic=context.topic, partition=context.partition, offset=record.offset),
            exc_info=error,
        )


class RestoreProgress(Observer):
    """Remembers how far restores are, for `/readyz`."""

    def __init__(self) -> None:
        self._progress: dict[int, tuple[int, int]] = {}

    def restoring(self, partition: int, incarnation: int) -> None:
        """A restore began."""
        del incarnation
        self._progress.pop(partition, None)

    def restore_progress(self, partition: int, done: int, of: int) -> None:
        """The restore has read the event log up to offset `done` of `of`."""
        self._progress[partition] = done, of

    def restored(self, partition: int, sequence: int) -> None:
        """The fold stands at `sequence`."""
        del sequence
        self._progress.pop(partition, None)

    def of(self, partition: int) -> tuple[int, int] | None:
        """Offset reached and offset to reach; None where that is not known (yet)."""
        return self._progress.get(partition)
