"""What one fact changes, in portions that fit into an event each: a late one may change thousands of fires. Pure."""

from __future__ import annotations

from typing import Final, NamedTuple

import msgspec

from schemas.fraud_events import AlertChanged, FireChange
from schemas.topics import INPUT_MAX_BYTES

#: So many fires and alerts fit into one event, however long the names in them are.
MOST_TOLD: Final = 64
#: More of them go into one as far as they come to no more than this, encoded.
MOST_TOLD_BYTES: Final = INPUT_MAX_BYTES // 2

_encode: Final = msgspec.json.Encoder().encode


class Portion(NamedTuple):
    """Fires and alerts of one event."""

    fires: tuple[FireChange, ...]
    alerts: tuple[AlertChanged, ...]


def portions(fires: tuple[FireChange, ...], alerts: tuple[AlertChanged, ...]) -> list[Portion]:
    """Fires and alerts in their order, in as many portions as they need; alerts after all fires that they rest on."""
    changes = [*fires, *alerts]
    if len(changes) <= MOST_TOLD:
        return [Portion(fires, alerts)]
    # Where one begins: among fires those that are left, and then alerts.
    begins, size = [0], 0
    for at, change in enumerate(changes):
        added = len(_encode(change))
        if size and size + added > MOST_TOLD_BYTES:
            begins.append(at)
            size = 0
        size += added
    count = len(fires)
    return [
        Portion(fires[begin:end], alerts[max(0, begin - count) : max(0, end - count)])
        for begin, end in zip(begins, [*begins[1:], len(changes)], strict=True)
    ]
