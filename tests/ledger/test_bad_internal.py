"""Internal commands that cannot be read, or that the ledger fails on: kept as they were, and nothing stops."""

from __future__ import annotations

import json
from base64 import b64decode
from hashlib import sha256
from typing import Any, NamedTuple

import pytest

from schemas.dead_letters import REFERENCE_HEAD_BYTES, read_dead_letter_headers
from schemas.topics import INTERNAL_COMMANDS, LEDGER_EVENTS, TRANSACTION_REQUESTS
from tests.ledger.audit import audit, audit_fold
from tests.ledger.bad_input import GOOD, OTHER, WALLET, encode
from tests.ledger.commands import Json, credit, release, transfer
from tests.ledger.test_bad_input import money_of, opened
from tests.ledger.world import Position, World

LEG: Json = {
    "operation": "transfer_credit",
    "transaction_id": "0" * 32,
    "wallet_id": WALLET,
    "sub_wallet": "main",
    "amount_minor": 10,
    "asset": "EUR",
    "payer": {"wallet_id": OTHER, "sub_wallet": "main"},
}
ANSWER: Json = {"operation": "transfer_answer", "transaction_id": "0" * 32, "wallet_id": WALLET, "accepted": True}
PLACE: Json = {"topic": TRANSACTION_REQUESTS, "partition": 1, "offset": 1_000}
FORWARD: Json = {"operation": "forward", "source": PLACE, "key": WALLET, "value": encode(GOOD).decode(), "headers": []}


def leg_with(name: str, raw: bytes) -> bytes:
    """A leg with raw bytes as the value of a field."""
    return encode({**LEG, name: "@@"}).replace(b'"@@"', raw)


UNREADABLE: dict[str, bytes | None] = {
    "null": None,
    "empty": b"",
    "text": b"tick",
    "array": b"[]",
    "bytes": bytes(range(256)),
    "truncated leg": encode(LEG)[:-3],
    "deep in an unknown field": leg_with("x", b"[" * 100_000 + b"]" * 100_000),
    "deep from the start": b"[" * 100_000,
    "no operation": b"{}",
    "unknown operation": encode({**LEG, "operation": "transfer_debit"}),
    "a command of customers": encode(GOOD),
    "leg without payer": encode({name: value for name, value in LEG.items() if name != "payer"}),
    "leg of 0": encode({**LEG, "amount_minor": 0}),
    "leg of -1": encode({**LEG, "amount_minor": -1}),
    "leg of 1.5": encode({**LEG, "amount_minor": 1.5}),
    "leg of 2^63": encode({**LEG, "amount_minor": 2**63}),
    "leg of 2^64": encode({**LEG, "amount_minor": 2**64}),
    "leg of 4,000 digits": leg_with("amount_minor", b"9" * 4_000),
    "leg of 5,000 digits": leg_with("amount_minor", b"9" * 5_000),
    "leg of NaN": leg_with("amount_minor", b"NaN"),
    "invalid UTF-8": leg_with("asset", b'"\xff"'),
    "invalid UTF-8 in an unknown field": leg_with("x", b'"\xff"'),
    "invalid UTF-8 in references": leg_with("references", b'{"order":"\xff"}'),
    "lone surrogate": leg_with("asset", b'"\\ud800"'),
    "answer without a verdict": encode({**ANSWER, "accepted": None}),
    "forward of a foreign place": encode({**FORWARD, "source": {**PLACE, "offset": 2**64}}),
    "forward of a negative place": encode({**FORWARD, "source": {**PLACE, "partition": -1}}),
    "forward without value": encode({**FORWARD, "value": None}),
    "tick of nothing": b'{"operation":"tick","due_at_ms":null}',
}


def tell(world: World, value: bytes | None, key: bytes | None = WALLET.encode()) -> Position:
    """An internal command in the partition of WALLET."""
    headers = [("x", b"\xff"), ("y", None)]
    at = world.append(INTERNAL_COMMANDS, value, key=key, headers=headers, partition=world.owner(WALLET))
    world.settle()
    return at


@pytest.mark.parametrize("value", [pytest.param(value, id=name) for name, value in UNREADABLE.items()])
def test_an_unreadable_internal_command_is_kept_and_changes_nothing(value: bytes | None) -> None:
    world = opened()
    before, outcomes = money_of(world), len(world.outcomes)
    at = tell(world, value)
    (event,) = world.events_of(at)
    assert (event["type"], event["code"]) == ("request.dead_lettered", "malformed")
    assert money_of(world) == before
    assert len(world.outcomes) == outcomes, "nobody asked, so nobody is answered"
    (letter,) = world.dead_letters
    assert (letter.key, letter.value) == (WALLET.encode(), value)
    assert list(letter.headers[:2]) == [("x", b"\xff"), ("y", None)]
    assert read_dead_letter_headers(letter.headers).original_topic == INTERNAL_COMMANDS
    assert world.submit(credit(WALLET, 1))["code"] == "ok"
    audit(world)
    audit_fold(world)


