"""Whether an input can be read on from where the ledger stands."""

from __future__ import annotations

from streams.errors import Refused
from streams.ports import Bounds


def check_bounds(where: str, position: int, bounds: Bounds) -> None:
    """Refuse an input that cannot be read on from `position`.

    Raises:
        Refused: the topic was recreated or truncated, or records were deleted unread.
    """
    if bounds.end < position:
        raise Refused(
            f"{where} ends at {bounds.end}, but the ledger has read up to {position}: the topic was recreated or "
            "truncated; restore it, or start a new namespace"
        )
    if bounds.start > position:
        raise Refused(
            f"{where} starts at {bounds.start}, but the ledger has read only up to {position}: "
            f"{bounds.start - position} offsets were deleted unread; have the producers send them again and start a "
            "new namespace, or restore the topic"
        )
