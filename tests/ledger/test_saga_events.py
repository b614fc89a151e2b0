"""What partitions tell each other, and what is written when something goes wrong, whole."""

from __future__ import annotations

import json

import pytest

from schemas.topics import INTERNAL_COMMANDS, TRANSACTION_REQUESTS
from tests.ledger.commands import Json, credit, debit, release, transfer
from tests.ledger.expected import (
    ALICE_IN,
    AT,
    BOB_IN,
    DEVICE,
    EXTRAS,
    SETTLED,
    accepted,
    answered,
    cause_of,
    decide,
    own,
    plain,
    posted,
    transaction_id,
    two_wallets,
)
from tests.ledger.world import Position, World


@pytest.fixture
def world() -> World:
    """Two wallets with 100 EUR, `alice` in partition 1 and `bob` in partition 0."""
    return two_wallets()


# ---- a transfer between partitions, step by step ---------------------------------------------------------


def test_a_transfer_between_partitions(world: World) -> None:
    asked = transfer("alice", "bob", 7, **EXTRAS)
    given = {name: EXTRAS[name] for name in ("occurred_at", "references", "metadata")}
    at, event, answer = decide(world, asked)
    journal = posted("alice/main/available", "system/transit", 7, 93, 7)
    payee = {"wallet_id": "bob", "sub_wallet": "main"}
    money = {"amount_minor": 7, "asset": "EUR"}
    path = {"to_state": "processed", "path": ["initiated", "processed"]}
    opening = accepted(asked, at, "transaction.processed", **journal, **money, **path, **given)
    assert event == {**opening, "counterparty": payee, "device": DEVICE}
    assert answer == answered(asked, at, state="processed", balances=own("alice/main/available", 93))

    (leg,) = world.under_way[ALICE_IN, BOB_IN]
    payer = {"wallet_id": "alice", "sub_wallet": "main"}
    identity = {"transaction_id": answer["transaction_id"], "operation": "transfer"}
    leg_fields = {**identity, "operation": "transfer_credit", **payee, **money, "payer": payer, **given}
    assert (leg.key, leg.headers, json.loads(leg.value or b"")) == (b"bob", (), leg_fields)

    world.deliver_all()
    world.decide(BOB_IN)
    there = Position(INTERNAL_COMMANDS, BOB_IN, 0)
    (event,) = world.events_of(there)
    journal = posted("system/transit", "bob/main/available", 7, -7, 107)
    received = {**identity, **payee, **money, **journal, **given, "to_state": "settled", "path": SETTLED, "code": "ok"}
    received |= {"type": "transfer.received", "leg": "credit", "counterparty": payer}
    assert plain(event) == {**received, "cause": there._asdict(), "recorded_at": AT}

    (told,) = world.under_way[BOB_IN, ALICE_IN]
    verdict = {"operation": "transfer_answer", "transaction_id": answer["transaction_id"], "wallet_id": "alice"}
    assert (told.key, json.loads(told.value or b"")) == (b"alice", {**verdict, "accepted": True})

    world.wait(1_000)
    world.deliver_all()
    world.decide(ALICE_IN)
    here = Position(INTERNAL_COMMANDS, ALICE_IN, 0)
    (event,) = world.events_of(here)
    moved = {"from_state": "processed", "to_state": "settled", "path": ["processed", "settled"], "code": "ok"}
    settled = {**identity, **payer, **money, **moved, "type": "transaction.settled", "cause": here._asdict()}
    assert plain(event) == {**settled, "recorded_at": "2026-01-01T00:00:01.000Z"}
    (update,) = world.updates(answer["transaction_id"])
    later = {"kind": "update", "state": "settled", "recorded_at": "2026-01-01T00:00:01.000Z"}
    assert plain(update) == answered(asked, at, **later)
    assert update["_key"] == b"alice"


