"""What can go wrong, where, and a seeded plan of it."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, NamedTuple

from tests.simulation import error_classes


class Point(StrEnum):
    """Where faults strike: the numbered steps of the commit, the parts of a restore, the delivery of inputs."""

    TAKE = "1 take"
    DECIDE = "2 decide"
    WRITE = "3 write"
    COMMIT = "4 commit"
    PERSIST = "5 persist"
    ACKNOWLEDGE = "6 acknowledge"
    STOP = "discard: stop producer"
    FENCE = "restore: fence"
    PROVE = "restore: prove"
    OPEN = "restore: open"
    COMPARE = "restore: compare"
    READ = "restore: read"
    CLOSE = "restore: close reader"
    SEEK = "restore: seek"
    DELIVER = "input: deliver"


STEPS: Final = (Point.TAKE, Point.DECIDE, Point.WRITE, Point.COMMIT, Point.PERSIST, Point.ACKNOWLEDGE)
RESTORE: Final = (
    Point.STOP,
    Point.FENCE,
    Point.PROVE,
    Point.OPEN,
    Point.COMPARE,
    Point.READ,
    Point.CLOSE,
    Point.SEEK,
)


class Kind(StrEnum):
    """What goes wrong."""

    CRASH = "kill -9"
    STOP = "process stopped, goes on later"
    DEAF = "cut off from the group coordinator only"
    SHUT_DOWN = "SIGTERM"
    CANCEL = "task cancelled"
    ERROR = "exception"
    REBALANCE = "rebalance away and perhaps back"
    INTRUDER = "somebody else has a transaction open on an input or the event log"
    DISASTER = "cluster restored from older disks"
    WORKER_CLOCK = "worker clock leaps"
    BROKER_CLOCK = "broker clock leaps"
    PRODUCE_REFUSED = "produce raises before anything is sent"
    PRODUCE_PARTIAL = "some records sent, then an exception"
    PRODUCE_FAILED = "one produce future fails, commit would succeed"
    PRODUCE_NOWHERE = "produce answered, but not where the records are"
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
    GROUP_COMMIT = "group does not take the positions"
    STOP_HANGS = "producer never stops"
    CLOSE_SLOW = "rebalance while the reader closes slowly"
    SEEK_SLOW = "seek takes seconds"
    SEEK_STALE = "seek back after a hole overtaken by a restore"
    DUPLICATE = "batch delivered twice"
    HOLE = "batch never delivered"
    REPEATED = "internal command written once more"


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
    Point.TAKE: (Kind.DISASTER, Kind.INTRUDER),
    Point.DECIDE: (Kind.STORE_READ, Kind.STORE_READ),
    Point.WRITE: (
        Kind.PRODUCE_REFUSED,
        Kind.PRODUCE_PARTIAL,
        Kind.PRODUCE_FAILED,
        Kind.PRODUCE_NOWHERE,
        Kind.PRODUCE_LOST,
        Kind.PRODUCE_LATE,
        Kind.FENCED,
    ),
    Point.COMMIT: (Kind.COMMIT_REFUSED, Kind.COMMIT_LOST, Kind.COMMIT_LATE, Kind.REPLY_ERROR, Kind.REPLY_LOST),
    Point.PERSIST: (Kind.STORE_WRITE, Kind.STORE_LOST),
    Point.ACKNOWLEDGE: (Kind.GROUP_COMMIT,),
    Point.STOP: (Kind.ERROR, Kind.STOP_HANGS),
    Point.OPEN: (Kind.STORE_OPEN,),
    Point.CLOSE: (Kind.CLOSE_SLOW, Kind.CLOSE_SLOW, Kind.ERROR),
    Point.SEEK: (Kind.SEEK_SLOW,),
    Point.DELIVER: (Kind.DUPLICATE, Kind.HOLE, Kind.SEEK_STALE, Kind.REPEATED),
}
#: Points that are not in a processor's task.
_NOT_ANYWHERE: Final = (Point.OPEN, Point.DELIVER)
#: Occurrences of a point among which a fault picks the one it strikes at.
_WITHIN: Final = {Point.TAKE: 25, Point.DELIVER: 20} | dict.fromkeys(RESTORE, 5)

#: The classes of errors that are raised, by kind of fault.
_RAISES: Final[dict[Kind, tuple[str, ...]]] = {
    Kind.ERROR: error_classes.PORTS,
    Kind.PRODUCE_REFUSED: error_classes.PRODUCER,
    Kind.PRODUCE_PARTIAL: error_classes.PRODUCER,
    Kind.PRODUCE_FAILED: (*error_classes.PRODUCER, *error_classes.TOO_LARGE),
    Kind.PRODUCE_LATE: error_classes.PRODUCER,
    Kind.COMMIT_REFUSED: error_classes.PRODUCER,
    Kind.COMMIT_LATE: error_classes.PRODUCER,
    Kind.REPLY_ERROR: error_classes.PRODUCER,
    Kind.STORE_READ: error_classes.STORE_READ,
    Kind.STORE_WRITE: error_classes.STORE,
    Kind.STORE_OPEN: error_classes.STORE,
    Kind.GROUP_COMMIT: error_classes.PORTS,
    Kind.SEEK_STALE: error_classes.PORTS,
}


class Planned(NamedTuple):
    """A fault and the occurrence of its point, counted from 1 over all workers, at which it strikes."""

    point: Point
    nth: int
    kind: Kind
    #: Class of the error that is raised, where one is.
    error: str = "KafkaConnectionError"


def _errors_of(point: Point, kind: Kind) -> tuple[str, ...]:
    return error_classes.FENCE if kind is Kind.ERROR and point is Point.FENCE else _RAISES.get(kind, ())


def _ways_of(point: Point) -> dict[str, tuple[Kind, ...]]:
    """The classes of errors that a step raises, each with the kinds of faults that raise it there."""
    own = [kind for kind in ONLY_AT[point] if kind in _RAISES]
    # Before a producer has sent something an error means little: at steps 3 and 4 it comes from the producer itself.
    kinds = dict.fromkeys(own if point in (Point.WRITE, Point.COMMIT) else [Kind.ERROR, *own])
    names = dict.fromkeys(name for kind in kinds for name in _RAISES[kind])
    return {name: tuple(kind for kind in kinds if name in _RAISES[kind]) for name in names}


#: Each commit step with each class of errors that it can raise, and the kinds of faults that raise it.
ERRORS: Final[dict[tuple[Point, str], tuple[Kind, ...]]] = {
    (step, name): kinds for step in STEPS for name, kinds in _ways_of(step).items()
}
#: Those that strike more rarely than others are drawn more often: the broker refuses no batch of a single record.
_DRAWN: Final = [cell for cell in ERRORS for _ in range(3 if cell[1] in error_classes.TOO_LARGE else 1)]


def plan(rng: random.Random, most: int, kinds: Iterable[Kind] | None = None) -> list[Planned]:
    """Faults of one run: up to `most` of any kind and an error of some class, or of some `kinds` only."""
    allowed = None if kinds is None else frozenset(kinds)
    planned: dict[tuple[Point, int], Planned] = {}
    for _ in range(rng.randint(min(2, most), most)):
        point = rng.choice(STEPS) if rng.random() < 0.7 else rng.choice((*RESTORE, *[Point.DELIVER] * 3))
        choices = _at(point, rng) if allowed is None else tuple(kind for kind in _all_at(point) if kind in allowed)
        if not choices:
            continue
        nth = rng.randint(1, _WITHIN.get(point, 12))
        kind = rng.choice(choices)
        planned[point, nth] = Planned(point, nth, kind, *_drawn_error(rng, _errors_of(point, kind)))
    if most and allowed is None:
        point, error = rng.choice(_DRAWN)
        nth = rng.randint(1, 8)
        planned[point, nth] = Planned(point, nth, rng.choice(ERRORS[point, error]), error)
    return list(planned.values())


def _drawn_error(rng: random.Random, errors: tuple[str, ...]) -> tuple[str, ...]:
    return (rng.choice(errors),) if errors else ()


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


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault that strikes."""

    point: Point
    kind: Kind
    error: str = "KafkaConnectionError"
    _raised: Counter[tuple[Point, str]] = field(default_factory=Counter)

    def exception(self) -> BaseException:
        """The error that the fault raises; counted, so ask only to raise it."""
        self._raised[self.point, self.error] += 1
        return error_classes.make(self.error, self.point)


class Injector:
    """Counts the points that are reached and says what strikes there."""

    def __init__(self, planned: list[Planned]):
        self._planned = {(fault.point, fault.nth): fault for fault in planned}
        self._reached: Counter[Point] = Counter()
        self.struck: Counter[tuple[Point, Kind]] = Counter()
        #: Errors raised, by point and class.
        self.raised: Counter[tuple[Point, str]] = Counter()
        self.enabled = True

    def reach(self, point: Point) -> Fault | None:
        """What strikes at this occurrence of `point`."""
        if not self.enabled:
            return None
        self._reached[point] += 1
        planned = self._planned.get((point, self._reached[point]))
        if planned is None:
            return None
        self.struck[point, planned.kind] += 1
        return Fault(point, planned.kind, planned.error, self.raised)
