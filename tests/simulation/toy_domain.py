"""The toy machine under simulation: its topics, a workload, and a model of what the requests must have done."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import msgspec

from streams.machine import Machine
from tests.simulation import toy
from tests.simulation.domain import Find, Fold, History, Input
from tests.simulation.memory_log import StoredRecord
from tests.simulation.toy import Boom, Event, Request, ToyMachine

_ACCOUNTS = ("a", "b", "c", "closed")


def _account(name: str, partition: int) -> str:
    return f"{name}{partition}"


class ToyDomain:
    """See `tests.simulation.domain.Domain`."""

    name = "toy"
    raised: ClassVar[tuple[type[Exception], ...]] = (Boom,)
    inputs: tuple[str, ...] = (toy.INTERNAL, toy.REQUESTS)
    event_log = toy.EVENTS
    outcomes = toy.OUTCOMES
    topics: ClassVar[dict[str, int]] = dict.fromkeys(
        (toy.INTERNAL, toy.REQUESTS, toy.EVENTS, toy.OUTCOMES), 1 << 20
    ) | {toy.TOTALS: toy.LARGE_BYTES - 1}

    def machine(self) -> Machine:
        return ToyMachine()

    def workload(self, rng: random.Random, partitions: int, count: int, prefix: str = "r") -> list[Input]:
        records: list[Input] = []
        for number in range(count):
            if records and rng.random() < 0.15:
                records.append(rng.choice(records))  # a producer that retries
                continue
            partition = rng.randrange(partitions)
            value = toy.encode_request(self._request(rng, partitions, partition, f"{prefix}{number}"))
            if rng.random() < 0.03:
                value = rng.choice((b"", b"{", b"\xff\xfe", b'{"id":1}'))
            records.append(Input(toy.REQUESTS, partition, None, value))
        return records

    @staticmethod
    def _request(rng: random.Random, partitions: int, partition: int, id_: str) -> Request:
        account = _account(rng.choice(_ACCOUNTS), partition)
        chance = rng.random()
        if chance < 0.35:
            return Request(id_, "add", account, rng.randint(1, 100))
        if chance < 0.90:
            to_partition = rng.randrange(partitions)
            to = _account(rng.choice(_ACCOUNTS), to_partition)
            return Request(id_, "move", account, rng.randint(1, 60), to, to_partition)
        if chance < 0.94:
            return Request(id_, "remind", account, after_ms=rng.randint(1, 4_000))
        return Request(id_, "boom" if chance < 0.98 else "large", account)

    def folding_machine(self) -> Machine:
        return self.machine()

    def following(
        self, rng: random.Random, partitions: int, outcome: bytes | None, find: Find, prefix: str
    ) -> list[Input]:
        return []

    def decode(self, value: bytes) -> Event:
        return toy.decode_event(value)

    def sources(self, event: Event) -> list[tuple[str, int]]:
        return [(event.topic, event.offset)]

    def may_leave_nothing(self, topic: str, record: StoredRecord) -> bool:
        return False

    def is_deduplicated(self, record: StoredRecord) -> bool:
        return b'"kind":"tick"' not in (record.value or b"")

    def is_due(self, tables: Mapping[str, Mapping[str, bytes]]) -> bool:
        return bool(tables.get("due"))

    def mend(self, tables: Mapping[str, Mapping[str, bytes]], partition: int, number: int) -> list[Input]:
        return []

    def check(self, history: History) -> list[str]:
        return [*_check_totals(history), *_check_answers(history), *_check_effects(history)]


def _unpack(rows: dict[str, bytes]) -> dict[str, Any]:
    return {key: msgspec.msgpack.decode(value) for key, value in rows.items()}


def _counters(fold: Fold) -> dict[str, int]:
    return _unpack(fold.tables.get("counters", {}))


def _check_totals(history: History) -> Iterator[str]:
    total: Counter[str] = Counter()
    for fold in history.folds:
        total.update(_counters(fold))
        for table in ("open", "due"):
            if fold.tables.get(table):
                yield f"partition {fold.partition} still has something in {table}: {_unpack(fold.tables[table])}"
    if sum(total.values()):
        yield f"counters do not sum to zero: {dict(total)}"
    if total["transit"]:
        yield f"{total['transit']} is lost in transit"


def _check_answers(history: History) -> Iterator[str]:
    """Each request that was understood has its answer, in order, saying what the event says."""
    for fold in history.folds:
        said = [
            (event.id, event.code, event.type == "replayed")
            for event in fold.events
            if event.type == "done" or (event.type == "replayed" and event.topic == toy.REQUESTS)
        ]
        heard = [
            (answer.id, answer.code, answer.replayed)
            for record in history.records[toy.OUTCOMES, fold.partition]
            for answer in (toy.decode_answer(record.value or b""),)
        ]
        if said != heard:
            yield f"partition {fold.partition}: outcomes {heard} for events {said}"


def _check_effects(history: History) -> Iterator[str]:
    """Each distinct request took effect exactly once: counters follow from the requests and their codes alone."""
    requests: dict[str, Request] = {}
    for record in history.produced:
        try:
            request = msgspec.json.decode(record.value or b"", type=Request)
        except msgspec.MsgspecError:
            continue
        requests[request.id] = request
    codes: dict[str, list[str]] = {}
    fired: Counter[str] = Counter()
    failed = 0
    for fold in history.folds:
        for event in fold.events:
            fired.update(event.fired)
            failed += event.type == "failed"
            if event.type == "done" or (event.id.startswith(("leg:", "reply:")) and event.type != "replayed"):
                codes.setdefault(event.id, []).append(event.code)
    booms = sum(1 for record in history.produced if b'"boom"' in (record.value or b""))
    if failed != booms:
        yield f"the machine was said to have failed {failed} times, but {booms} records make it"
    expected: Counter[str] = Counter()
    for id_, request in requests.items():
        if request.operation in ("boom", "large"):
            continue
        if len(codes.get(id_, [])) != 1:
            yield f"request {id_} was decided as {codes.get(id_)}"
            continue
        if request.operation == "remind" and fired[id_] != 1:
            yield f"reminder {id_} fired {fired[id_]} times"
        _expect(expected, request, codes[id_][0], codes.get(f"reply:{id_}", []))
    found: Counter[str] = Counter()
    for fold in history.folds:
        found.update({k: v for k, v in _counters(fold).items() if k not in (toy.WORLD, toy.TRANSIT)})
    if any(found[key] != expected[key] for key in {*found, *expected}):
        yield f"counters are {dict(found)}, the requests make {dict(expected)}"


def _expect(expected: Counter[str], request: Request, code: str, replies: list[str]) -> None:
    if request.operation == "add":
        expected[request.account] += request.amount
    elif request.operation == "move" and code != "insufficient":
        if code == "ok" or replies == ["ok"]:
            expected[request.account] -= request.amount
            expected[request.to] += request.amount
        elif replies != ["failed"]:
            expected[f"{request.id} has replies {replies}"] += 1
