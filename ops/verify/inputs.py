"""What became of every input record of one partition: exactly one event each, and nothing made up.

The ledger takes each input in the order of its offsets, so that events and records are two sorted lists to be
merged. Neither has to be in memory as a whole: what one is ahead of the other waits here.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Final

from msgspec import UNSET

from ops.verify.answered import SAYS_WHAT_WAS_ASKED, read_told, why_not_asked, why_not_request
from ops.verify.chain import Span
from ops.verify.event_keys import is_of_record, said
from ops.verify.findings import Check, Here
from ops.verify.forwards import Forwards
from schemas.clock import rfc3339
from schemas.events import REQUEST_FORWARDED, Cause, LedgerEvent
from schemas.internal import ForwardedRecord
from schemas.topics import INPUTS, INTERNAL_COMMANDS

#: Offset that an event names, the event where it says what the record asked for, of a replay its `first`, and whether
#: the partition's time has gone on with it.
_Answered = tuple[int, LedgerEvent | None, int | None, bool]
#: Offset, value and key of a record, and when the broker has kept it, in Unix milliseconds; None where it does not say.
_Held = tuple[int, bytes | None, bytes | None, int | None]


_RANKS: Final = {topic: rank for rank, topic in enumerate(INPUTS)}


class _Trail:
    """One input topic: what events name and what the topic holds, as far as they are not merged yet."""

    __slots__ = ("causes", "end", "first_in_batch", "keys", "last", "records", "retained_from", "to")

    def __init__(self, retained_from: int):
        self.retained_from = retained_from
        self.causes: deque[_Answered] = deque()
        #: Offset that an event names -> its key, where that has to be the record's.
        self.keys: dict[int, bytes | None] = {}
        #: Offsets, values and keys that the topic holds.
        self.records: deque[_Held] = deque()
        self.last = -1
        #: Where the topic ends; None where that is not known.
        self.end: int | None = None
        self.first_in_batch: int | None = None
        #: Position that the last seal reached.
        self.to = 0


class Inputs:
    """Merges one partition's events with its input records.

    Args:
        here: where findings are reported.
        forwards: what is told of the bytes that are forwarded.
        retained_from: for each input topic that is read, the first offset that it still holds. Records before
            it cannot be compared; topics that are missing are not compared at all.
    """

    def __init__(self, here: Here, forwards: Forwards, retained_from: Mapping[str, int]):
        self._here = here
        self._forwards = forwards
        never = 2**63
        self._trails = {topic: _Trail(retained_from.get(topic, never)) for topic in INPUTS}
        self._is_read = set(retained_from)
        self._any_seal = False
        #: Number of the input that the batch has come to.
        self._rank = 0
        #: What the last record's own event names, and its time.
        self._last: Cause | None = None
        self._time = ""
        #: Time of what was due ahead of the next record: it has the record's.
        self._time_ahead: str | None = None
        #: The last time of the broker that was compared, in both forms.
        self._compared_ms, self._compared = -1, ""
        self._unanchored = False
        self.records = 0
        #: Records that the ledger has not decided yet.
        self.unread = 0

    def begin_anywhere(self) -> None:
        """The log's beginning was deleted: take the first seal's positions for granted."""
        self._unanchored = True

    def end_at(self, topic: str, offset: int) -> None:
        """An input ends here, as of a time at which all that is read of the event log was written."""
        self._trails[topic].end = offset

    def kept_under(self, cause: Cause, key: bytes | None) -> None:
        """The event that follows is kept under this key, which has to be that of the record that it names."""
        trail = self._trails.get(cause.topic)
        if trail is None or cause.partition != self._here.partition:
            return
        if cause.offset > trail.last and cause.offset >= trail.retained_from:
            trail.keys[cause.offset] = key

    def event(self, event: LedgerEvent, is_follow_up: bool, first: int | None) -> None:
        """The next event of the log; a follow-up of a release shares the cause of the event before it.

        `first` is what `Keys.event` says of a replay.
        """
        cause = event.cause
        trail = None if cause is None else self._trails.get(cause.topic)
        if cause is None or trail is None:
            self._here.report(Check.NO_SUCH_INPUT, "the event names no record of an input as its cause")
            return
        if cause.partition != self._here.partition:
            self._here.report(
                Check.NO_SUCH_INPUT, f"the event's cause is in partition {cause.partition} of {cause.topic}"
            )
            return
        offset = cause.offset
        self._last = cause
        if (rank := _RANKS[cause.topic]) < self._rank:
            self._here.report(Check.ORDER_WRONG, f"{cause.topic} comes before {INPUTS[self._rank]} in a batch")
        self._rank = rank
        has_gone_on = self._pass_time(event)
        if offset <= trail.last:
            if not is_follow_up:
                self._answered_again(cause, trail)
            elif has_gone_on:
                self._here.report(Check.TIME_WRONG, f"{event.recorded_at} is later than the record that led to it")
            return
        trail.last = offset
        if trail.first_in_batch is None:
            trail.first_in_batch = offset
        if offset >= trail.retained_from:
            trail.causes.append((offset, event if event.type in SAYS_WHAT_WAS_ASKED else None, first, has_gone_on))
        elif event.request is not UNSET:
            self._compare_header(event)

    def own(self, event: LedgerEvent) -> None:
        """Something that the ledger does of its own, behind a record's event or, where time is up, ahead of one."""
        cause, last = event.cause, self._last
        if cause is None or cause.topic not in self._trails or cause.partition != self._here.partition:
            self._here.report(Check.NO_SUCH_INPUT, "the event names no record of an input of its partition")
        elif last is None or (cause.topic, cause.offset) != (last.topic, last.offset) or cause.origin != last.origin:
            if event.command not in ("expire", "execute"):
                self._here.report(Check.MOVE_UNFOUNDED, f"{event.command} does not follow the record that it names")
            self._time_ahead = event.recorded_at
        elif event.recorded_at != self._time:
            self._here.report(Check.TIME_WRONG, f"{event.recorded_at} is later than the record that led to it")

    def _pass_time(self, event: LedgerEvent) -> bool:
        """The event of a record, or of a parked one; True where partition time is later since."""
        before, self._time, ahead, self._time_ahead = self._time, event.recorded_at, self._time_ahead, None
        if ahead is not None and ahead != event.recorded_at:
            sentence = f"{event.recorded_at} is later than what was due ahead of the record, at {ahead}"
            self._here.report(Check.TIME_WRONG, sentence)
        return event.recorded_at != before and not (self._unanchored and not before)

    def _answered_again(self, cause: Cause, trail: _Trail) -> None:
        self._here.report(
            Check.OFFSET_ANSWERED_TWICE,
            f"{cause.topic} offset {cause.offset} was passed already: the log stands at {trail.last}",
        )

    def seal(self, spans: Mapping[str, Span]) -> None:
        """The seal behind the events: its spans join those before, and cover what the events name."""
        here = self._here
        for topic, trail in self._trails.items():
            span = spans.get(topic)
            if span is None:
                if trail.to or trail.first_in_batch is not None:
                    here.report(Check.SPAN_GAP, f"the seal does not name {topic}, which stood at {trail.to}")
                continue
            if span.from_ != trail.to and not (self._unanchored and not self._any_seal):
                here.report(Check.SPAN_GAP, f"{topic} is taken from {span.from_}, but stood at {trail.to}")
            if span.to < span.from_:
                here.report(Check.SPAN_GAP, f"{topic} goes back from {span.from_} to {span.to}")
            first = trail.first_in_batch
            if first is not None and not span.from_ <= first <= trail.last < span.to:
                here.report(
                    Check.OUTSIDE_SPAN,
                    f"events answer {topic} offsets {first} to {trail.last}, the seal covers {span.from_} to {span.to}",
                )
            trail.to = max(trail.to, span.to)
            trail.first_in_batch = None
        self._any_seal = True
        self._rank = 0

    def take(self, topic: str, records: Sequence[_Held]) -> None:
        """More records of an input, offsets, values and keys, in the order of their offsets."""
        trail = self._trails[topic]
        self.records += len(records)
        trail.records.extend(records)
        self._merge(topic, trail)

    def is_behind(self, topic: str) -> bool:
        """True where events wait for records of this input to be compared with."""
        trail = self._trails[topic]
        self._merge(topic, trail)
        return bool(trail.causes)

    def position(self, topic: str) -> int | None:
        """How far the ledger has read an input, None for what is no input."""
        trail = self._trails.get(topic)
        return None if trail is None else trail.to

    def finish(self) -> None:
        """Both the log and the inputs have been read to their ends."""
        for topic, trail in self._trails.items():
            self._merge(topic, trail)
            if topic in self._is_read:
                for offset, _, _, _ in trail.causes:
                    self._no_such_input(topic, offset)
                self._compare_bounds(topic, trail)
            for offset, _, _, _ in trail.records:
                if offset < trail.to:
                    self._left_out(topic, offset)
                else:
                    self.unread += 1

    def _compare_bounds(self, topic: str, trail: _Trail) -> None:
        if trail.retained_from > trail.to and (self._any_seal or not self._unanchored):
            sentence = (
                f"it begins at {trail.retained_from}, but the ledger has read only up to {trail.to}: "
                f"{trail.retained_from - trail.to} offsets were deleted unread"
            )
            self._here.report_at(Check.INPUT_BOUNDS, sentence, topic, None)
        if trail.end is not None and trail.end < trail.to:
            sentence = (
                f"it ends at {trail.end}, but the ledger has read up to {trail.to}: it was recreated or truncated"
            )
            self._here.report_at(Check.INPUT_BOUNDS, sentence, topic, None)

    def _merge(self, topic: str, trail: _Trail) -> None:
        causes, records = trail.causes, trail.records
        while causes and records:
            cause, event, first, has_gone_on = causes[0]
            offset, value, key, kept_ms = records[0]
            if cause == offset:
                causes.popleft()
                records.popleft()
                if trail.keys and offset in trail.keys:
                    self._compare_key(trail.keys.pop(offset), key, topic, offset)
                if event is not None:
                    self._compare(event, first, topic, offset, value or b"")
                    if kept_ms is not None:
                        self._compare_time(event, has_gone_on, kept_ms, topic, offset)
            elif cause < offset:
                causes.popleft()
                self._no_such_input(topic, cause)
            else:
                records.popleft()
                self._left_out(topic, offset)

    def _compare(self, event: LedgerEvent, first: int | None, topic: str, offset: int, value: bytes) -> None:
        why = why_not_asked(event, first, topic, value)
        if why:
            self._here.report_at(Check.NOT_AS_ASKED, why, topic, offset)
        if event.type == REQUEST_FORWARDED:
            self._forwards.value((topic, self._here.partition, offset), value, self._here, topic, offset)
        elif topic == INTERNAL_COMMANDS:
            self._arrived(offset, value)

    def _compare_time(self, event: LedgerEvent, has_gone_on: bool, kept_ms: int, topic: str, offset: int) -> None:
        """A record's event is of when the broker has kept the record, or of the time before where that is later."""
        if kept_ms != self._compared_ms:
            self._compared_ms, self._compared = kept_ms, _time(kept_ms)
        kept, said = self._compared, event.recorded_at
        if kept > said or (has_gone_on and kept != said):
            sentence = f"its event says {said}, the broker has kept it at {kept}"
            self._here.report_at(Check.TIME_WRONG, sentence, topic, offset)

    def _compare_key(self, key: bytes | None, record_key: bytes | None, topic: str, offset: int) -> None:
        if not is_of_record(key, record_key):
            why = f"its event is kept under {said(key)}, which is neither its wallet nor its own key"
            self._here.report_at(Check.WRONG_KEY, why, topic, offset)

    def _arrived(self, offset: int, value: bytes) -> None:
        told = read_told(value)
        if isinstance(told, ForwardedRecord):
            source = (told.source.topic, told.source.partition, told.source.offset)
            self._forwards.value(source, told.value.encode(), self._here, INTERNAL_COMMANDS, offset)

    def _compare_header(self, event: LedgerEvent) -> None:
        """The input is not kept any more: the event against the request that it keeps itself."""
        why = why_not_request(event)
        if why:
            self._here.report(Check.NOT_AS_ASKED, why)

    def _left_out(self, topic: str, offset: int) -> None:
        self._here.report_at(
            Check.OFFSET_LEFT_OUT, "the ledger has passed this record, but no event answers it", topic, offset
        )

    def _no_such_input(self, topic: str, offset: int) -> None:
        self._here.report_at(
            Check.NO_SUCH_INPUT, "an event answers this offset, where there is no record", topic, offset
        )


def _time(unix_ms: int) -> str:
    try:
        return rfc3339(unix_ms)
    except (OverflowError, ValueError):
        return f"{unix_ms} ms"
