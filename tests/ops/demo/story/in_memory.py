"""The ledger of `tests.ledger.world` as a story is played on: time passes when the story waits."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from ops.buckets import Balances
from ops.demo.story.setting import REFERENCE_DATA, key_of
from ops.errors import OperationError
from ops.history import Logged
from schemas.events import LedgerEvent, Source
from schemas.outcomes import Outcome
from schemas.reference import Reference
from tests.ledger.world import World

#: So long one waits, at most: 100 times 100 ms.
_STEP_MS, _STEPS = 100, 100


def reference() -> Reference:
    """What the story's reference data says."""
    found = Reference()
    for topic, records in REFERENCE_DATA.items():
        for record in records:
            found = found.with_record(topic, key_of(topic, record), json.dumps(record).encode())
    return found


class InMemory:
    """Everything is decided as soon as it is asked."""

    def __init__(self, partitions: int = 4) -> None:
        self.partitions = partitions
        self.world = World(partitions, reference=reference())
        self.outcomes: list[Outcome] = []
        self.events: list[Logged] = []
        self.commands: list[dict[str, Any]] = []
        self._waited = 0

    def now_ms(self) -> int:
        return self.world.now_ms

    async def ask(self, topic: str, command: dict[str, Any]) -> Source:
        self._waited = 0
        self.commands.append(command)
        value, wallet_id = json.dumps(command).encode(), command["wallet_id"]
        partition = self.world.owner(wallet_id)
        at = self.world.append(topic, value, key=wallet_id.encode(), partition=partition)
        self._settle()
        return Source(*at)

    async def more(self) -> None:
        """Let a little time pass, and tick where something is due."""
        self._waited += 1
        if self._waited > _STEPS:
            raise OperationError("nothing came")
        world = self.world
        world.wait(_STEP_MS)
        for shard in world.shards:
            due_at_ms = world.machine.due_at_ms(shard.overlay)
            if due_at_ms is not None and due_at_ms <= world.now_ms:
                tick = world.machine.tick(due_at_ms, shard.index)
                world.append(tick.topic, tick.value, key=tick.key, partition=tick.partition)
        self._settle()

    def _settle(self) -> None:
        self.world.settle()
        self.outcomes = [msgspec.convert(outcome, Outcome) for outcome in self.world.outcomes]
        self.events = [
            Logged(event["_partition"], offset, _event(event)) for offset, event in enumerate(self.world.events)
        ]

    async def published(self) -> Balances:
        found: dict[tuple[str, str], int] = {}
        for held in self.world.holdings.values():
            for one in held["accounts"]:
                key = (one["account"], one["asset"])
                found[key] = found.get(key, 0) + one["balance_minor"]
        return found


def _event(event: dict[str, Any]) -> LedgerEvent:
    read = {name: value for name, value in event.items() if not name.startswith("_")}
    return msgspec.json.decode(json.dumps(read), type=LedgerEvent)
