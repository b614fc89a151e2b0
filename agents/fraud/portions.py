"""What one fact changes, in portions that fit into an event each: a late one may change thousands of fires. Pure."""

from __future__ import annotations

from typing import Final, TypeVar

import msgspec

from schemas.fraud_events import AlertChanged, FireChange
from schemas.topics import INPUT_MAX_BYTES

#: So many fires and alerts fit into one event, however long the names in them are.
MOST_TOLD: Final = 64
#: More of them go into one as far as they come to no more than this, encoded.
MOST_TOLD_BYTES: Final = INPUT_MAX_BYTES // 2

#: Fires and alerts of one event.
Portion = tuple[tuple[FireChange, ...], tuple[AlertChanged, ...]]

T = TypeVar("T", FireChange, AlertChanged)

_encode: Final = msgspec.json.Encoder().encode


def portions(fires: tuple[FireChange, ...], alerts: tuple[AlertChanged, ...]) -> list[Portion]:
    """Fires and alerts in their order, in as many portions as they need; alerts after all fires that they rest on."""
    if len(fires) + len(alerts) <= MOST_TOLD:
        return [(fires, alerts)]
    found: list[Portion] = [(part, ()) for part in _parts(fires)]
    found += [((), part) for part in _parts(alerts)]
    return found


def _parts(changes: tuple[T, ...]) -> list[tuple[T, ...]]:
    found: list[tuple[T, ...]] = []
    part: list[T] = []
    size = 0
    for change in changes:
        added = len(_encode(change))
        if part and size + added > MOST_TOLD_BYTES:
            found.append(tuple(part))
            part, size = [], 0
        part.append(change)
        size += added
    if part:
        found.append(tuple(part))
    return found
