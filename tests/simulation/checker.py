"""What must hold when a run has come to rest: proved from the topics alone, without the runtime's own arithmetic."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from streams.overlay import Overlay
from streams.persist import changes_of
from tests.simulation.domain import Domain, Fold, History
from tests.simulation.memory_broker import Broker
from tests.simulation.memory_log import StoredRecord
from tests.simulation.memory_store import Files, MemoryStore

if TYPE_CHECKING:
    from tests.simulation.world import World


class Violation(Exception):
    """Something that must hold does not."""


def last_positions(broker: Broker, domain: Domain, index: int) -> Iterator[tuple[str, int]]:
    """Topic and offset of the last committed record of each input of a partition; -1 where there is none."""
    for topic in domain.inputs:
        records = broker.partition(topic, index).committed()
        yield topic, records[-1].offset if records else -1


def check_run(world: World) -> list[str]:
    """All that does not hold, in words; empty where the promise was kept."""
    broker, domain = world.broker, world.domain
    records = {name: partition.committed() for name, partition in broker.partitions.items()}
    try:
        folds = [_fold(domain, index, records) for index in range(world.partitions)]
        for fold in folds:
            _same_tables(fold, world.live_tables(fold.partition))
    except Violation as violation:
        return [str(violation)]
    history = History(world.partitions, records, folds, [record for record, _ in world.upstream.sent])
    return [*world.unseen(), *domain.check(history)]


def _require(holds: bool, what: str) -> None:
    if not holds:
        raise Violation(what)


@dataclass(slots=True)
class _Chain:
    """What the next seal has to continue."""

    sequence: int = -1
    hash: str = "0" * 64
    time_ms: int = 0


def _fold(domain: Domain, index: int, records: dict[tuple[str, int], list[StoredRecord]]) -> Fold:
    """Walk one event log: chain, sequences, spans, answers, partition time; and fold it."""
    machine = domain.folding_machine()
    files = Files()
    store = MemoryStore(files, lambda _what: None, lambda: False)
    state = Overlay(machine.tables, store, 0)
    fold, chain = Fold(index), _Chain()
    positions = dict.fromkeys(domain.inputs, 0)
    inputs = {topic: {r.offset: r for r in records[topic, index]} for topic in domain.inputs}
    pending: list[bytes] = []
    for record in records[domain.event_log, index]:
        value = record.value or b""
        text = json.loads(value)
        if text["type"] != "batch.sealed":
            pending.append(value)
            continue
        where = f"partition {index}, seal at {record.offset}"
        _check_chain(where, chain, text, value, pending)
        events = [domain.decode(event) for event in pending]
        _check_span(where, domain, chain, text, positions, inputs, events)
        for event in pending:
            machine.fold(state, event)
        fold.batches.append(events)
        fold.written += pending
        pending = []
    _require(not pending, f"partition {index} ends with events that no seal covers")
    for topic, found in inputs.items():
        _require(max(found, default=-1) < positions[topic], f"partition {index}: {topic} is not answered to its end")
    files.write(changes_of(state))
    fold.tables = {name: rows for name, rows in files.tables.items() if rows}
    return fold


def _check_chain(where: str, chain: _Chain, seal: dict[str, Any], value: bytes, events: list[bytes]) -> None:
    first = chain.sequence + 1
    sequences = [json.loads(event)["sequence"] for event in events]
    _require(seal["first_sequence"] == first, f"{where}: first sequence {seal['first_sequence']}, expected {first}")
    _require(sequences == list(range(first, first + len(events))), f"{where}: sequences {sequences} from {first}")
    _require(seal["sequence"] == first + len(events), f"{where}: its own sequence is {seal['sequence']}")
    _require(seal["previous_hash"] == chain.hash, f"{where}: does not continue the previous hash")
    bare = value[: value.rindex(b',"hash":"')] + b"}"
    digest = sha256(bytes.fromhex(chain.hash) + b"".join(event + b"\n" for event in events) + bare).hexdigest()
    _require(seal["hash"] == digest, f"{where}: its hash is not that of its events")
    chain.sequence, chain.hash = seal["sequence"], digest


def _check_span(
    where: str,
    domain: Domain,
    chain: _Chain,
    seal: dict[str, Any],
    positions: dict[str, int],
    inputs: dict[str, dict[int, StoredRecord]],
    events: list[Any],
) -> None:
    """The batch answers exactly the records between `from` and `to` of each input, in order, each in one piece."""
    due: list[tuple[str, int]] = []
    for topic in domain.inputs:
        span = seal["inputs"].get(topic)
        _require(span is not None, f"{where}: says nothing of {topic}")
        before = positions[topic]
        _require(span["from"] == before, f"{where}: {topic} from {span['from']}, the last seal ended at {before}")
        _require(span["to"] >= before, f"{where}: {topic} runs backwards to {span['to']}")
        due += [(topic, offset) for offset in inputs[topic] if span["from"] <= offset < span["to"]]
        positions[topic] = span["to"]
    answered = [source for event in events for source in domain.sources(event)]
    once = [source for n, source in enumerate(answered) if n == 0 or answered[n - 1] != source]
    must = [
        (topic, offset)
        for topic, offset in due
        if (topic, offset) in once or not domain.may_leave_nothing(topic, inputs[topic][offset])
    ]
    _require(once == must, f"{where}: answers {once}, but has to answer {must}")
    chain.time_ms = max([chain.time_ms, *(inputs[topic][offset].timestamp for topic, offset in due)])
    said_ms = round(datetime.fromisoformat(seal["partition_time"]).timestamp() * 1000)
    _require(said_ms == chain.time_ms, f"{where}: partition time {said_ms}, expected {chain.time_ms}")


def _same_tables(fold: Fold, live: dict[str, dict[str, bytes]]) -> None:
    """The owner's local state is the fold, but for buckets that are past their retention."""
    for name in sorted({*fold.tables, *live}):
        expected, found = fold.tables.get(name, {}), live.get(name, {})
        if "@" in name and not found:
            continue
        keys = sorted(key for key in {*expected, *found} if expected.get(key) != found.get(key))
        _require(not keys, f"partition {fold.partition}: table {name} differs from the fold of the log in {keys[:5]}")
