"""What can go wrong, where, and a seeded plan of it."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable
from enum import StrEnum
from typing import Final, NamedTuple


class Point(StrEnum):
    """Where faults strike: the numbered steps of the commit, the parts of a restore, the delivery of inputs."""

    TAKE = "1 take"
    DECIDE = "2 decide"
    WRITE = "3 write"
    COMMIT = "4 commit"
    PERSIST = "5 persist"
    ACKNOWLEDGE = "6 acknowledge"
    FENCE = "restore: fence"
    PROVE = "restore: prove"
    OPEN = "restore: open"
    COMPARE = "restore: compare"
    READ = "restore: read"
    SEEK = "restore: seek"
    DELIVER = "input: deliver"


STEPS: Final = (Point.TAKE, Point.DECIDE, Point.WRITE, Point.COMMIT, Point.PERSIST, Point.ACKNOWLEDGE)
RESTORE: Final = (Point.FENCE, Point.PROVE, Point.OPEN, Point.COMPARE, Point.READ, Point.SEEK)


class Kind(StrEnum):
    """What goes wrong."""

    CRASH = "kill -9"
    STOP = "process stopped, goes on later"
    DEAF = "cut off from the group coordinator only"
    SHUT_DOWN = "SIGTERM"
    CANCEL = "task cancelled"
    ERROR = "exception"
    REBALANCE = "rebalance away and perhaps back"
    DISASTER = "cluster restored from older disks"
    WORKER_CLOCK = "worker clock leaps"
    BROKER_CLOCK = "broker clock leaps"
    PRODUCE_REFUSED = "produce raises before anything is sent"
    PRODUCE_PARTIAL = "some records sent, then an exception"
    PRODUCE_FAILED = "one produce future fails, commit would succeed"
    PRODUCE_LOST = "one produce request lost, never answered"
    PRODUCE_LATE = "produce request overtaken, arrives late"
    FENCED = "somebody else takes the transactional id"
    COMMIT_REFUSED = "commit raises before it is sent"
    COMMIT_LOST = "commit request lost, never answered"
    COMMIT_LATE = "commit request arrives late, its caller saw an exception"
    REPLY_ERROR = "committed, but the caller sees an exception"
    REPLY_LOST = "committed, but never answered"
    STORE_READ = "store cannot be read"
    STORE_WRITE = "disk full"
    STORE_OPEN = "store cannot be opened"
    STORE_LOST = "store lost under its handle"
    DUPLICATE = "batch delivered twice"
    HOLE = "batch never delivered"


#: What may strike at any point of a processor's task.
ANYWHERE: Final = (
    Kind.CRASH,
    *[Kind.STOP] * 3,
    Kind.SHUT_DOWN,
    Kind.DEAF,
    Kind.CANCEL,
    Kind.ERROR,
    *[Kind.REBALANCE] * 2,
    Kind.WORKER_CLOCK,
    Kind.BROKER_CLOCK,
)
#: What else may strike at one point only.
ONLY_AT: Final[dict[Point, tuple[Kind, ...]]] = {
    Point.TAKE: (Kind.DISASTER,),
    Point.DECIDE: (Kind.STORE_READ, Kind.STORE_READ),
    Point.WRITE: (
        Kind.PRODUCE_REFUSED,
        Kind.PRODUCE_PARTIAL,
        Kind.PRODUCE_FAILED,
        Kind.PRODUCE_LOST,
        Kind.PRODUCE_LATE,
        Kind.FENCED,
    ),
    Point.COMMIT: (Kind.COMMIT_REFUSED, Kind.COMMIT_LOST, Kind.COMMIT_LATE, Kind.REPLY_ERROR, Kind.REPLY_LOST),
    Point.PERSIST: (Kind.STORE_WRITE, Kind.STORE_LOST),
    Point.OPEN: (Kind.STORE_OPEN,),
    Point.DELIVER: (Kind.DUPLICATE, Kind.HOLE),
}
#: Points that are not in a processor's task.
_NOT_ANYWHERE: Final = (Point.OPEN, Point.DELIVER)
#: Occurrences of a point among which a fault picks the one it strikes at.
_WITHIN: Final = {Point.TAKE: 25, Point.DELIVER: 20} | dict.fromkeys(RESTORE, 5)


class Planned(NamedTuple):
    """A fault and the occurrence of its point, counted from 1 over all workers, at which it strikes."""

    point: Point
    nth: int
    kind: Kind


def plan(rng: random.Random, most: int, kinds: Iterable[Kind] | None = None) -> list[Planned]:
    """Faults of one run: up to `most`, of any kind or of some `kinds` only."""
    allowed = None if kinds is None else frozenset(kinds)
    planned: dict[tuple[Point, int], Planned] = {}
    for _ in range(rng.randint(min(2, most), most)):
        point = rng.choice(STEPS) if rng.random() < 0.75 else rng.choice((*RESTORE, Point.DELIVER))
        choices = _at(point, rng) if allowed is None else tuple(kind for kind in _all_at(point) if kind in allowed)
        if not choices:
            continue
        nth = rng.randint(1, _WITHIN.get(point, 12))
        planned[point, nth] = Planned(point, nth, rng.choice(choices))
    return list(planned.values())


def _all_at(point: Point) -> tuple[Kind, ...]:
    only = ONLY_AT.get(point, ())
    return only if point in _NOT_ANYWHERE else (*only, *ANYWHERE)


def _at(point: Point, rng: random.Random) -> tuple[Kind, ...]:
    """What may strike at a point: a crash in a third of the cases."""
    chance = rng.random()
    if point in _NOT_ANYWHERE:
        return ONLY_AT[point]
    if chance < 0.3:
        return (Kind.CRASH,)
    return ONLY_AT.get(point, ANYWHERE) if chance < 0.65 else ANYWHERE


class Injector:
    """Counts the points that are reached and says what strikes there."""

    def __init__(self, planned: list[Planned]):
        self._planned = {(fault.point, fault.nth): fault.kind for fault in planned}
        self._reached: Counter[Point] = Counter()
        self.struck: Counter[tuple[Point, Kind]] = Counter()
        self.enabled = True

    def reach(self, point: Point) -> Kind | None:
        """What strikes at this occurrence of `point`."""
        if not self.enabled:
            return None
        self._reached[point] += 1
        kind = self._planned.get((point, self._reached[point]))
        if kind is not None:
            self.struck[point, kind] += 1
        return kind
