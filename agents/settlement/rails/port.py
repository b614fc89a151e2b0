"""What a rail must be able to do, and how it says that it could not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from schemas.rail_batches import RailAnswer, RailBatch


class RailError(Exception):
    """A call of a rail did not succeed; the subclass says what may be concluded."""


class RailUnavailable(RailError):
    """It was certainly not sent: calling again later cannot double anything."""


class RailUnknown(RailError):
    """It may have been sent. Ask the status before anything else; a call that times out is one of these."""


class RailMisconfigured(RailError):
    """It was certainly not sent, and will not be before somebody changes the rail's settings or its surroundings."""


class Rail(Protocol):
    """One rail. Calls of several batches may be under way at once, from several processes too."""

    name: str

    async def submit(self, batch: RailBatch) -> RailAnswer:
        """Hand a batch over. Idempotent by `batch_id`: a batch that the rail has is not taken a second time, and the
        answer is what the rail knows of it.

        Raises:
            RailUnavailable: it was not sent.
            RailUnknown: it may have been sent.
            RailMisconfigured: it was not sent and cannot be.
        """
        ...

    async def status(self, batch_id: str) -> RailAnswer | None:
        """What the rail knows of a batch; None where it has never seen it.

        Raises:
            RailUnavailable: it does not answer.
            RailUnknown: the same; a question changes nothing.
            RailMisconfigured: it cannot be asked.
        """
        ...

    async def collect(self) -> Sequence[RailAnswer]:
        """Answers that arrived unasked and are not acknowledged, oldest first. They are told again until they are.

        Raises:
            RailUnavailable: it does not answer.
            RailUnknown: the same.
            RailMisconfigured: it cannot be asked.
        """
        ...

    async def acknowledge(self, answer_id: str) -> None:
        """The answer is kept elsewhere and need not be told again. One that is not known is passed over.

        Raises:
            RailUnavailable: it does not answer; the answer will be told again.
            RailUnknown: the same.
        """
        ...

    async def close(self) -> None:
        """Let go of connections and files; raises nothing."""
        ...
