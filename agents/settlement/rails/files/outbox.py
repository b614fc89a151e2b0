"""Batches as files in an outbox: each gets there once, whoever crashes when, and whoever takes it away when.

A file is prepared out of sight, then noted as known, then moved into the outbox by one rename. So a batch that is not
known was never sent; one that is known and still prepared was not sent either; one that is known and not prepared any
more was sent, also where somebody has taken it out of the outbox long ago.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from agents.settlement.rails.disk import locked, make_folder, move_durably, write_durably
from agents.settlement.rails.files.written import Sent, Written
from agents.settlement.rails.port import RailMisconfigured
from schemas.rail_batches import RailBatch
from streams import metrics
from streams.logs import fields

log = logging.getLogger(__name__)

_BATCH_ID: Final = re.compile(r"[A-Za-z0-9-]{1,35}")


_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(Sent).decode


class Outbox:
    """The outbox of one rail. Any number of processes may use the same folder, within one file system."""

    def __init__(self, rail: str, folder: Path, suffix: str):
        """`suffix` is the end of the files' names, such as `.pain.001.xml`."""
        self._rail = rail
        self._suffix = suffix
        self.folder = folder
        self.outbox = folder / "outbox"
        self._prepared = folder / "state" / "prepared"
        self._known = folder / "state" / "known"
        self._lock = folder / "state" / "outbox.lock"

    def hand_over(self, batch: RailBatch, write: Callable[[RailBatch], Written]) -> Sent:
        """Put the batch's file into the outbox, unless it was put there before; returns what was sent.

        Args:
            batch: what the file tells.
            write: makes the file; the same batch has to make the same.

        Raises:
            RailUnavailable: another process holds the folder's lock for too long.
            RailMisconfigured: the batch is known with other instructions, or its id is no file name; or what `write`
                raises.
            OSError: the disk refuses: whether it was sent shows in `sent`.
        """
        if not _BATCH_ID.fullmatch(batch.batch_id):
            raise RailMisconfigured(f"batch id {batch.batch_id!r} cannot be a file's name")
        for folder in (self.outbox, self._prepared, self._known):
            make_folder(folder)
        with locked(self._lock):
            known, prepared = self._read_known(batch.batch_id), self._prepared_of(batch.batch_id)
            if known is not None and not batch.pays_the_same_as(known.batch):
                raise RailMisconfigured(f"batch {batch.batch_id} was written with other instructions")
            if known is not None and not prepared.exists():
                return known
            written = write(batch)
            sent = Sent(batch, written.refused)
            if written.content is None:
                prepared.unlink(missing_ok=True)
            else:
                write_durably(prepared, written.content)
            write_durably(self._known_of(batch.batch_id), _encode(sent))
            if written.content is None:
                return sent
            move_durably(prepared, self.outbox / f"{batch.batch_id}{self._suffix}")
        metrics.RAIL_FILES.labels(self._rail, "written").inc()
        log.info("file written", extra=fields(rail=self._rail, batch_id=batch.batch_id))
        return sent

    def sent(self, batch_id: str) -> Sent | None:
        """A batch as it was sent; None where it never was.

        Raises:
            RailUnavailable: another process holds the folder's lock for too long.
        """
        if not _BATCH_ID.fullmatch(batch_id) or not self._known_of(batch_id).exists():
            return None
        with locked(self._lock):
            return None if self._prepared_of(batch_id).exists() else self._read_known(batch_id)

    def check(self) -> None:
        """
        Raises:
            RailMisconfigured: outbox and state are not on one file system, and a rename cannot be one step.
        """
        for folder in (self.outbox, self._prepared):
            make_folder(folder)
        if os.stat(self.outbox).st_dev != os.stat(self._prepared).st_dev:
            raise RailMisconfigured(
                f"{self.outbox} and {self._prepared} are on two file systems, and have to be on one; let "
                "whoever uploads fetch the files from there"
            )

    def _read_known(self, batch_id: str) -> Sent | None:
        path = self._known_of(batch_id)
        return _decode(path.read_bytes()) if path.exists() else None

    def _known_of(self, batch_id: str) -> Path:
        return self._known / f"{batch_id}.json"

    def _prepared_of(self, batch_id: str) -> Path:
        """Under the batch's id alone: whoever comes with other settings has to find it too."""
        return self._prepared / batch_id
