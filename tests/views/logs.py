"""Event logs for the views: those of real ledgers, and ones that are written event by event."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

from sqlalchemy import select

from agents.views.chunk import Chunk
from agents.views.database import snapshot
from agents.views.store import ViewStore, open_store
from agents.views.tables import METADATA, POSITIONS, SCHEMA
from schemas.clock import rfc3339
from schemas.events import AccountBalance, Counterparty, Entry, LedgerEvent, RailFacts, encode_event
from schemas.topics import LEDGER_EVENTS, TRANSACTION_REQUESTS
from streams.seal import GENESIS, Span, write_seal
from streams.settings import Settings
from tests.ledger.commands import Json, command, credit, debit, open_wallet, release, set_state, transfer
from tests.ledger.world import DAY_MS, START_MS, World
from tests.ops.verify.honest import Ledger
from tests.ops.verify.story import living

Log = list[tuple[int, bytes]]


@cache
def random_world(seed: int) -> World:
    """Two partitions after some hundred commands, among them ones that are refused, repeated, or meet a bug."""
    rng, world = Random(seed), World(2)
    names = [world.name_in(partition, name) for name in ("anna", "bert", "cleo") for partition in (0, 1)]
    unlucky = set(rng.sample(range(200), 3))
    world.machine.fails = lambda record, context: context.topic == TRANSACTION_REQUESTS and record.offset in unlucky
    for number in range(250):
        world.put(_command(rng, names, number))
        world.wait(rng.choice([0, 0, 1, 1_000, DAY_MS // 4]))
        if number % 10 == 0:
            world.settle(limit=4)
    world.settle(limit=4)
    return world


def _command(rng: Random, names: list[str], number: int) -> Json:
    payer, payee = rng.sample(names, 2)
    amount_minor, asset, key = rng.randint(0, 50), rng.choice(["EUR", "EUR", "USD"]), f"k{rng.randrange(number + 1)}"
    makers: list[Callable[[], Json]] = [
        lambda: open_wallet(payer, "EUR", "USD", key=key),
        lambda: credit(payer, amount_minor, asset, key=key),
        lambda: debit(payer, amount_minor, asset, key=key),
        lambda: transfer(payer, payee, amount_minor, asset, key=key, to_sub_wallet=rng.choice(["main", "savings"])),
        lambda: command("open_sub_wallet", payer, key, sub_wallet="savings", kind="savings"),
        lambda: set_state(payer, rng.choice(["active", "active", "locked", "disabled"]), key=key),
        lambda: release(payer, key=key),
    ]
    return rng.choices(makers, [3, 5, 4, 8, 1, 1, 1])[0]()


@cache
def story() -> Ledger:
    """A ledger of two partitions with something of everything; its log has gaps as Kafka's have."""
    return living()


def log_of(world: World, partition: int = 0) -> Log:
    return list(enumerate(world.shards[partition].log))


def logs_of(ledger: Ledger) -> list[Log]:
    return [[(r.offset, r.value or b"") for r in part] for part in ledger.topics[LEDGER_EVENTS]]


def whole(log: Log, partition: int = 0) -> Chunk:
    """All of a log."""
    return Chunk(partition, 0, log[-1][0] + 1, log)


def store_at(folder: Path, namespace: str = "wallet.") -> ViewStore:
    """Views in a folder, those that are there or new ones."""
    store = open_store(Settings(data_dir=folder, namespace=namespace))
    store.prepare()
    return store


def applied(folder: Path, *logs: Log) -> ViewStore:
    """Views of one log for each partition."""
    store = store_at(folder)
    for partition, log in enumerate(logs):
        store.apply(whole(log, partition))
    return store


def rows_of(store: ViewStore) -> dict[str, list[tuple[Any, ...]]]:
    """All that a store holds, but for its epoch and when it was written."""
    with snapshot(store.engine) as connection:
        found = {
            table.name: sorted(map(tuple, connection.execute(select(table))), key=repr)
            for table in METADATA.sorted_tables
            if table is not SCHEMA
        }
    found[POSITIONS.name] = [row[:-1] for row in found[POSITIONS.name]]
    return found


