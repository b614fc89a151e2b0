"""Plays the story and keeps what each step asked and led to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from ops.story.ledger import LedgerInMemory, ReferenceRecord
from ops.story.steps import Step, StoryError
from schemas.clock import unix_ms
from schemas.commands import OPERATIONS
from schemas.events import Source
from schemas.partitioning import partition_of
from schemas.topics import INTERNAL_COMMANDS, LEDGER_EVENTS, TRANSACTION_OUTCOMES
from streams.machine import Message

PARTITIONS: Final = 8
START_MS: Final = unix_ms("2026-11-23T04:50:00.000Z")

Json = dict[str, Any]


@dataclass
class Played:
    """A step and what became of it: the record that it was, if it was one, and all that was written."""

    step: Step
    #: Topic and value of the record that the step put into an input.
    asked: tuple[str, bytes] | None = None
    source: Source | None = None
    written: list[Message] = field(default_factory=list)

    def of(self, topic: str) -> list[bytes]:
        """Values written to a topic, in order."""
        return [message.value for message in self.written if message.topic == topic and message.value is not None]

    @property
    def operation(self) -> str | None:
        """The operation asked for."""
        return None if self.step.ask is None else self.step.ask.get("operation")

    @property
    def answer(self) -> Json | None:
        """The answer to it; None where it asked for nothing or is not answered yet."""
        found = [outcome for outcome in map(orjson.loads, self.of(TRANSACTION_OUTCOMES)) if outcome["kind"] == "answer"]
        return found[0] if found else None

    @property
    def events(self) -> list[Json]:
        """The events that it led to, in all partitions, without seals."""
        return [event for event in map(orjson.loads, self.of(LEDGER_EVENTS)) if "cause" in event]


def play(steps: Iterable[Step], reference: Iterable[ReferenceRecord]) -> list[Played]:
    """Play the steps in order on a ledger that is new.

    Raises:
        StoryError: a step cannot be played.
    """
    return _Stage(reference).play(steps)


class _Stage:
    def __init__(self, reference: Iterable[ReferenceRecord]) -> None:
        self._ledger = LedgerInMemory(PARTITIONS, reference)
        self._now_ms = START_MS
        #: Idempotency key -> id of the transaction that was begun under it.
        self._begun: dict[str, str] = {}

    def play(self, steps: Iterable[Step]) -> list[Played]:
        return [self._play(step) for step in steps]

    def _play(self, step: Step) -> Played:
        self._now_ms += step.wait_ms
        played = Played(step)
        if step.fails_on is not None:
            self._ledger.machine.fails_on = {step.fails_on.encode()} if step.fails_on else set()
        if step.tick is not None:
            self._tick(played, partition_of(step.tick, PARTITIONS))
        elif step.ask is not None:
            self._ask(played, step.ask)
        elif step.raw is not None:
            raw = step.raw
            self._append(played, raw.topic, raw.key, raw.value.encode())
        played.written = self._ledger.settle(self._now_ms)
        answer = played.answer
        if answer is not None and answer["status"] == "accepted" and "transaction_id" in answer:
            self._begun.setdefault(answer["idempotency_key"], answer["transaction_id"])
        return played

    def _ask(self, played: Played, ask: Json) -> None:
        command = {**ask}
        named = command.get("transaction_id", "")
        if named.startswith("$"):
            if named[1:] not in self._begun:
                raise StoryError(f"{played.step.where}: nothing was begun under the key {named[1:]!r}")
            command["transaction_id"] = self._begun[named[1:]]
        if command["operation"] not in OPERATIONS:
            raise StoryError(f"{played.step.where}: no operation is called {command['operation']!r}")
        topic, _ = OPERATIONS[command["operation"]]
        self._append(played, topic, command["wallet_id"], orjson.dumps(command))

    def _append(self, played: Played, topic: str, key: str, value: bytes) -> None:
        arrives_in = played.step.arrives_in
        partition = partition_of(key, PARTITIONS) if arrives_in is None else arrives_in
        headers = tuple((name, text.encode()) for name, text in played.step.headers.items())
        played.asked = (topic, value)
        played.source = self._ledger.append(self._now_ms, topic, partition, key.encode(), value, headers)

    def _tick(self, played: Played, partition: int) -> None:
        tick = self._ledger.tick_of(partition)
        if tick is None or tick[0] > self._now_ms:
            raise StoryError(f"{played.step.where}: nothing is due in partition {partition}")
        message = tick[1]
        assert message.value is not None
        played.asked = (INTERNAL_COMMANDS, message.value)
        played.source = self._ledger.append(self._now_ms, *message)
