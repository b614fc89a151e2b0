"""A machine that counts: `{"add": 3}` under a key adds 3 to the key's total. Run as a module it is a worker."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from typing import Any

import orjson
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import for_code

from schemas.topic_config import topic_config
from schemas.topics import Topic, full_name
from streams.machine import Context, InputRecord, Message, Output
from streams.overlay import Overlay
from streams.role import Role
from streams.settings import Settings
from streams.tables import Table

REQUESTS, COMMANDS, EVENTS, OUTCOMES = "toy-requests", "toy-commands", "toy-events", "toy-outcomes"
#: Reference data: numbers by name. Each event says what `mark` was.
SETTINGS = "toy-settings"
TOTALS: Table[int] = Table("totals", lambda total: b"%d" % total, int)


def _topic(name: str, **options: Any) -> Topic:
    defaults: dict[str, Any] = {"retention_ms": 86_400_000, "example": None}
    return Topic(
        name=name, description="", owner="toy", readers=(), key="", value="", has_schema=False, **(defaults | options)
    )


TOPICS = (
    _topic(COMMANDS, append_time=True),
    _topic(REQUESTS, append_time=True),
    _topic(EVENTS, retention_ms=None),
    _topic(OUTCOMES),
    _topic(SETTINGS, cleanup="compact", retention_ms=None, co_partitioned=False, append_time=True),
)


class ToyMachine:
    """Answers every record on `toy-outcomes`; `"bug"` makes it raise, `{"reply_bytes": n}` makes the answer large."""

    tables: tuple[Table[Any], ...] = (TOTALS,)

    def __init__(self) -> None:
        #: By name.
        self.settings: dict[str, int] = {}

    def refer(self, topic: str, key: str, value: bytes | None) -> None:
        if value is None:
            self.settings.pop(key, None)
        else:
            self.settings[key] = int(value)

    def look_ahead(self, state: Overlay, records: Sequence[InputRecord], context: Context) -> None:
        """Each record is looked up by itself."""

    def step(self, state: Overlay, record: InputRecord, context: Context, out: Output) -> None:
        request = orjson.loads(record.value or b"null")
        if request == "bug":
            raise ValueError("a bug")
        added = request.get("add", 0)
        self._emit(state, record, context, out, added, b"x" * request.get("reply_bytes", 0))

    def _emit(
        self,
        state: Overlay,
        record: InputRecord,
        context: Context,
        out: Output,
        added: int,
        filler: bytes,
        note: str = "",
    ) -> None:
        key = (record.key or b"").decode()
        event = {
            "sequence": out.sequence + 1,
            "type": "added",
            "key": key,
            "add": added,
            "topic": context.topic,
            "offset": record.offset,
            "note": note,
            "mark": self.settings.get("mark"),
        }
        value = orjson.dumps(event)
        self.fold(state, value)
        out.event(record.key, value, ("added", note or None))
        total = state.table(TOTALS).get(key)
        answer = {"topic": context.topic, "offset": record.offset, "key": key, "total": total, "note": note}
        out.send(OUTCOMES, context.partition, record.key, orjson.dumps(answer) + filler, [("source", b"toy")])

    def failed(self, state: Overlay, record: InputRecord, context: Context, error: Exception, out: Output) -> None:
        self._emit(state, record, context, out, 0, b"", type(error).__name__)

    def oversized(self, state: Overlay, record: InputRecord, context: Context, out: Output) -> None:
        self._emit(state, record, context, out, 0, b"", "oversized")

    def fold(self, state: Overlay, value: bytes) -> None:
        event = orjson.loads(value)
        totals = state.table(TOTALS)
        totals.put(event["key"], (totals.get(event["key"]) or 0) + event["add"])

    def complete(self, state: Overlay, context: Context, out: Output) -> None:
        """Each record has its events already."""

    def finish(self, state: Overlay, context: Context, last_sequence: int, out: Output) -> None:
        """Projects nothing."""

    def due_at_ms(self, state: Overlay) -> int | None:
        return None

    def tick(self, due_at_ms: int, partition: int) -> Message:
        raise NotImplementedError


ROLE = Role(
    name="toy",
    inputs={COMMANDS: 0.25, REQUESTS: 0.5},
    owner_input=REQUESTS,
    event_log=EVENTS,
    topics=TOPICS,
    reference=(SETTINGS,),
    machine=lambda _settings: ToyMachine(),
)


async def create_topics(settings: Settings, topics: Sequence[Topic] = TOPICS, **overrides: dict[str, str]) -> None:
    """Create topics as the catalogue has them; `overrides` are settings by short name with `_` for `-`."""
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.bootstrap_servers)
    await admin.start()
    try:
        created = await admin.create_topics(
            [
                NewTopic(
                    full_name(settings.namespace, topic.name),
                    topic.partition_count(settings.partitions),
                    1,
                    topic_configs=topic_config(topic, "embedded") | overrides.get(topic.name.replace("-", "_"), {}),
                )
                for topic in topics
            ]
        )
        for name, code, *_ in created.topic_errors:
            if code:
                raise for_code(code)(name)
        wanted = {full_name(settings.namespace, topic.name) for topic in topics}
        while not wanted <= set(await admin.list_topics()):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    finally:
        await admin.close()


if __name__ == "__main__":
    from streams.worker import run_worker

    sys.exit(run_worker(ROLE, Settings()))
