"""Answers: each command record has exactly one, each later change of a transaction one update, as the events say.

Outcomes are compared with events in whatever order they are read; what has no partner yet waits here.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, Final, Generic, TypeVar

import msgspec

from ops.verify.findings import Check, Here
from ops.verify.names import why_not_read_alike
from schemas.events import REQUEST_FORWARDED, REQUEST_PARKED, REQUEST_REPLAYED, AccountBalance, LedgerEvent
from schemas.outcomes import Outcome, decode_outcome, encode_outcome
from schemas.topics import INTERNAL_COMMANDS, TRANSACTION_OUTCOMES

#: An answer by its source (topic, partition, offset); an update by (transaction id, state, -1).
Key = tuple[str, Any, int]
T = TypeVar("T")
_HASH_MASK: Final = (1 << 64) - 1
_KINDS: Final = frozenset({"answer", "update"})


class Waiting(Generic[T]):
    """What has no partner yet, first come first served: several updates of a transaction may have the same state."""

    def __init__(self) -> None:
        #: Of each key the one that waits longest.
        self.first: dict[Key, T] = {}
        #: Of each key the others, in order.
        self.more: dict[Key, deque[T]] = {}

    def put(self, key: Key, item: T) -> bool:
        """Let one wait; False where another one waits already."""
        if self.first.setdefault(key, item) is item:
            return True
        self.more.setdefault(key, deque()).append(item)
        return False

    def take(self, key: Key) -> T | None:
        """The one that waits longest; None where none does."""
        item = self.first.pop(key, None)
        if item is not None and self.more:
            more = self.more.get(key)
            if more:
                self.first[key] = more.popleft()
        return item

    def __bool__(self) -> bool:
        return bool(self.first)

    def __iter__(self) -> Iterator[tuple[Key, T]]:
        yield from self.first.items()
        for key, items in self.more.items():
            yield from ((key, item) for item in items)


class Answers:
    """Pairs the events and the outcomes of one partition."""

    def __init__(self, here: Here):
        self._here = here
        #: Event, its offset, `first`, and the number of the record that led to it.
        self._expected = Waiting[tuple[LedgerEvent, int | None, int | None, int]]()
        self._unasked = Waiting[tuple[Outcome, int]]()
        #: The first outcome that is still there; events before it are not compared.
        self._first: Key | None = None
        self._is_compared = True
        self._last_paired_offset = -1
        #: Number of the record that leads to the event that is read, where it stands, and of the last one paired.
        self._record, self._place, self._last_paired_record = 0, ("", -1), 0
        self.outcomes = 0

    def begin_at(self, value: bytes | None) -> None:
        """The first outcomes are past their retention: compare from the event of this outcome on, or not at all."""
        self._is_compared = False
        if value is not None:
            try:
                self._first = _key_of(decode_outcome(value))
            except msgspec.DecodeError:
                self._is_compared = True

    def event(self, event: LedgerEvent, *, is_own: bool, first: int | None = None) -> None:
        """The next event: expect the answer or the update that it calls for; `is_own` as in `Transactions.event`.

        `first` is the hash of the answer that a replay says again, as far as it is known.
        """
        cause = event.cause
        if cause is not None and (place := (cause.topic, cause.offset)) != self._place:
            self._place = place
            self._record += 1
        if event.from_state is not None and event.leg is None:
            self._expect((event.transaction_id or "", event.to_state, -1), event)
        if cause is None or is_own:
            return  # what the ledger does of its own answers nobody
        if event.type == REQUEST_PARKED:
            return  # answered when it is executed
        origin = cause.origin
        if origin is not None and origin.topic == INTERNAL_COMMANDS:
            return
        if origin is not None:
            self._expect((origin.topic, origin.partition, origin.offset), event, first)
        elif cause.topic != INTERNAL_COMMANDS and event.type != REQUEST_FORWARDED:
            self._expect((cause.topic, cause.partition, cause.offset), event, first)

    def _expect(self, key: Key, event: LedgerEvent, first: int | None = None) -> None:
        if not self._is_compared:
            if key != self._first:
                return
            self._is_compared = True
        found = self._unasked.take(key) if self._unasked.first else None
        if found is None:
            self._expected.put(key, (event, self._here.offset, first, self._record))
        else:
            self._pair(event, first, self._record, *found)

    def take(self, offset: int, value: bytes | None) -> None:
        """The next outcome."""
        try:
            outcome = decode_outcome(value or b"")
        except msgspec.DecodeError as error:
            self._report(Check.UNDECODABLE, f"no outcome: {error}", offset)
            return
        self.outcomes += 1
        if (read := encode_outcome(outcome)) != value and (why := why_not_read_alike(value or b"", read)):
            self._report(Check.UNKNOWN_FIELD, why, offset)
        if outcome.kind not in _KINDS:
            self._report(Check.UNDECODABLE, f"{outcome.kind!r} is no kind of an outcome", offset)
        key = _key_of(outcome)
        waiting = self._expected
        expected = waiting.take(key) if waiting.more else waiting.first.pop(key, None)
        if expected is not None:
            self._pair(expected[0], expected[2], expected[3], outcome, offset)
        elif not self._unasked.put(key, (outcome, offset)) and key[2] >= 0:
            self._report(Check.ANSWER_TWICE, f"{_name(key)} is answered a second time", offset)

    @property
    def is_behind(self) -> bool:
        """True where events wait for their outcomes."""
        return bool(self._expected)

    @property
    def is_ahead(self) -> bool:
        """True where outcomes wait for their events."""
        return bool(self._unasked)

    def finish(self, has_grown: bool, position: Callable[[str], int | None]) -> None:
        """The log and the outcomes have been read. `position` says how far the ledger has read an input here.

        Where the log has grown since, outcomes behind the last one that was paired belong to events that were
        written while this was read.
        """
        for key, (event, event_offset, _, _) in self._expected:
            self._here.report_at(
                Check.ANSWER_MISSING,
                f"{event.type} of wallet {event.wallet_id}: {_name(key)} has no outcome",
                "ledger-events",
                event_offset,
                event.sequence,
            )
        for key, (outcome, offset) in self._unasked:
            read_up_to = position(key[0]) if key[1] == self._here.partition else None
            if read_up_to is not None and key[2] < read_up_to:
                self._report(Check.ANSWER_TWICE, f"{_name(key)} is answered again, or without an event", offset)
            elif not has_grown or offset < self._last_paired_offset:
                self._report(
                    Check.ANSWER_UNFOUNDED, f"{outcome.code} answers {_name(key)}, but no event says so", offset
                )

    def _pair(self, event: LedgerEvent, first: int | None, record: int, outcome: Outcome, offset: int) -> None:
        # Both are read in order, so that pairs are found in the order that both have, or there is none.
        if offset > self._last_paired_offset:
            self._last_paired_offset = offset
        elif record != self._last_paired_record:
            self._report(Check.ORDER_WRONG, f"event {event.sequence} comes behind one with a later outcome", offset)
        if record < self._last_paired_record:
            self._report(Check.ORDER_WRONG, f"event {event.sequence} comes before one with an earlier outcome", offset)
        self._last_paired_record = max(record, self._last_paired_record)
        code = event.code or "ok"
        status = "accepted" if code == "ok" else "rejected"
        is_replay = event.type == REQUEST_REPLAYED
        if (
            outcome.code != code
            or outcome.transaction_id != event.transaction_id
            or outcome.wallet_id != event.wallet_id
            or outcome.replayed is not is_replay
            or outcome.status != status
            or outcome.operation != (event.operation if outcome.kind == "update" else event.command or event.operation)
        ):
            operation = event.operation if outcome.kind == "update" else event.command or event.operation
            said = (code, event.transaction_id, event.wallet_id, is_replay, status, operation)
            own = (outcome.code, outcome.transaction_id, outcome.wallet_id, outcome.replayed, outcome.status)
            heard = (*own, outcome.operation)
            self._differs(said, heard, event, offset)
        elif not is_replay and (outcome.state != event.to_state or outcome.balances != _own(event)):
            self._differs((event.to_state, _own(event)), (outcome.state, outcome.balances), event, offset)
        elif not is_replay and (
            outcome.recorded_at != event.recorded_at
            or outcome.message != event.message
            or outcome.field != event.field
            or outcome.limit != event.limit
        ):
            said_why = event.recorded_at, event.message, event.field, event.limit
            heard_why = outcome.recorded_at, outcome.message, outcome.field, outcome.limit
            self._differs(said_why, heard_why, event, offset)
        elif first is not None and _hash_of_replay(outcome) != first:
            sentence = f"event {event.sequence} replays an answer, and the outcome is not as the first one was"
            self._report(Check.ANSWER_DIFFERS, sentence, offset)
        elif outcome.kind == "answer":
            self._pair_identity(event, outcome, offset)

    def _pair_identity(self, event: LedgerEvent, outcome: Outcome, offset: int) -> None:
        cause = event.cause
        if cause is None:
            return
        if outcome.request_id != cause.request_id or outcome.idempotency_key != cause.idempotency_key:
            said = (cause.request_id, cause.idempotency_key)
            self._differs(said, (outcome.request_id, outcome.idempotency_key), event, offset)

    def _differs(self, said: object, heard: object, event: LedgerEvent, offset: int) -> None:
        self._report(Check.ANSWER_DIFFERS, f"the outcome says {heard}, event {event.sequence} says {said}", offset)

    def _report(self, check: Check, sentence: str, offset: int) -> None:
        self._here.report_at(check, sentence, TRANSACTION_OUTCOMES, offset)


def hash_of_answer(event: LedgerEvent) -> int:
    """64 bits of all that the first answer to a command says, which each replay says again."""
    said = event.transaction_id, event.to_state, _own(event), event.message, event.field, event.limit
    return hash((*said, event.recorded_at)) & _HASH_MASK


def _hash_of_replay(outcome: Outcome) -> int:
    said = outcome.transaction_id, outcome.state, outcome.balances, outcome.message, outcome.field, outcome.limit
    return hash((*said, outcome.recorded_at)) & _HASH_MASK


def _own(event: LedgerEvent) -> tuple[AccountBalance, ...]:
    """Balances of the requester's own accounts: what an answer may show."""
    balances = event.balances
    if not balances:
        return balances
    prefix = f"{event.wallet_id}/"
    if len(balances) == 2:  # nearly always
        one, other = balances
        if not one.account.startswith(prefix):
            return (other,) if other.account.startswith(prefix) else ()
        return balances if other.account.startswith(prefix) else (one,)
    return tuple([balance for balance in balances if balance.account.startswith(prefix)])


def _key_of(outcome: Outcome) -> Key:
    if outcome.kind == "update":
        return (outcome.transaction_id or "", outcome.state, -1)
    source = outcome.source
    return (source.topic, source.partition, source.offset)


def _name(key: Key) -> str:
    if key[2] < 0:
        return f"the move of transaction {key[0]} to {key[1]}"
    return f"{key[0]}/{key[1]} offset {key[2]}"