class LogBuilder:
    """Writes a log event by event, in one partition, with sequences, seals and balances as the ledger has them."""

    def __init__(self, partition: int = 0):
        self.partition = partition
        self.log: Log = []
        self.now_ms = START_MS
        self._balances: dict[tuple[str, str], int] = {}
        self._unsealed: list[bytes] = []
        self._hash = GENESIS

    def event(self, type_: str, *entries: Entry, wait_ms: int = 1_000, **fields: Any) -> LedgerEvent:
        """The next event, a second after the last one, sealed at once."""
        self.now_ms += wait_ms
        for entry in entries:
            key = entry.account, entry.asset
            self._balances[key] = self._balances.get(key, 0) + entry.credit_minor - entry.debit_minor
        if "to_state" in fields:
            fields.setdefault("path", (fields.get("from_state") or "initiated", fields["to_state"]))
        touched = dict.fromkeys((entry.account, entry.asset) for entry in entries)
        event = LedgerEvent(
            sequence=len(self.log),
            type=type_,
            entries=entries,
            balances=tuple(AccountBalance(*key, self._balances[key]) for key in touched),
            recorded_at=rfc3339(self.now_ms),
            **fields,
        )
        self._append(encode_event(event))
        self._seal()
        return event

    def move(self, type_: str, debit: str, credit: str, amount_minor: int, asset: str = "EUR", **fields: Any) -> None:
        """An event that posts an amount from one account to another."""
        entries = Entry(debit, asset, debit_minor=amount_minor), Entry(credit, asset, credit_minor=amount_minor)
        self.event(type_, *entries, **{"amount_minor": amount_minor, "asset": asset, **fields})

    def _append(self, value: bytes) -> None:
        self._unsealed.append(value)
        self.log.append((len(self.log), value))

    def _seal(self) -> None:
        sequence = len(self.log)
        value, self._hash = write_seal(
            sequence=sequence,
            first_sequence=sequence - len(self._unsealed),
            inputs={"transaction-requests": Span(0, sequence)},
            partition=self.partition,
            partitions=1,
            partition_time=rfc3339(self.now_ms),
            previous_hash=self._hash,
            events=self._unsealed,
        )
        self.log.append((sequence, value))
        self._unsealed = []


def life() -> LogBuilder:
    """Something of everything that is pending, and of everything that is over."""
    log = LogBuilder()
    due = rfc3339(START_MS + 9_000_000)

    def put(transaction_id: str, operation: str, **fields: Any) -> None:
        given: dict[str, Any] = {"amount_minor": 100, "asset": "EUR", "sub_wallet": "main", "code": "ok", **fields}
        log.event("transaction", wallet_id="w", transaction_id=transaction_id, operation=operation, **given)

    def capture(transaction_id: str, parent: str, amount_minor: int) -> None:
        named = {"transaction_id": transaction_id, "parent_transaction_id": parent, "operation": "capture"}
        own = {"wallet_id": "w", "sub_wallet": "main", "to_state": "settled", "code": "ok"}
        log.move("transaction.settled", "w/main/held", "system/rail:instant", amount_minor, **named, **own)

    put("hold", "authorize", to_state="processed", due_at=due, remaining_minor=100)
    capture("part", "hold", 60)
    put("used", "authorize", to_state="processed", due_at=due, remaining_minor=100)
    capture("rest", "used", 100)
    put("gone", "authorize", to_state="processed", due_at=due, remaining_minor=100)
    put("gone", "release", from_state="processed", to_state="canceled")
    put("contested", "credit", to_state="settled", rail="instant")
    put("quarrel", "dispute", parent_transaction_id="contested", to_state="disputed", remaining_minor=70)
    put("contested", "credit", from_state="settled", to_state="disputed", remaining_minor=30)
    put("peace", "dispute", to_state="disputed", remaining_minor=70)
    put("peace", "resolve_dispute", from_state="disputed", to_state="settled")
    put("later", "credit", to_state="initiated", due_at=rfc3339(START_MS + 1_000_000))
    put("screened", "debit", to_state="initiated", rail="swift", due_at=due, remaining_minor=101, screening="review")
    put("overdue", "debit", to_state="initiated", rail="swift", due_at=due, remaining_minor=102, screening="review")
    log.event(
        "transaction.overdue",
        wallet_id="w",
        transaction_id="overdue",
        operation="debit",
        command="expire",
        to_state="initiated",
        path=(),
        remaining_minor=102,
    )
    put("way", "credit", to_state="processed", rail="sepa")
    put("batch", "credit", to_state="processed", rail="sepa")
    put("batch", "submit", from_state="processed", to_state="processed", rail_facts=RailFacts("b-1"))
    put("there", "debit", to_state="processed", rail="sepa", amount_minor=2**63 - 1)
    put("there", "settle", from_state="processed", to_state="settled", rail_facts=RailFacts(rail_reference="r"))
    put("saga", "transfer", to_state="processed", counterparty=Counterparty("v", "main"))
    put("saga", "transfer", leg="credit", to_state="settled")
    put("lot", "reward", to_state="settled", due_at=due, remaining_minor=60)
    put("spent", "reward", to_state="settled", due_at=due, remaining_minor=0)
    put("odd", "adjust", to_state="processed")
    put("done", "credit", to_state="settled", rail="instant")
    return log


def in_chunks(log: Log, cuts: Iterable[int], partition: int = 0) -> list[Chunk]:
    """A log cut before each of the given records."""
    edges = [0, *sorted({cut for cut in cuts if 0 < cut < len(log)}), len(log)]
    chunks, start = [], 0
    for a, b in pairwise(edges):
        end = log[b][0] if b < len(log) else log[-1][0] + 1
        chunks.append(Chunk(partition, start, end, log[a:b]))
        start = end
    return chunks
