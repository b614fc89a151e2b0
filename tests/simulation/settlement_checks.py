"""What has to hold of the settlement role after a simulation, by what stands on its topics."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

import msgspec
import orjson

from agents.settlement.state import BATCHES
from schemas.settlement_batches import BatchRecord, PositionRecord, decode_settlement_record
from schemas.topics import (
    LEDGER_EVENTS,
    SETTLEMENT_BATCHES,
    SETTLEMENT_COMMANDS,
    SETTLEMENT_INTERNAL,
    SETTLEMENT_UPDATES,
)
from tests.simulation.domain import History

Json = dict[str, Any]
#: In records at which the role raises: nothing comes of them.
BOOM: Final = b'"boom"'


def check(history: History) -> list[str]:
    """What is wrong, in sentences."""
    return [*_check_payouts(history), *_check_positions(history), *_check_told(history)]


def _values(history: History, topic: str) -> Iterator[bytes]:
    for partition in range(history.partitions):
        for record in history.records[topic, partition]:
            yield record.value or b""


def _dead(history: History, topic: str) -> Iterator[Json]:
    """Records of a topic that are dead letters, as with an error of the broker's at the wrong time: people look."""
    for fold in history.folds:
        records = {record.offset: record.value for record in history.records[topic, fold.partition]}
        for event in fold.events:
            if event.type == "record.failed" and event.cause.topic == topic:
                yield orjson.loads(records[event.cause.offset] or b"")


def _failed(history: History) -> set[str]:
    """Transactions of internal records that are dead letters."""
    return {record.get("transaction_id", "") for record in _dead(history, SETTLEMENT_INTERNAL)}


def _failed_commands(history: History) -> set[str]:
    """Ids of commands that are dead letters, where they came first or where they were forwarded to."""
    forwarded = (record["value"] for record in _dead(history, SETTLEMENT_INTERNAL) if record["kind"] == "command")
    return {command["command_id"] for command in (*_dead(history, SETTLEMENT_COMMANDS), *map(orjson.loads, forwarded))}


def _check_payouts(history: History) -> Iterator[str]:
    """Each is followed once, goes out in one batch unless it was canceled, and is settled or refused once."""
    events = [event for fold in history.folds for event in fold.events]
    said = [orjson.loads(value) for value in _values(history, LEDGER_EVENTS) if BOOM not in value]
    payouts = {one["transaction_id"] for one in said if one["type"] == "transaction.processed"}
    canceled = {one["transaction_id"] for one in said if one["type"] == "transaction.canceled"}
    followed = {event.transaction_id for event in events if event.type == "payout.followed"}
    if followed != payouts:
        yield f"followed {sorted(followed ^ payouts)} differ from the ledger's payouts"
    went = Counter(
        name
        for event in events
        if event.type == "batch.ready"
        for instruction in event.instructions
        for name in instruction.transaction_ids
    )
    if went and max(went.values()) > 1:
        yield f"{[name for name, count in went.items() if count > 1]} went out more than once"
    # A disaster may lose a batch, and not the ledger's word on it: for the role somebody else has that payout then.
    batched = {(event.transaction_id, event.batch_id) for event in events if event.type == "payout.batched"}
    strange = {
        one["transaction_id"]
        for one in said
        if one["type"] == "transaction.submitted"
        and (one["transaction_id"], one["rail_facts"]["batch_id"]) not in batched
    }
    if missing := payouts - canceled - strange - _failed(history) - went.keys():
        yield f"{sorted(missing)} never went out"
    submitted = {one["transaction_id"] for one in said if one["type"] == "transaction.submitted"}
    if early := went.keys() - submitted:
        yield f"{sorted(early)} went out and the ledger has not submitted them"
    updates = [orjson.loads(value) for value in _values(history, SETTLEMENT_UPDATES)]
    ended = Counter(one["transaction_id"] for one in updates if one["operation"] in ("settle", "fail"))
    if ended != Counter(went.keys()):
        yield f"{ended} were settled or refused, {went} went out"
    keys = Counter(one["idempotency_key"] for one in updates)
    if keys and max(keys.values()) > 1:
        yield "an update was written twice"


def _check_positions(history: History) -> Iterator[str]:
    """Funds count once; what is settled is taken off; nothing is set aside any more; none was below its reserve."""
    funded: dict[str, dict[str, int]] = {}
    failed = _failed_commands(history)
    for value in _values(history, SETTLEMENT_COMMANDS):
        command = orjson.loads(value)
        if "by" in command and command["command_id"] not in failed:
            funded.setdefault(command["rail"], {})[command["command_id"]] = command["amount_minor"]
    batches, positions = _told(history)
    for rail in sorted(funded.keys() | positions.keys() | {batch.rail for batch in batches.values()}):
        own = [batch for batch in batches.values() if batch.rail == rail]
        wanted = sum(funded.get(rail, {}).values()) + sum(
            batch.settled_minor if batch.direction == "in" else -batch.settled_minor for batch in own
        )
        last = positions.get(rail)
        found = (0, 0, 0) if last is None else (last.funded_minor, last.committed_minor, last.incoming_minor)
        if found != (wanted, 0, 0):
            yield f"position of {rail} is {last}, wanted {wanted}"


def _told(history: History) -> tuple[dict[str, BatchRecord], dict[str, PositionRecord]]:
    batches: dict[str, BatchRecord] = {}
    positions: dict[str, PositionRecord] = {}
    for value in _values(history, SETTLEMENT_BATCHES):
        record = decode_settlement_record(value)
        if isinstance(record, BatchRecord):
            batches[record.batch_id] = record
        elif isinstance(record, PositionRecord):
            positions[record.rail] = record
            if record.committed_minor and record.free_minor < 0:
                positions[record.rail] = msgspec.structs.replace(record, funded_minor=-1)
    return batches, positions


def _check_told(history: History) -> Iterator[str]:
    """What was told last of a batch is its state, and all are over."""
    batches, _ = _told(history)
    rows = {
        batch_id: BATCHES.decode(value)
        for fold in history.folds
        for batch_id, value in fold.tables.get(BATCHES.name, {}).items()
    }
    if {batch_id: batch.state for batch_id, batch in batches.items()} != {key: row.state for key, row in rows.items()}:
        yield "what was told last of batches is not how they are"
    if left := [batch_id for batch_id, row in rows.items() if not row.finished_at]:
        yield f"batches {left} are not over"
