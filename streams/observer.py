"""What a processor tells about itself. Metrics and logs listen; the default listens to nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streams.machine import Context, InputRecord

if TYPE_CHECKING:
    from streams.batch import Batch
    from streams.tables import Reads


class Observer:
    """Callbacks of a processor; each must return quickly and never raise."""

    def restoring(self, partition: int, incarnation: int) -> None:
        """A restore began."""

    def restore_progress(self, partition: int, done: int, of: int) -> None:
        """The restore has read the event log up to offset `done` of `of`."""

    def restored(self, partition: int, sequence: int) -> None:
        """The fold stands at `sequence`; the processor takes records from now on."""

    def loaded(self, partition: int, store: Reads) -> None:
        """After `restored`: what the local state holds, for those who show some of it. To be read now, if at all."""

    def rebuilt(self, partition: int) -> None:
        """The local state contradicted the log or is of another version, was deleted and rebuilt from the log."""

    def committed(self, partition: int, batch: Batch) -> None:
        """A batch is committed and persisted."""

    def failed(self, partition: int, error: BaseException, failures: int) -> None:
        """A cycle or restore failed, the `failures`-th time in a row; the processor restores."""

    def closed(self, partition: int, reason: str) -> None:
        """The processor gives the partition up."""

    def ended(self, partition: int) -> None:
        """The processor has ended, whatever the reason: what is shown of its state is another worker's to show."""

    def hole(self, partition: int, topic: str) -> None:
        """A fetched batch did not start where the last one ended; it was dropped and is fetched again."""

    def bug(self, record: InputRecord, context: Context, error: Exception) -> None:
        """The machine raised on this record."""