def test_a_transfer_that_is_given_back(world: World) -> None:
    asked = transfer("alice", "bob", 7, to_sub_wallet="gone", request_id="r-1")
    at, _, answer = decide(world, asked)
    world.deliver_all()
    world.decide(BOB_IN)
    there = Position(INTERNAL_COMMANDS, BOB_IN, 0)
    (event,) = world.events_of(there)
    payer = {"wallet_id": "alice", "sub_wallet": "main"}
    identity = {"transaction_id": answer["transaction_id"], "operation": "transfer"}
    money = {"amount_minor": 7, "asset": "EUR"}
    refused = {**identity, "wallet_id": "bob", "sub_wallet": "gone", **money, "to_state": "failed"}
    refused |= {"type": "transfer.refused", "leg": "credit", "counterparty": payer, "code": "sub_wallet_not_found"}
    refused |= {"path": ["initiated", "failed"], "cause": there._asdict(), "recorded_at": AT}
    assert plain(event) == refused
    (told,) = world.under_way[BOB_IN, ALICE_IN]
    verdict = {"operation": "transfer_answer", "transaction_id": answer["transaction_id"], "wallet_id": "alice"}
    assert json.loads(told.value or b"") == {**verdict, "accepted": False, "code": "sub_wallet_not_found"}

    world.deliver_all()
    world.decide(ALICE_IN)
    here = Position(INTERNAL_COMMANDS, ALICE_IN, 0)
    (event,) = world.events_of(here)
    inverse = {
        "entries": [
            {"account": "alice/main/available", "asset": "EUR", "credit_minor": 7},
            {"account": "system/transit", "asset": "EUR", "debit_minor": 7},
        ],
        "balances": [
            {"account": "alice/main/available", "asset": "EUR", "balance_minor": 100},
            {"account": "system/transit", "asset": "EUR", "balance_minor": 0},
        ],
    }
    said = {"code": "payee_refused", "message": "the payee's wallet answered sub_wallet_not_found"}
    moved = {"from_state": "processed", "to_state": "failed", "path": ["processed", "failed"]}
    failed = {**identity, **payer, **money, **inverse, **moved, **said, "type": "transaction.failed"}
    assert plain(event) == {**failed, "cause": here._asdict(), "recorded_at": AT}
    (update,) = world.updates(answer["transaction_id"])
    balances = own("alice/main/available", 100)
    given_back = answered(asked, at, kind="update", state="failed", status="rejected", balances=balances, **said)
    assert plain(update) == given_back


def test_a_leg_leaves_room_for_what_may_come_back_to_its_payee(world: World) -> None:
    assert world.submit(credit("bob", 2**63 - 1 - 110))["code"] == "ok"
    world.put(transfer("bob", "alice", 20))
    world.decide(BOB_IN)
    for amount_minor in (11, 10):
        world.put(transfer("alice", "bob", amount_minor))
    world.decide(ALICE_IN)
    world.deliver(ALICE_IN, BOB_IN, 2)
    world.decide(BOB_IN)
    first, second = (world.events_of(Position(INTERNAL_COMMANDS, BOB_IN, offset))[0] for offset in (0, 1))
    assert (first["type"], first["code"]) == ("transfer.refused", "amount_out_of_range")
    assert (second["type"], second["balances"][1]["balance_minor"]) == ("transfer.received", 2**63 - 1 - 20)


def test_a_forwarded_request(world: World) -> None:
    asked = credit("alice", 7, request_id="r-1")
    value = json.dumps(asked).encode()
    headers = [("ce_id", b"c-1"), ("other", b"x"), ("ce_subject", b"s")]
    at = world.append(TRANSACTION_REQUESTS, value, key=b"alice", headers=headers, partition=BOB_IN)
    world.decide(BOB_IN)
    (event,) = world.events_of(at)
    cause = cause_of(asked, at)
    del cause["fingerprint"]
    assert plain(event) == {
        "type": "request.forwarded",
        "wallet_id": "alice",
        "operation": "credit",
        "forwarded_to": ALICE_IN,
        "cause": cause,
        "recorded_at": AT,
    }
    (told,) = world.under_way[BOB_IN, ALICE_IN]
    forwarded: Json = {"operation": "forward", "source": at._asdict(), "key": "alice", "value": value.decode()}
    forwarded["headers"] = [["ce_id", "Yy0x"], ["other", "eA=="], ["ce_subject", "cw=="]]
    assert (told.key, json.loads(told.value or b"")) == (b"alice", forwarded)

    world.settle()
    here = Position(INTERNAL_COMMANDS, ALICE_IN, 0)
    (event,) = world.events_of(here)
    assert event["cause"] == {**cause_of(asked, at), **here._asdict(), "origin": at._asdict()}
    assert event["transaction_id"] == transaction_id(asked, TRANSACTION_REQUESTS)
    expected = answered(asked, at, state="settled", balances=own("alice/main/available", 107))
    assert plain(world.answer(at)) == expected


