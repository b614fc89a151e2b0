"""Records that are odd but good, and records in the wrong partition."""

from __future__ import annotations

import json

import pytest

from schemas.topics import INTERNAL_COMMANDS, TRANSACTION_REQUESTS
from streams.machine import Headers
from tests.ledger.audit import audit, audit_fold
from tests.ledger.bad_input import GOOD, OTHER, WALLET, encode
from tests.ledger.commands import credit, open_wallet, set_state
from tests.ledger.test_bad_input import opened
from tests.ledger.world import Position, World


def arrive(world: World, value: bytes, *, key: bytes = WALLET.encode(), headers: Headers = ()) -> Position:
    """A record in the partition of WALLET, and everything that follows."""
    at = world.append(TRANSACTION_REQUESTS, value, key=key, headers=headers, partition=world.owner(WALLET))
    world.settle()
    return at


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(b"\n\t " + encode(GOOD) + b"\r\n", id="white space around"),
        pytest.param(encode(GOOD).replace(b"credit", b"cre\\u0064it"), id="escaped letters"),
        pytest.param(json.dumps({**GOOD, "metadata": {"\U0001f600 é\0": "\x7f\0"}}).encode(), id="escaped astral text"),
        pytest.param(
            json.dumps({**GOOD, "metadata": {"\U0001f600": "é"}}, ensure_ascii=False).encode(),
            id="astral text in UTF-8",
        ),
        pytest.param(encode({**GOOD, "idempotency_key": "\U0001f600" * 255}), id="longest key"),
        pytest.param(encode({**GOOD, "idempotency_key": "\0" * 255}), id="key of NULs"),
        pytest.param(encode({**GOOD, "request_id": "\x01" * 200}), id="request id of control characters"),
        pytest.param(
            encode({**GOOD, "metadata": {f"{n:0200}": "\x01" * 200 for n in range(20)}}), id="largest metadata"
        ),
        pytest.param(
            encode({**GOOD, "device": {"latitude": -90, "longitude": 1e-400}}), id="degrees without a fraction"
        ),
        pytest.param(encode({**GOOD, "references": {}, "metadata": {}, "device": {}}), id="empty objects"),
        pytest.param(encode({**GOOD, "partner_id": None, "metadata": None, "references": None}), id="nulls for absent"),
    ],
)
def test_odd_but_good(value: bytes) -> None:
    world = opened()
    answer = world.answer(arrive(world, value))
    assert answer["code"] == "ok", answer
    assert answer["idempotency_key"] == json.loads(value)["idempotency_key"]
    again = world.answer(arrive(world, value))
    assert again.get("replayed")
    audit(world)
    audit_fold(world)


def test_the_last_of_doubled_names_counts() -> None:
    """RFC 8259 leaves it open; here every reader takes the last one, so that answer and journal agree."""
    world = opened()
    value = encode(GOOD)[:-1] + b',"amount_minor":"x","amount_minor":7,"request_id":"r-2","idempotency_key":"bad-2"}'
    answer = world.answer(arrive(world, value))
    assert (answer["code"], answer["request_id"], answer["idempotency_key"]) == ("ok", "r-2", "bad-2")
    assert world.balance(f"{WALLET}/main/available", "EUR") == 107
    spoiled = world.answer(arrive(world, value[:-1] + b',"amount_minor":null}'))
    assert (spoiled["code"], spoiled["request_id"], spoiled["idempotency_key"]) == ("malformed", "r-2", "bad-2")


def test_keys_that_differ_in_a_nul_are_different() -> None:
    world = opened()
    for key in ("a", "a\0", "a\0b", "\0a"):
        assert world.submit(credit(WALLET, 1, key=key)).get("replayed") is None
    assert world.balance(f"{WALLET}/main/available", "EUR") == 104


@pytest.mark.parametrize(
    ("headers", "request_id"),
    [
        pytest.param([], None, id="none"),
        pytest.param([("ce_id", b"ce-1")], "ce-1", id="ce_id stands in for request_id"),
        pytest.param([("ce_type", b"wallet.transaction-requests.v1"), ("ce_specversion", b"1.0")], None, id="our type"),
        pytest.param([("ce_subject", b""), ("ce_x", b"")], None, id="empty optional attributes"),
        pytest.param([("x", None), ("x", b"\xff"), ("", b""), ("é", b"\0")], None, id="headers of others"),
        pytest.param([("traceparent", b"junk"), ("traceparent", None)], None, id="broken traceparents"),
        pytest.param([("CE_ID", b"\xff"), ("Ce_id", None)], None, id="names are case-sensitive"),
        pytest.param([("dlq.reason", b"malformed")], None, id="replayed dead letter"),
    ],
)
def test_headers_that_do_not_matter(headers: Headers, request_id: str | None) -> None:
    world = opened()
    nameless = {name: value for name, value in GOOD.items() if name != "request_id"}
    answer = world.answer(arrive(world, encode(nameless), headers=headers))
    assert (answer["code"], answer.get("request_id")) == ("ok", request_id)
    assert world.answer(arrive(world, encode(GOOD), headers=headers))["request_id"] == "r-1"


