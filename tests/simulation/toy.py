"""A small machine to drive the runtime with: counters, moves between partitions, reminders.

It needs all that a machine may use: a plain and a bucketed table, messages to other partitions with an answer and a
compensation, deduplication by id, ticks, bugs, results that are too large, records that mean nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from streams.machine import Context, InputRecord, Message, Output
from streams.overlay import Overlay
from streams.tables import Table

REQUESTS: Final = "requests"
INTERNAL: Final = "internal"
EVENTS: Final = "events"
OUTCOMES: Final = "outcomes"
TOTALS: Final = "totals"

#: Idempotency keys are kept so long, in milliseconds of partition time.
RETAINED_MS: Final = 3_600_000
LARGE_BYTES: Final = 4_096
#: Money comes from here and waits here between two partitions.
WORLD: Final = "world"
TRANSIT: Final = "transit"


class Request(msgspec.Struct, omit_defaults=True):
    """What may be asked: `add`, `move`, `remind`, `boom` (makes the machine raise) or `large`."""

    id: str
    operation: str
    account: str
    amount: int = 0
    to: str = ""
    to_partition: int = -1
    after_ms: int = 0


class Leg(msgspec.Struct, tag_field="kind", tag="leg"):
    """Credit `account`, on behalf of a move in partition `back`."""

    id: str
    account: str
    amount: int
    back: int


class Reply(msgspec.Struct, tag_field="kind", tag="reply"):
    """What became of a leg."""

    id: str
    accepted: bool


class Tick(msgspec.Struct, tag_field="kind", tag="tick"):
    """Let time pass."""

    due_at_ms: int


class Event(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One event: what happened, because of which record, and what it changed."""

    sequence: int = -1
    type: str
    topic: str
    offset: int
    id: str = ""
    code: str = ""
    changes: tuple[tuple[str, int], ...] = ()
    opens: tuple[str, int] | None = None
    closes: str = ""
    due: tuple[int, str] | None = None
    fired: tuple[str, ...] = ()
    at_ms: int


class Answer(msgspec.Struct):
    """The outcome of a request."""

    id: str
    code: str
    replayed: bool = False


_pack: Final = msgspec.msgpack.Encoder().encode
COUNTERS: Final = Table[int]("counters", _pack, msgspec.msgpack.Decoder(int).decode)
OPEN: Final = Table[tuple[str, int]]("open", _pack, msgspec.msgpack.Decoder(tuple[str, int]).decode)
DUE: Final = Table[int]("due", _pack, msgspec.msgpack.Decoder(int).decode, cached=False)
KEYS: Final = Table[str](
    "keys",
    _pack,
    msgspec.msgpack.Decoder(str).decode,
    bucket_ms=RETAINED_MS // 4,
    retained_ms=RETAINED_MS,
)

_json: Final = msgspec.json.Encoder().encode
_request: Final = msgspec.json.Decoder(Request).decode
_internal: Final = msgspec.json.Decoder(Leg | Reply | Tick).decode
decode_event: Final = msgspec.json.Decoder(Event).decode
encode_request: Final = _json
decode_answer: Final = msgspec.json.Decoder(Answer).decode


class Boom(Exception):
    """The bug that `boom` asks for."""


