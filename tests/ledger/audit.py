"""An auditor of a `World`: everything that has to hold whatever was asked of the ledger."""

from __future__ import annotations

from collections import Counter, defaultdict

from schemas.clock import unix_ms
from schemas.lifecycle import is_legal_path
from schemas.money import INT64_MAX, INT64_MIN
from schemas.topics import INTERNAL_COMMANDS
from streams.dead_letters import KEY_MAX_BYTES
from streams.overlay import Overlay
from streams.persist import changes_of, forget_old_buckets
from streams.ports import Mark
from streams.seal import GENESIS, chain_hash, decode_seal, is_seal, unhashed_bytes
from tests.ledger.audit_state import audit_state
from tests.ledger.lifecycle.ways import WAYS
from tests.ledger.store import DictStore
from tests.ledger.world import Json, Position, Record, Shard, World

COMPENSATED = ("transaction.failed", "processed")


def audit(world: World, *, bugs: int = 0) -> None:
    """Check the books, the chains and the answers of a world in which nothing waits for a decision.

    `bugs` is how many exceptions of the machine were injected.
    """
    assert len(world.bugs) == bugs, world.bugs
    for shard in world.shards:
        _audit_chain(shard)
    _audit_states(world)
    _audit_answers(world)
    _audit_books(world)


def _audit_states(world: World) -> None:
    """No test brings a transaction into a state in which nothing is tried with it: `WAYS` names them all."""
    seen = {(event["operation"], event["to_state"]) for event in world.events if "to_state" in event}
    tried = {
        (operation, state.value) for operation, ways in WAYS.items() for way in ways.values() for state in way.steps
    }
    assert seen <= tried, f"test_lifecycle_matrix does not know how to reach {seen - tried}"


def _audit_chain(shard: Shard) -> None:
    """The log is gapless, and every seal covers exactly the events before it."""
    previous, events = GENESIS, list[bytes]()
    positions: dict[str, int] = {}
    for sequence, value in enumerate(shard.log):
        if not is_seal(value):
            assert value.startswith(b'{"sequence":%d,' % sequence), value[:80]
            events.append(value)
        else:
            seal = decode_seal(value)
            assert seal.sequence == sequence
            assert seal.first_sequence == sequence - len(events)
            assert seal.previous_hash == previous
            assert seal.hash == chain_hash(previous, events, unhashed_bytes(value))
            assert all(span.from_ == positions.get(topic, 0) for topic, span in seal.inputs.items())
            positions = {topic: span.to for topic, span in seal.inputs.items()}
            previous, events = seal.hash, []
    assert not events, "the log ends without a seal"


def _audit_answers(world: World) -> None:
    """Every decided record left an event where it arrived; every command got one answer, wherever it was decided."""
    unanswered = {position for position in _forwarded(world) if not world.answers(position)} | _parked(world)
    for shard in world.shards:
        for topic, decided in shard.decided.items():
            for offset in range(decided):
                position = Position(topic, shard.index, offset)
                events = world.events_of(position)
                assert events, f"no event of {position}"
                own = [event for event in events if not _follows(event)]
                _audit_key(own[0], shard.inputs[topic][offset])
                assert len(own) == 1 or _releases(own), f"{len(own)} events of {position}"
                if topic != INTERNAL_COMMANDS and position not in unanswered:
                    world.answer(position)


def _audit_key(event: Json, record: Record) -> None:
    """An event has the key of its wallet; of a record that is no command, the record's own, if it is not too long."""
    own = record.key if len(record.key or b"") <= KEY_MAX_BYTES else None
    is_told = record.key is not None and event["cause"]["topic"] == INTERNAL_COMMANDS and "wallet_id" in event
    wallet_id = event.get("wallet_id", "").encode()
    assert event["_key"] == (wallet_id if is_told and event["type"] != "request.dead_lettered" else own), event


def _follows(event: Json) -> bool:
    """What the ledger does before or behind what a record asks for: what is due, originals that move, items."""
    cause = event["cause"]
    # A batch may have been forwarded; an answer of the payee's partition says nothing of where it comes from.
    is_item = "parent_transaction_id" in event and (cause["topic"] != INTERNAL_COMMANDS or "origin" in cause)
    return ("command" in event or is_item) and "idempotency_key" not in cause


def _releases(events: list[Json]) -> bool:
    """A release executes what was parked: those events have the release, or its portion, as their cause."""
    return events[0]["type"] in ("wallet.releasing", "wallet.released") and all(
        "origin" in event["cause"] for event in events[1:]
    )


