"""How far the views are behind the ledger, by partition."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from agents.views.queries.reflected import Reflected
from ops.reading import TopicReader, ask_briefly
from schemas.clock import rfc3339
from schemas.topics import LEDGER_EVENTS
from streams.settings import Settings

_REBUILD: Final = "look whether this is the right broker; if it is, run `walletstream views rebuild`"
_MEND: Final = (
    "see whether a `walletstream worker views` runs, and nobody has left a transaction open on ledger-events, and wait"
)


async def log_ends(settings: Settings) -> Mapping[int, int] | None:
    """End of the event log by partition; None where no broker says it within seconds.

    The high watermark: what an open transaction hides the views do not reflect either.
    """

    async def ends(reader: TopicReader) -> dict[int, int]:
        return await reader.high_watermarks(LEDGER_EVENTS)

    return await ask_briefly(settings, settings.namespace, ends)


class Freshness(NamedTuple):
    """What the views of a partition reflect, and the end of its log; None where that is not known."""

    reflects: Reflected
    end: int | None

    @property
    def lag(self) -> int | None:
        """Offsets that the views do not reflect yet; None where that is not known."""
        return None if self.end is None else max(0, self.end - self.reflects.next_offset)

    @property
    def is_beyond(self) -> bool:
        """Whether they reflect more than the log has: it is another one than they were made from."""
        return self.end is not None and self.reflects.next_offset > self.end

    def reaches(self, until_ms: int) -> bool | None:
        """Whether all that was recorded before `until_ms` is in the views; None where that cannot be told."""
        if self.is_beyond:
            return False
        if self.reflects.recorded_at_ms >= until_ms:
            return True
        return None if self.lag is None else self.lag == 0

    def __str__(self) -> str:
        lag = "its lag is not known, for Kafka does not answer" if self.lag is None else f"{self.lag} behind"
        if self.is_beyond:
            lag = f"beyond the end of the log, which is {self.end}"
        return (
            f"partition {self.reflects.partition}, offset {self.reflects.next_offset} "
            f"({_time(self.reflects.recorded_at_ms) or 'nothing yet'}), {lag}"
        )

    def doubt(self) -> str | None:
        """Why an answer may be wrong, and what to do; None where nothing is known to be."""
        if self.is_beyond:
            reflects = self.reflects
            return (
                f"the views of partition {reflects.partition} reflect the log up to {reflects.next_offset}, but it "
                f"ends at {self.end}: it was recreated or truncated, or is another one: {_REBUILD}"
            )
        if not self.lag:
            return None
        return (
            f"the views of partition {self.reflects.partition} are {self.lag} records behind, at offset "
            f"{self.reflects.next_offset} of {self.end} "
            f"({_time(self.reflects.recorded_at_ms) or 'nothing yet'}): {_MEND}"
        )

    def as_json(self) -> dict[str, Any]:
        """For scripts; `lag` is null where it is not known, and times are where nothing is reflected yet."""
        return {
            "partition": self.reflects.partition,
            "next_offset": self.reflects.next_offset,
            "sequence": self.reflects.sequence,
            "recorded_at": _time(self.reflects.recorded_at_ms),
            "applied_at": _time(self.reflects.applied_at_ms),
            "end": self.end,
            "lag": self.lag,
        }


def _time(at_ms: int) -> str | None:
    """None for 0, which stands where nothing has come so far."""
    return rfc3339(at_ms) if at_ms else None


def freshness_of(reflects: Mapping[int, Reflected], ends: Mapping[int, int] | None, partition: int) -> Freshness:
    """Of one partition, also of one that nobody has followed yet."""
    nothing = Reflected(partition, 0, -1, 0, 0)
    return Freshness(reflects.get(partition, nothing), None if ends is None else ends.get(partition, 0))