# ---- in the wrong partition ----------------------------------------------------------------------------


def misplaced(world: World, value: bytes, *, key: bytes = WALLET.encode(), headers: Headers = ()) -> Position:
    """A record in the partition of OTHER, and everything that follows."""
    at = world.append(TRANSACTION_REQUESTS, value, key=key, headers=headers, partition=world.owner(OTHER))
    world.settle()
    return at


def test_a_record_in_the_wrong_partition_is_answered_by_the_owner() -> None:
    world = opened()
    headers: Headers = [("ce_id", "ü-1".encode()), ("x", b"\xff"), ("traceparent", b"junk"), ("ce_y", b"")]
    value = encode({name: field for name, field in GOOD.items() if name != "request_id"})
    at = misplaced(world, value, headers=headers)
    (event,) = world.events_of(at)
    assert (event["type"], event["forwarded_to"]) == ("request.forwarded", world.owner(WALLET))
    assert event["_partition"] == world.owner(OTHER)
    answer = world.answer(at)
    assert (answer["code"], answer["state"], answer["request_id"]) == ("ok", "settled", "ü-1")
    assert answer["source"] == {"topic": TRANSACTION_REQUESTS, "partition": world.owner(OTHER), "offset": at.offset}
    assert (answer["_key"], answer["_partition"]) == (WALLET.encode(), world.owner(WALLET))
    settled = next(event for event in world.events if event.get("cause", {}).get("origin"))
    assert settled["cause"]["topic"] == INTERNAL_COMMANDS
    assert settled["cause"]["origin"] == answer["source"]
    assert world.balance(f"{WALLET}/main/available", "EUR") == 110
    audit(world)
    audit_fold(world)


def test_a_doubled_record_in_the_wrong_partition_moves_money_once() -> None:
    world = opened()
    first, second, third = (misplaced(world, encode(GOOD)) for _ in range(3))
    assert world.answer(first).get("replayed") is None
    assert [world.answer(at)["replayed"] for at in (second, third)] == [True, True]
    assert world.answer(second)["transaction_id"] == world.answer(first)["transaction_id"]
    origins = [event["cause"]["origin"]["offset"] for event in world.events if event["type"] == "request.replayed"]
    assert origins == [second.offset, third.offset]
    assert world.balance(f"{WALLET}/main/available", "EUR") == 110


def test_updates_of_a_forwarded_transfer_name_its_first_source() -> None:
    world = opened()
    value = encode({**GOOD, "operation": "transfer", "to_wallet_id": OTHER})
    at = misplaced(world, value)
    answer = world.answer(at)
    assert (answer["code"], answer["state"]) == ("ok", "processed")
    (update,) = world.updates(answer["transaction_id"])
    assert (update["state"], update["source"], update["_key"]) == ("settled", answer["source"], WALLET.encode())
    assert update["request_id"] == "r-1"


def test_what_is_wrong_in_the_wrong_partition_is_answered_there() -> None:
    world = opened()
    malformed = misplaced(world, encode({**GOOD, "amount_minor": 1.5}))
    mismatch = misplaced(world, encode(GOOD), key=b"carol")
    assert world.answer(malformed)["_partition"] == world.owner(OTHER)
    assert world.answer(mismatch)["code"] == "key_mismatch"
    assert {event["type"] for at in (malformed, mismatch) for event in world.events_of(at)} == {
        "request.dead_lettered",
        "request.rejected",
    }
    assert not any(event["type"] == "request.forwarded" for event in world.events)


def test_operator_commands_are_forwarded_and_keep_their_rights() -> None:
    """The topic decides what a record may order, also when it comes by way of another partition."""
    world = opened()
    lock = set_state(WALLET, "locked")
    assert world.submit(lock, partition=world.owner(OTHER))["code"] == "ok"
    on_requests = misplaced(world, encode(lock))
    assert world.answer(on_requests)["code"] == "malformed"
    assert world.submit(open_wallet("carol"), partition=1 - world.owner("carol"))["code"] == "ok"