class ToyMachine:
    """Counters. Accounts whose name begins with `closed` refuse what comes from other partitions."""

    tables: tuple[Table[Any], ...] = (COUNTERS, OPEN, DUE, KEYS)

    def look_ahead(self, state: Overlay, records: Sequence[InputRecord], context: Context) -> None:
        """Each record is looked up by itself."""

    def step(self, state: Overlay, record: InputRecord, context: Context, out: Output) -> None:
        try:
            if context.topic == INTERNAL:
                self._take_internal(state, record, context, out)
            else:
                self._take_request(state, record, context, out)
        except msgspec.MsgspecError:
            self._write(state, out, self._event(record, context, "unread", code="malformed"))

    def _take_request(self, state: Overlay, record: InputRecord, context: Context, out: Output) -> None:
        request = _request(record.value or b"")
        first = state.bucketed(KEYS).get(request.id, context.recorded_at_ms)
        if first is not None:
            self._write(state, out, self._event(record, context, "replayed", id_=request.id, code=first))
            self._answer(out, context, request.id, first, replayed=True)
            return
        counters = state.table(COUNTERS)
        balance = counters.get(request.account) or 0
        event = self._event(record, context, "done", id_=request.id, code="ok")
        if request.operation == "boom":
            event.changes = ((request.account, 1_000_000),)
            self._write(state, out, event)
            self._answer(out, context, request.id, "boom")
            raise Boom(request.id)
        if request.operation == "remind":
            event.due = (context.recorded_at_ms + request.after_ms, request.id)
        elif request.operation == "add":
            event.changes = ((request.account, request.amount), (WORLD, -request.amount))
        elif request.operation == "large":
            out.send(TOTALS, context.partition, None, b"x" * LARGE_BYTES)
        elif balance < request.amount:
            event.code = "insufficient"
        elif request.to_partition == context.partition:
            event.changes = ((request.account, -request.amount), (request.to, request.amount))
        else:
            event.code = "open"
            event.opens = (request.account, request.amount)
            event.changes = ((request.account, -request.amount), (TRANSIT, request.amount))
            leg = Leg(request.id, request.to, request.amount, context.partition)
            out.send(INTERNAL, request.to_partition, None, _json(leg))
        self._write(state, out, event)
        self._answer(out, context, request.id, event.code)

    def _take_internal(self, state: Overlay, record: InputRecord, context: Context, out: Output) -> None:
        command = _internal(record.value or b"")
        if isinstance(command, Leg):
            self._take_leg(state, record, context, out, command)
        elif isinstance(command, Reply):
            self._take_reply(state, record, context, out, command)
        else:
            due = [(at, id_) for id_, at in state.table(DUE).scan() if at <= context.recorded_at_ms]
            event = self._event(record, context, "ticked", code="ok")
            event.fired = tuple(id_ for _, id_ in sorted(due))
            self._write(state, out, event)

    def _take_leg(self, state: Overlay, record: InputRecord, context: Context, out: Output, leg: Leg) -> None:
        key = f"leg:{leg.id}"
        first = state.bucketed(KEYS).get(key, context.recorded_at_ms)
        if first is not None:
            self._write(state, out, self._event(record, context, "replayed", id_=key, code=first))
            return
        accepted = not leg.account.startswith("closed")
        event = self._event(record, context, "leg", id_=key, code="ok" if accepted else "refused")
        if accepted:
            event.changes = ((leg.account, leg.amount), (TRANSIT, -leg.amount))
        self._write(state, out, event)
        out.send(INTERNAL, leg.back, None, _json(Reply(leg.id, accepted)))

    def _take_reply(self, state: Overlay, record: InputRecord, context: Context, out: Output, reply: Reply) -> None:
        opened = state.table(OPEN).get(reply.id)
        if opened is None:
            self._write(state, out, self._event(record, context, "replayed", id_=f"reply:{reply.id}"))
            return
        event = self._event(
            record, context, "reply", id_=f"reply:{reply.id}", code="ok" if reply.accepted else "failed"
        )
        event.closes = reply.id
        if not reply.accepted:
            account, amount = opened
            event.changes = ((account, amount), (TRANSIT, -amount))
        self._write(state, out, event)

    def failed(self, state: Overlay, record: InputRecord, context: Context, error: Exception, out: Output) -> None:
        self._write(state, out, self._event(record, context, "failed", code=type(error).__name__))

    def oversized(self, state: Overlay, record: InputRecord, context: Context, out: Output) -> None:
        self._write(state, out, self._event(record, context, "oversized", code="oversized"))

    def fold(self, state: Overlay, value: bytes) -> None:
        self._apply(state, decode_event(value))

    def _apply(self, state: Overlay, event: Event) -> None:
        counters = state.table(COUNTERS)
        for account, amount in event.changes:
            counters.put(account, (counters.get(account) or 0) + amount)
        if event.opens:
            state.table(OPEN).put(event.id, event.opens)
        if event.closes:
            state.table(OPEN).delete(event.closes)
        if event.due:
            state.table(DUE).put(event.due[1], event.due[0])
        for id_ in event.fired:
            state.table(DUE).delete(id_)
        if event.id and event.type in ("done", "leg"):
            state.bucketed(KEYS).put(event.id, event.code, event.at_ms)

    def complete(self, state: Overlay, context: Context, out: Output) -> None:
        """Each record has its events already."""

    def finish(self, state: Overlay, context: Context, last_sequence: int, out: Output) -> None:
        changed = dict(sorted(state.table(COUNTERS).changes.items()))
        if changed:
            out.send(TOTALS, context.partition, None, _json(changed))

    def refer(self, topic: str, key: str, value: bytes | None) -> None:
        raise ValueError("it asks no reference data")

    def due_at_ms(self, state: Overlay) -> int | None:
        return min((at for _, at in state.table(DUE).scan()), default=None)

    def tick(self, due_at_ms: int, partition: int) -> Message:
        return Message(INTERNAL, partition, None, _json(Tick(due_at_ms)))

    def _write(self, state: Overlay, out: Output, event: Event) -> None:
        event.sequence = out.sequence + 1
        self._apply(state, event)
        out.event(event.id.encode(), _json(event), (event.type, event.code))

    @staticmethod
    def _event(record: InputRecord, context: Context, type_: str, id_: str = "", code: str = "") -> Event:
        at_ms = context.recorded_at_ms
        return Event(type=type_, topic=context.topic, offset=record.offset, id=id_, code=code, at_ms=at_ms)

    @staticmethod
    def _answer(out: Output, context: Context, id_: str, code: str, replayed: bool = False) -> None:
        out.send(OUTCOMES, context.partition, None, _json(Answer(id_, code, replayed)))
