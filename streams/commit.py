"""The commit protocol in names and numbers: its steps, what a processor is doing, its bounds and times."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum


class CommitStep(IntEnum):
    """The steps of the commit protocol."""

    TAKE = 1
    DECIDE = 2
    WRITE = 3
    COMMIT = 4
    PERSIST = 5
    ACKNOWLEDGE = 6


class Phase(StrEnum):
    """What a processor is doing, as `/readyz` says it."""

    CONNECTING = "connecting"
    RECOVERING = "recovering"
    RUNNING = "running"
    CLOCK = "clock"
    HELD_UP = "held up"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds and times of a processor; units are in the names."""

    batch_max_records: int = 4_000
    batch_max_bytes: int = 2 << 20
    commit_deadline_s: float = 8.0
    clock_tolerance_ms: int = 300_000
    seal_interval_ms: int = 86_400_000
    acknowledge_interval_s: float = 0.5
    revoke_grace_s: float = 5.0
    backoff_first_s: float = 0.05
    backoff_most_s: float = 5.0
    max_failures: int = 8
    cache_entries: int = 10_000
    #: aiokafka's sequence numbers overflow at 2^31; the producer is renewed well before.
    records_per_producer: int = 1 << 30
