"""Whatever is changed of any event is found from the log alone, but for what is listed: a new field takes a stand."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, get_args

import msgspec
import orjson
import pytest

from schemas.events import EVENT_TYPES, LedgerEvent
from streams.seal import is_seal
from tests.ops.verify.every_type import every_type
from tests.ops.verify.honest import Ledger
from tests.ops.verify.story import audit
from tests.ops.verify.tamper import EVENTS, OUTCOMES, forget_inputs, reseal

#: What a requester has said stands in one field each.
_WHOLE: Final = frozenset({"request", "references", "metadata", "device"})
#: Fields of which no part may be missing, or there is no event that can be read.
_WITHOUT_NOTHING: Final = frozenset(
    {"type", "recorded_at", "entries", "balances", "exchange", "fee", "counterparty", "parked"}
)
#: Fields that only inputs and outcomes prove, as long as they are kept: `<field>` or `<type> <field>`.
WHILE_KEPT: Final = frozenset(
    {
        *("cause.request_id", "message", "field", "limit", "limit.frees_up_at", "limit.limit", "limit.name"),
        *("limit.tier", "limit.used"),
        # What could be read of a record that was not decided here.
        *("request.dead_lettered cause.idempotency_key", "request.dead_lettered operation"),
        *("request.dead_lettered wallet_id", "request.forwarded operation"),
        *("wallet.quarantined cause.idempotency_key", "wallet.quarantined operation"),
        # The answer that is said again, of which the auditor keeps no more than a hash.
        *("request.replayed cause.idempotency_key", "request.replayed operation", "request.replayed transaction_id"),
        # What is passed on with a leg, and in old logs was not.
        *("transfer.received occurred_at", "transfer.received parent_transaction_id"),
    }
)
#: Fields that nothing proves.
NEVER: Final = frozenset(
    {
        # No fingerprint covers it.
        *("occurred_at", "device"),
        # Reference data: a rail's terms of screening, the rate, the tier.
        *("transaction.initiated due_at", "exchange.rate_id", "exchange.source", "wallet.tier_set tier"),
        # Of the tier whose limits were seen to, the version.
        "tier",
        # Of the same floor another fraction.
        "exchange.denominator",
        # How a parked record came; its value is proven.
        *("parked.headers", "parked.timestamp_ms"),
        # That a rail has proven a reversal, where old logs do not say so.
        "transaction.settled rail_facts",
    }
)


def _fields(value: Any, at: str = "") -> Iterator[tuple[str, Any, str]]:
    """Every field by its path, with what holds it, and its name there; of lists the first item."""
    for name, inner in value.items():
        path = f"{at}{name}"
        yield path, value, name
        item = inner[0] if inner and isinstance(inner, list) else inner
        if isinstance(item, dict) and name not in _WHOLE:
            yield from _fields(item, f"{path}.")


def _other(value: Any) -> Any:
    """Another value of the same kind."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    if isinstance(value, str):
        is_time = len(value) == 24 and value.endswith("Z")
        return f"{value[:-2]}{(int(value[-2]) + 1) % 10}Z" if is_time else f"{value}x"
    return [*value, *value[-1:]] if isinstance(value, list) else {**value, "x": "x"}


def _tampered(event: dict[str, Any]) -> Iterator[tuple[str, bytes]]:
    """The event with each of its fields changed, and each without which it can still be read removed."""
    value = orjson.dumps(event)
    for number, (path, _, _) in enumerate(_fields(event)):
        if path == "sequence":
            continue
        for remove in (False, True):
            changed = orjson.loads(value)
            _, holder, name = list(_fields(changed))[number]
            if not remove:
                holder[name] = _other(holder[name])
            elif path.partition(".")[0] in _WITHOUT_NOTHING:
                continue
            else:
                del holder[name]
            yield path, orjson.dumps(changed)


def _log_alone(ledger: Ledger) -> dict[str, Any]:
    """Inputs and outcomes are past their retention."""
    ledger.topics[OUTCOMES] = [[] for _ in range(ledger.partitions)]
    return {"retained_from": forget_inputs(ledger), "outcomes_begin": True}


def _is_found(ledger: Ledger, place: tuple[int, int], value: bytes, how: dict[str, Any]) -> bool:
    partition, index = place
    honest = ledger.topics[EVENTS]
    records = list(honest[partition])
    records[index] = records[index]._replace(value=value)
    ledger.topics[EVENTS] = [records if p == partition else list(part) for p, part in enumerate(honest)]
    reseal(ledger, [partition])
    found = bool(audit(ledger, chunk=10_000, **how).counts)
    ledger.topics[EVENTS] = honest
    return found


def _first_of_each_type(ledger: Ledger) -> Iterator[tuple[tuple[int, int], dict[str, Any]]]:
    """For each type the events that have a field which none before had."""
    seen = set[tuple[str, str]]()
    for partition, records in enumerate(ledger.topics[EVENTS]):
        for index, record in enumerate(records):
            if is_seal(record.value or b""):
                continue
            event = orjson.loads(record.value or b"")
            named = {(str(event["type"]), path) for path, _, _ in _fields(event)}
            if not named <= seen:
                yield (partition, index), event
            seen |= named


@pytest.mark.slow
def test_whatever_is_changed_of_an_event_is_found_or_listed() -> None:
    whole, alone = every_type(), every_type()
    assert audit(whole, chunk=10_000).counts == {}
    how = _log_alone(alone)
    assert audit(alone, chunk=10_000, **how).counts == {}
    tried = set[tuple[str, str]]()
    missed: dict[str, set[str]] = {"while kept": set(), "never": set()}
    for place, event in _first_of_each_type(alone):
        new = {path for path, _, _ in _fields(event)} - {path for type_, path in tried if type_ == event["type"]}
        for path, value in _tampered(event):
            if path in new and not _is_found(alone, place, value, how):
                group = "while kept" if _is_found(whole, place, value, {}) else "never"
                name = f"{event['type']} {path}"
                listed = WHILE_KEPT | NEVER
                missed[group].add(path if path in listed and name not in listed else name)
        tried |= {(event["type"], path) for path in new}
    assert sorted(missed["while kept"] ^ WHILE_KEPT) == []
    assert sorted(missed["never"] ^ NEVER) == []


def _of_struct(struct: type[msgspec.Struct], at: str = "") -> Iterator[str]:
    for field in msgspec.structs.fields(struct):
        yield f"{at}{field.name}"
        for part in (field.type, *get_args(field.type)):
            if isinstance(part, type) and issubclass(part, msgspec.Struct):
                yield from _of_struct(part, f"{at}{field.name}.")


def test_the_log_has_every_type_and_every_field() -> None:
    events = [event for _, event in _first_of_each_type(every_type())]
    assert {event["type"] for event in events} == set(EVENT_TYPES) - {"batch.sealed"}
    assert set(_of_struct(LedgerEvent)) <= {path for event in events for path, _, _ in _fields(event)}