def test_an_unreadable_internal_command_that_the_ledger_fails_on_too() -> None:
    for value in (b"tick", b"[" * 100_000, b'{"operation":"tick","due_at_ms":1}', encode(ANSWER)):
        world = opened()
        wallet_known = {**ANSWER, "wallet_id": "stranger"}
        value = encode(wallet_known) if value == encode(ANSWER) else value
        world.machine.fails = lambda _record, _context: True
        (event,) = world.events_of(tell(world, value))
        assert (event["type"], event["code"]) == ("request.dead_lettered", "internal_error")
        (letter,) = world.dead_letters
        assert letter.value == value
        assert read_dead_letter_headers(letter.headers).stage == "decide"
        audit(world, bugs=1)
        audit_fold(world)


def test_legs_of_unknown_transactions_are_answered() -> None:
    """A leg is executed for whoever asks, once; an answer to a transaction that is not there moves nothing."""
    world = opened()
    (event,) = world.events_of(tell(world, encode(ANSWER)))
    said = (event["type"], event["operation"], event["code"])
    assert said == ("request.replayed", "transfer", "transaction_not_found")
    (event,) = world.events_of(tell(world, encode({**LEG, "wallet_id": "stranger"})))
    assert (event["type"], event["code"]) == ("transfer.refused", "wallet_not_found")
    told = world.shards[world.owner(OTHER)].inputs[INTERNAL_COMMANDS][-1]
    assert json.loads(told.value or b"")["code"] == "wallet_not_found"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        pytest.param({"value": "hello"}, None, id="not JSON"),
        pytest.param({"value": encode({**GOOD, "amount_minor": 1.5}).decode()}, "amount_minor", id="wrong type"),
        pytest.param({"headers": [["ce_id", "YQ=="], ["ce_id", "Yg=="]]}, "ce_id", id="doubled header"),
        pytest.param({"source": {**PLACE, "topic": LEDGER_EVENTS}}, "operation", id="topic without commands"),
        pytest.param({"source": {**PLACE, "topic": "nothing"}}, "operation", id="unknown topic"),
    ],
)
def test_a_forwarded_record_that_is_malformed_at_its_owner(changes: Json, field: str | None) -> None:
    """Partitions of different versions may disagree; the requester gets the answer, the operators the record."""
    world = opened()
    value = encode({**FORWARD, **changes})
    at = tell(world, value)
    (event,) = world.events_of(at)
    source = changes.get("source", PLACE)
    assert (event["type"], event["cause"]["origin"]) == ("request.dead_lettered", source)
    answer = world.answer(Position(source["topic"], source["partition"], source["offset"]))
    assert (answer["code"], answer.get("field"), answer["source"]) == ("malformed", field, source)
    (letter,) = world.dead_letters
    assert letter.value == value
    why = read_dead_letter_headers(letter.headers)
    assert (why.original_topic, why.original_partition, why.original_offset) == at


def test_a_forwarded_record_under_another_key() -> None:
    world = opened()
    tell(world, encode({**FORWARD, "key": OTHER}))
    assert world.outcomes[-1]["code"] == "key_mismatch"
    assert world.outcomes[-1]["source"] == PLACE


# ---- too large for the broker ----------------------------------------------------------------------------


def oversized(world: World, topic: str, value: bytes | None) -> Position:
    """A record that the runtime has found to lead to more than the broker takes."""
    shard = world.shards[world.owner(WALLET)]
    shard.decider.oversized.add((topic, len(shard.inputs[topic])))
    at = world.append(topic, value, key=WALLET.encode(), headers=[("x", b"y")], partition=shard.index)
    world.settle()
    return at


@pytest.mark.parametrize("value", [encode(GOOD), b"\xff" * 100_000, None])
def test_an_oversized_request_is_kept_as_a_reference(value: bytes | None) -> None:
    world = opened()
    before = money_of(world)
    at = oversized(world, TRANSACTION_REQUESTS, value)
    answer = world.answer(at)
    assert (answer["code"], answer["status"]) == ("malformed", "rejected")
    assert answer.get("idempotency_key") == ("bad-1" if value == encode(GOOD) else None)
    assert answer["message"] == "the record, or what it leads to, is too large for the broker"
    assert money_of(world) == before
    _check_reference(world, at, value or b"")
    audit(world)


def test_an_oversized_forwarded_request_is_answered_to_its_first_source() -> None:
    world = opened()
    at = oversized(world, INTERNAL_COMMANDS, encode(FORWARD))
    answer = world.answer(Position(**PLACE))
    assert (answer["code"], answer["idempotency_key"], answer["source"]) == ("malformed", "bad-1", PLACE)
    _check_reference(world, at, encode(FORWARD))


