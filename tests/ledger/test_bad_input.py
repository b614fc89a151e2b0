"""Every bad record is answered as the wire's contract says, kept as it was where that is due, and changes nothing."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from schemas.dead_letters import read_dead_letter_headers
from schemas.lifecycle import TRANSITIONS
from schemas.topics import FX_RATES
from streams.dead_letters import APP_VERSION
from tests.ledger.audit import audit, audit_fold
from tests.ledger.bad_batches import BATCH_CASES
from tests.ledger.bad_input import CASES as REQUEST_CASES
from tests.ledger.bad_input import OTHER, WALLET, Bad
from tests.ledger.bad_transactions import GOOD_FIELDS, TRANSACTION_CASES
from tests.ledger.commands import Json, credit, open_wallet
from tests.ledger.lifecycle.stage import RATE, REFERENCE
from tests.ledger.lifecycle.verbs import FIELDS
from tests.ledger.world import Position, World

CASES = [*REQUEST_CASES, *TRANSACTION_CASES, *BATCH_CASES]
#: A yen for a hundred euros.
_DEAR: Json = {**RATE, "rate_id": "dear", "quote": "JPY", "bid": "0.01", "ask": "0.02"}
WITH_A_DEAR_RATE = REFERENCE.with_record(FX_RATES, "dear", json.dumps(_DEAR).encode())
NAMES = {case.name for case in CASES}
IDENTITY = ("wallet_id", "idempotency_key", "request_id", "operation")
#: An answer is small whatever it answers.
LARGEST_ANSWER = 4_096


def opened() -> World:
    """A world with a wallet that has money, alone in its partition."""
    world = World(2, reference=WITH_A_DEAR_RATE)
    assert world.owner(WALLET) != world.owner(OTHER)
    for command in (
        open_wallet(WALLET, "EUR", "USD", "JPY"),
        credit(WALLET, 100),
        open_wallet(OTHER, "EUR", "USD", "JPY"),
    ):
        assert world.submit(command)["code"] == "ok"
    return world


def put(world: World, case: Bad) -> Position:
    """The bad record, in the partition of the wallet that it names."""
    at = world.append(
        case.topic, case.value, key=case.key, headers=case.headers, partition=world.owner(WALLET), at_ms=world.now_ms
    )
    world.settle()
    return at


def money_of(world: World) -> list[Any]:
    """All that a world holds but for the answers that it remembers."""
    return [
        {table: dict(rows) for table, rows in shard.store.rows.items() if not table.startswith("first-events-")}
        for shard in world.shards
    ]


def identity_of(case: Bad) -> Json:
    """Who a record says that it is, as far as another JSON reader can tell; else its key and its `ce_id` count."""
    fields = _fields_of(case.value or b"")
    named = {name: fields[name] for name in IDENTITY if fields and isinstance(fields.get(name), str)}
    found = {name: text for name, text in named.items() if 0 < len(text) <= 255}
    if fields is None and (case.key or b"").decode(errors="replace") in (WALLET, OTHER):
        found["wallet_id"] = (case.key or b"").decode()
    return {**case.said_by_headers, **found}


def _fields_of(value: bytes) -> Json | None:
    """A record's fields; None where it is no object. Python's own reader takes lone surrogates, no other does."""
    try:
        loaded = json.loads(value.decode(), parse_constant=_finite, parse_float=_finite)
        json.dumps(loaded, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        return None
    return loaded if isinstance(loaded, dict) else None


def _finite(number: str) -> float:
    """JSON has no NaN and no infinity."""
    if not math.isfinite(float(number)):
        raise ValueError(number)
    return float(number)


@pytest.mark.parametrize("case", [pytest.param(case, id=case.name) for case in CASES])
def test_bad_record(case: Bad) -> None:
    world = opened()
    before = money_of(world)
    at = put(world, case)
    assert money_of(world) == before
    check_event(world, case, at)
    check_answer(world, case, world.answer(at))
    check_dead_letters(world, case, at)
    assert world.submit(credit(WALLET, 1))["balances"][0]["balance_minor"] == 101
    audit(world)
    audit_fold(world)


def check_event(world: World, case: Bad, at: Position) -> None:
    """One event, which names the record, the code and the field."""
    (event,) = world.events_of(at)
    assert event["type"] == ("request.dead_lettered" if case.code == "malformed" else "request.rejected")
    assert event["code"] == case.code
    assert case.field in (..., event.get("field"))
    assert event["_key"] == case.key
    assert not event.get("entries")


def check_answer(world: World, case: Bad, answer: Json) -> None:
    """One answer with what can be read, under the record's own key; small."""
    assert (answer["status"], answer["code"], answer["kind"]) == ("rejected", case.code, "answer")
    assert case.field in (..., answer.get("field"))
    assert 0 < len(answer["message"]) <= 255
    assert (answer["_key"], answer["_partition"]) == (case.key, world.owner(WALLET))
    said = {name: answer[name] for name in IDENTITY if name in answer}
    assert said == identity_of(case)
    assert "transaction_id" not in answer
    assert "state" not in answer
    written = json.dumps({name: value for name, value in answer.items() if name[0] != "_"})
    assert len(written) < LARGEST_ANSWER


def check_dead_letters(world: World, case: Bad, at: Position) -> None:
    """What is malformed is kept with its bytes untouched, and says where it came from."""
    if case.code != "malformed":
        assert world.dead_letters == []
        return
    (letter,) = world.dead_letters
    assert letter.value == case.value
    assert letter.key == case.key
    assert letter.partition == at.partition
    assert list(letter.headers[: len(case.headers)]) == list(case.headers)
    said = read_dead_letter_headers(letter.headers)
    assert (said.reason, said.stage) == ("malformed", "decode")
    assert Position(said.original_topic, said.original_partition, said.original_offset) == at
    assert said.original_timestamp == world.now_ms
    assert said.app_version == APP_VERSION


def test_names_are_unique() -> None:
    assert len(NAMES) == len(CASES)


def test_no_command_on_money_is_left_out() -> None:
    verbs = {verb.value for verb in FIELDS}
    assert GOOD_FIELDS.keys() == verbs | TRANSITIONS.keys() | {"set_limits", "set_tier"}


def test_all_bad_records_in_one_batch() -> None:
    """One batch holds them all, with good ones between: each is answered, and all good ones settle."""
    world = opened()
    bad, good = [], []
    for case in CASES:
        bad.append(
            world.append(case.topic, case.value, key=case.key, headers=case.headers, partition=world.owner(WALLET))
        )
        good.append(world.put(credit(WALLET, 1)))
    world.settle()
    assert [world.answer(at)["code"] for at in good] == ["ok"] * len(good)
    codes = {case.code for case in CASES}
    assert codes >= {"malformed", "key_mismatch", "amount_out_of_range", "transaction_not_found", "rate_moved"}
    assert {world.answer(at)["code"] for at in bad} == codes
    audit(world)
    audit_fold(world)