# ---- what is no command, and what goes wrong -------------------------------------------------------------


def test_a_malformed_record(world: World) -> None:
    asked = {**credit("alice", 1.5), "request_id": "r-1"}
    at = world.put(asked)
    world.settle()
    (event,) = world.events_of(at)
    said = {"code": "malformed", "field": "amount_minor", "message": "Input should be a valid integer"}
    identity = {"request_id": "r-1", "idempotency_key": asked["idempotency_key"]}
    base = {"wallet_id": "alice", "operation": "credit", **said, "recorded_at": AT}
    assert plain(event) == {"type": "request.dead_lettered", **base, "cause": {**at._asdict(), **identity}}
    expected = {"kind": "answer", **identity, **base, "status": "rejected", "source": at._asdict()}
    assert plain(world.answer(at)) == expected


def test_quarantine_and_release(world: World) -> None:
    world.machine.fails = lambda _record, context: context.topic == TRANSACTION_REQUESTS
    asked = debit("alice", 1, request_id="r-1")
    at = world.put(asked)
    world.settle()
    (event,) = world.events_of(at)
    said = {"code": "internal_error", "message": "the ledger failed on this record (InjectedFault)"}
    identity = {"request_id": "r-1", "idempotency_key": asked["idempotency_key"]}
    failed = {"wallet_id": "alice", "operation": "debit", **said, "recorded_at": AT}
    assert plain(event) == {"type": "wallet.quarantined", **failed, "cause": {**at._asdict(), **identity}}
    expected = {"kind": "answer", **identity, **failed, "status": "rejected", "source": at._asdict()}
    assert plain(world.answer(at)) == expected

    world.machine.fails = lambda _record, _context: False
    leg = transfer("bob", "alice", 3)
    world.put(leg)
    world.settle()
    there = Position(INTERNAL_COMMANDS, ALICE_IN, 0)
    (event,) = world.events_of(there)
    told = world.shards[ALICE_IN].inputs[INTERNAL_COMMANDS][0].value or b""
    parked = {"source": there._asdict(), "value": told.decode()}
    base: Json = {"wallet_id": "alice", "parked": parked, "cause": there._asdict(), "recorded_at": AT}
    assert plain(event) == {"type": "request.parked", **base}

    order = release("alice")
    at = world.put(order)
    world.settle()
    event, received = world.events_of(at)
    assert plain(event) == accepted(order, at, "wallet.released")
    assert plain(world.answer(at)) == answered(order, at)
    assert received["cause"] == {**at._asdict(), "origin": there._asdict()}
    assert (received["type"], received["amount_minor"]) == ("transfer.received", 3)


def test_a_leg_that_the_ledger_fails_on(world: World) -> None:
    world.machine.fails = lambda _record, context: context.topic == INTERNAL_COMMANDS
    world.submit(transfer("bob", "alice", 3))
    there = Position(INTERNAL_COMMANDS, ALICE_IN, 0)
    (event,) = world.events_of(there)
    told = world.shards[ALICE_IN].inputs[INTERNAL_COMMANDS][0].value or b""
    parked = {"source": there._asdict(), "value": told.decode()}
    base = {"wallet_id": "alice", "code": "internal_error", "parked": parked, "recorded_at": AT}
    assert plain(event) == {"type": "wallet.quarantined", **base, "cause": there._asdict()}


def test_a_leg_again(world: World) -> None:
    sent = world.submit(transfer("alice", "bob", 3))
    told = world.shards[BOB_IN].inputs[INTERNAL_COMMANDS][0]
    at = world.append(INTERNAL_COMMANDS, told.value, key=told.key, partition=BOB_IN)
    world.settle()
    (event,) = world.events_of(at)
    identity = {"wallet_id": "bob", "transaction_id": sent["transaction_id"], "operation": "transfer", "code": "ok"}
    assert plain(event) == {"type": "request.replayed", **identity, "cause": at._asdict(), "recorded_at": AT}
    first, second = (record.value for record in world.shards[ALICE_IN].inputs[INTERNAL_COMMANDS])
    assert first == second, "the payer is told the same again"
    (event,) = world.events_of(Position(INTERNAL_COMMANDS, ALICE_IN, 1))
    identity["wallet_id"] = "alice"
    assert plain(event) == {"type": "request.replayed", **identity, "cause": event["cause"], "recorded_at": AT}
    assert len(world.updates(sent["transaction_id"])) == 1