def _forwarded(world: World) -> list[Position]:
    """Requests that are on their way to another partition."""
    causes = [event["cause"] for event in world.events if event["type"] == "request.forwarded"]
    return [Position(cause["topic"], cause["partition"], cause["offset"]) for cause in causes]


def _parked(world: World) -> set[Position]:
    """What rails have said of wallets that are under quarantine: it is answered when they are released."""
    waiting: dict[str, list[Position]] = defaultdict(list)
    for event in world.events:
        if "parked" in event:
            waiting[event["wallet_id"]].append(Position(**event["parked"]["source"]))
        elif event["type"] in ("wallet.released", "wallet.releasing"):
            left = event.get("wallet", {}).get("parked", 0)
            del waiting[event["wallet_id"]][: len(waiting[event["wallet_id"]]) - left]
    return {position for positions in waiting.values() for position in positions}


def _audit_books(world: World) -> None:
    balances: dict[tuple[int, str, str], int] = defaultdict(int)
    under_way: dict[str, tuple[str, int]] = {}
    credit_minor: dict[tuple[str, str], int] = {}
    for event in world.events:
        if event["type"] == "wallet.limits_set":
            for asset, terms in event["wallet"].get("limits", {}).items():
                credit_minor[event["wallet_id"], asset] = terms.get("credit_limit_minor", 0)
        _audit_journal(event, balances, credit_minor)
        through = [entry for entry in event.get("entries", ()) if entry["account"] == "system/transit"]
        if not through:
            continue
        if event["type"] == "transaction.processed":
            under_way[event["transaction_id"]] = through[0]["asset"], through[0]["credit_minor"]
        else:
            assert event["type"] == "transfer.received" or (event["type"], event["from_state"]) == COMPENSATED
            del under_way[event["transaction_id"]]
    sums, transit, sagas = Counter[str](), Counter[str](), Counter[str]()
    for (_, account, asset), balance_minor in balances.items():
        sums[asset] += balance_minor
        if account == "system/transit":
            transit[asset] += balance_minor
    for asset, amount_minor in under_way.values():
        sagas[asset] += amount_minor
    assert not any(sums.values()), f"the accounts do not sum to zero: {sums}"
    assert transit == sagas, f"transit {transit} is not what the open sagas hold, {sagas}"
    assert _held(world) == balances, "wallet-balances differs from the journals"


def _audit_journal(
    event: Json, balances: dict[tuple[int, str, str], int], credit_minor: dict[tuple[str, str], int]
) -> None:
    """The journal balances, the balances in the event are those after it, and the path is legal."""
    sums: Counter[str] = Counter()
    moved: Counter[tuple[str, str]] = Counter()
    for entry in event.get("entries", ()):
        minor = entry.get("credit_minor", 0) - entry.get("debit_minor", 0)
        sums[entry["asset"]] += minor
        moved[entry["account"], entry["asset"]] += minor
    for (account, asset), minor in moved.items():
        balances[event["_partition"], account, asset] += minor
        after_minor = balances[event["_partition"], account, asset]
        lowest_minor = -credit_minor.get((account.partition("/")[0], asset), 0)
        if minor < 0 and after_minor < lowest_minor and not event.get("forced"):
            assert account.startswith("system/"), f"{account} goes below its limit unforced: {event}"
    assert not any(sums.values()), f"debits and credits differ: {event}"
    for after in event.get("balances", ()):
        assert balances[event["_partition"], after["account"], after["asset"]] == after["balance_minor"], event
        assert INT64_MIN <= after["balance_minor"] <= INT64_MAX, f"a balance has left int64: {event}"
    if event.get("path") and event["type"] != "transfer.refused":
        assert is_legal_path(event["operation"], tuple(event["path"])), event["path"]


def _held(world: World) -> dict[tuple[int, str, str], int]:
    return {
        (index, one["account"], one["asset"]): one["balance_minor"]
        for (index, _), read in world.holdings.items()
        for one in read["accounts"]
    }


def audit_fold(world: World) -> None:
    """The state that the batches left is, byte for byte, what folding the event log from its start gives."""
    for shard in world.shards:
        store = DictStore()
        state = Overlay(world.machine.tables, store)
        for value in shard.log:
            if is_seal(value):
                store.write(changes_of(state), Mark(0, value))
                state.settle()
                forget_old_buckets(state, store, unix_ms(decode_seal(value).partition_time))
            else:
                world.machine.fold(state, value)
        assert _filled(store) == _filled(shard.store)
        audit_state(store)


def _filled(store: DictStore) -> dict[str, dict[str, bytes]]:
    """The tables of a store that hold anything."""
    return {name: rows for name, rows in store.rows.items() if rows}
