"""What all rails of files have in common: an outbox, an inbox, and threads that wait for the disk."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path

from agents.settlement.rails.files.arrived import Arrived
from agents.settlement.rails.files.inbox import Inbox
from agents.settlement.rails.files.outbox import Outbox
from agents.settlement.rails.files.written import Written
from agents.settlement.rails.port import RailUnknown
from agents.settlement.rails.threads import RailThreads
from schemas.rail_batches import RailAnswer, RailBatch


class FileRail(ABC):
    """A `Rail` of files. Somebody uploads what is in `outbox`, and puts the rail's files into `inbox`."""

    def __init__(
        self,
        name: str,
        folder: Path,
        suffix: str,
        clock_ms: Callable[[], int],
        quiet_ms: int,
        max_bytes: int,
    ):
        """
        Args:
            name: of the rail.
            folder: of the rail alone.
            suffix: what names of written files end in.
            clock_ms: Unix milliseconds.
            quiet_ms: how long a file must not have been changed before it is read.
            max_bytes: a larger file is refused.
        """
        self.name = name
        self.folder = folder
        self._threads = RailThreads(name)
        self.outbox = Outbox(name, folder, suffix)
        self.inbox = Inbox(name, folder, self.read, clock_ms, quiet_ms, max_bytes)

    @abstractmethod
    def write(self, batch: RailBatch) -> Written:
        """The file of a batch; runs in a thread.

        Raises:
            RailMisconfigured: no file can be made of it.
        """

    @abstractmethod
    def read(self, arrived: Arrived) -> list[RailAnswer]:
        """The answers of a file; runs in a thread.

        Raises:
            Refusal: it is none that is read here, or not as it must be.
        """

    async def submit(self, batch: RailBatch) -> RailAnswer:
        """Write the batch's file, once."""
        return await self._threads.call(self._submit, batch)

    async def status(self, batch_id: str) -> RailAnswer | None:
        """Whether its file was written; what the rail says of it comes by `collect`."""
        return await self._threads.call(self._status, batch_id)

    async def collect(self) -> Sequence[RailAnswer]:
        """Read what has arrived."""
        return await self._threads.call(self._collect)

    async def acknowledge(self, answer_id: str) -> None:
        """Do not tell this answer again."""
        await self._threads.call(self._acknowledge, answer_id)

    async def close(self) -> None:
        """Let go of the threads."""
        self._threads.close()

    # ---- in a thread -------------------------------------------------------------------------------------

    def _submit(self, batch: RailBatch) -> RailAnswer:
        try:
            self.outbox.check()
            return self.outbox.hand_over(batch, self.write).answer()
        except OSError as error:
            raise RailUnknown(f"the file of batch {batch.batch_id}: {error}") from error

    def _status(self, batch_id: str) -> RailAnswer | None:
        try:
            sent = self.outbox.sent(batch_id)
        except OSError as error:
            raise RailUnknown(f"what is known of batch {batch_id}: {error}") from error
        return None if sent is None else sent.answer()

    def _collect(self) -> list[RailAnswer]:
        try:
            return self.inbox.collect()
        except OSError as error:
            raise RailUnknown(f"the inbox: {error}") from error

    def _acknowledge(self, answer_id: str) -> None:
        try:
            self.inbox.acknowledge(answer_id)
        except OSError as error:
            raise RailUnknown(f"the inbox: {error}") from error