def test_an_oversized_leg_is_parked_with_its_wallet_under_quarantine() -> None:
    world = opened()
    asked = oversized_transfer(world, WALLET)
    (event,) = world.events_of(asked.leg)
    assert (event["type"], event["wallet_id"]) == ("wallet.quarantined", WALLET)
    assert event["parked"]["value"] == asked.told
    assert world.dead_letters == []
    assert world.updates(asked.transaction_id) == [], "the money is under way and waits"
    assert world.submit(credit(WALLET, 1))["code"] == "wallet_quarantined"
    assert world.submit(release(WALLET))["code"] == "ok"
    assert world.updates(asked.transaction_id)[0]["state"] == "settled"
    assert world.balance(f"{WALLET}/main/available", "EUR") == 140
    audit(world)
    audit_fold(world)


def test_an_oversized_leg_to_a_wallet_that_is_not_here_gives_the_money_back() -> None:
    world = opened()
    asked = oversized_transfer(world, world.name_in(world.owner(WALLET), "stranger"))
    (event,) = world.events_of(asked.leg)
    assert (event["type"], event["code"]) == ("transfer.refused", "internal_error")
    assert world.updates(asked.transaction_id)[0]["code"] == "payee_refused"
    assert world.balance(f"{OTHER}/main/available", "EUR") == 100
    assert world.dead_letters == []
    audit(world)
    audit_fold(world)


@pytest.mark.parametrize(("payee", "state"), [(OTHER, "settled"), ("stranger", "failed")])
def test_an_oversized_answer_to_a_leg_is_parked(payee: str, state: str) -> None:
    world = opened()
    shard = world.shards[world.owner(WALLET)]
    shard.decider.oversized.add((INTERNAL_COMMANDS, len(shard.inputs[INTERNAL_COMMANDS])))
    payee = world.name_in(world.owner(OTHER), payee)
    asked = world.submit(transfer(WALLET, payee, 40))
    assert (asked["state"], world.updates(asked["transaction_id"])) == ("processed", [])
    assert world.submit(release(WALLET))["code"] == "ok"
    assert world.updates(asked["transaction_id"])[0]["state"] == state
    assert world.dead_letters == []
    audit(world)
    audit_fold(world)


class Asked(NamedTuple):
    """A transfer whose leg has been found to lead to too much."""

    transaction_id: str
    leg: Position
    told: str


def oversized_transfer(world: World, payee: str) -> Asked:
    """OTHER pays 40 EUR of 100 to a wallet in the partition of WALLET."""
    assert world.submit(credit(OTHER, 100))["code"] == "ok"
    shard = world.shards[world.owner(WALLET)]
    records = shard.inputs[INTERNAL_COMMANDS]
    leg = Position(INTERNAL_COMMANDS, shard.index, len(records))
    shard.decider.oversized.add((INTERNAL_COMMANDS, leg.offset))
    answer = world.submit(transfer(OTHER, payee, 40))
    return Asked(answer["transaction_id"], leg, (records[leg.offset].value or b"").decode())


STRANGERS_ANSWER: Json = {**ANSWER, "wallet_id": "stranger"}


@pytest.mark.parametrize("value", [encode(STRANGERS_ANSWER), b"\xff", None])
def test_an_oversized_internal_command_is_answered_to_nobody(value: bytes | None) -> None:
    world = opened()
    outcomes = len(world.outcomes)
    at = oversized(world, INTERNAL_COMMANDS, value)
    assert len(world.outcomes) == outcomes
    _check_reference(world, at, value or b"")


def _check_reference(world: World, at: Position, value: bytes) -> None:
    (letter,) = world.dead_letters
    reference: dict[str, Any] = json.loads(letter.value or b"")
    head = b64decode(reference.pop("head"))
    assert head == value[:REFERENCE_HEAD_BYTES]
    assert reference == {**at._asdict(), "size_bytes": len(value), "sha256": sha256(value).hexdigest()}
    said = read_dead_letter_headers(letter.headers)
    assert (said.reason, said.stage, said.original_offset) == ("oversized", "write", at.offset)
    assert letter.key == WALLET.encode()
    assert [name for name, _ in letter.headers if not name.startswith("dlq.")] == []
    (event,) = world.events_of(at)
    assert (event["type"], event["code"], event["_key"]) == ("request.dead_lettered", "malformed", WALLET.encode())
    is_forward = value == encode(FORWARD)
    assert event["cause"].get("origin") == (PLACE if is_forward else None)


def test_a_leg_goes_on_after_all_this() -> None:
    world = opened()
    for value in UNREADABLE.values():
        tell(world, value)
    answer = world.submit(transfer(WALLET, OTHER, 40))
    assert world.updates(answer["transaction_id"])[0]["state"] == "settled"
    assert world.balance(f"{OTHER}/main/available", "EUR") == 40
    audit(world)
