"""What rejections say: a sentence that names what is wrong, and the field."""

from __future__ import annotations

import json

import pytest

from schemas.topics import FRAUD_COMMANDS, INTERNAL_COMMANDS, TRANSACTION_REQUESTS
from tests.ledger.bad_input import GOOD, encode
from tests.ledger.commands import Json, command, credit, debit, open_wallet, operator, release, set_state, transfer
from tests.ledger.test_bad_input import opened
from tests.ledger.test_bad_internal import ANSWER, FORWARD, LEG, tell
from tests.ledger.world import World

QUARANTINED = "the wallet is under quarantine until an operator releases it"
SAVINGS = {"sub_wallet": "savings", "kind": "savings"}
ADJUSTED: Json = {"from_account": "system/fees", "to_account": "system/fx", "amount_minor": 1, "asset": "EUR"}


@pytest.fixture
def world() -> World:
    """Wallets `alice` (100 EUR), `locked`, `disabled`, `closed` and `ill`, which is quarantined."""
    world = opened()
    for wallet_id in ("locked", "disabled", "closed", "ill"):
        assert world.submit(open_wallet(wallet_id))["code"] == "ok"
    escrow = {"sub_wallet": "deal", "kind": "escrow", "payee_wallet_id": "bob"}
    assert world.submit(command("open_sub_wallet", "alice", **escrow))["code"] == "ok"
    for state in ("locked", "disabled", "closed"):
        assert world.submit(set_state(state, state))["code"] == "ok"
    world.machine.fails = lambda record, _context: record.key == b"ill"
    assert world.submit(credit("ill", 1))["code"] == "internal_error"
    world.machine.fails = lambda _record, _context: False
    return world


REJECTIONS: list[tuple[Json, str, str | None, str]] = [
    (credit("alice", 0), "amount_out_of_range", "amount_minor", "an amount is between 1 and 2^63 - 1"),
    (credit("alice", 2**63 - 1), "amount_out_of_range", "amount_minor", "a balance would leave int64"),
    (credit("nobody", 1), "wallet_not_found", "wallet_id", "no wallet has this id"),
    (open_wallet("alice"), "wallet_exists", "wallet_id", "a wallet of this id exists"),
    (open_wallet("new", "EUR", "XXX"), "asset_unknown", "assets", "no asset 'XXX' is known"),
    (credit("alice", 1, sub_wallet="x"), "sub_wallet_not_found", "sub_wallet", "the wallet has no sub-wallet 'x'"),
    (debit("locked", 1), "wallet_locked", None, "the wallet is locked: money may come in, none may leave"),
    (credit("disabled", 1), "wallet_disabled", None, "the wallet is disabled"),
    (credit("closed", 1), "wallet_closed", None, "the wallet is closed"),
    (credit("ill", 1), "wallet_quarantined", None, QUARANTINED),
    (command("open_sub_wallet", "ill", **SAVINGS), "wallet_quarantined", None, QUARANTINED),
    (command("open_sub_wallet", "closed", **SAVINGS), "wallet_closed", None, "the wallet is closed"),
    (command("open_sub_wallet", "disabled", **SAVINGS), "wallet_disabled", None, "the wallet is disabled"),
    (
        command("open_sub_wallet", "alice", sub_wallet="main", kind="main"),
        "wallet_exists",
        "sub_wallet",
        "the wallet has a sub-wallet 'main'",
    ),
    (credit("alice", 1, "XXX"), "asset_unknown", "asset", "no asset 'XXX' is known"),
    (command("enable_asset", "alice", asset="XXX"), "asset_unknown", "asset", "no asset 'XXX' is known"),
    (credit("alice", 1, "CHF"), "asset_not_enabled", "asset", "the wallet does not hold CHF"),
    (credit("alice", 1, rail="swift"), "rail_unknown", "rail", "no rail 'swift' is configured"),
    (debit("alice", 101), "insufficient_funds", "amount_minor", "available 100, needed 101"),
    (set_state("closed", "active"), "wallet_closed", "state", "a closed wallet stays closed"),
    (set_state("alice", "closed"), "illegal_transition", "state", "alice/main/available EUR holds 100"),
    (
        set_state("alice", "locked", approved_by="Olga\u200b"),
        "four_eyes",
        "approved_by",
        "requested_by and approved_by are the same person",
    ),
    (release("alice"), "illegal_transition", "wallet_id", "the wallet is not under quarantine"),
    (
        open_wallet("new", sub_wallet="savings"),
        "malformed",
        "sub_wallet",
        "a wallet is opened with `main`; use open_sub_wallet for others",
    ),
    (open_wallet("system"), "malformed", "wallet_id", "'system' is reserved for system accounts"),
    (transfer("alice", "system", 1), "malformed", "to_wallet_id", "'system' is reserved for system accounts"),
    (
        command("open_sub_wallet", "alice", sub_wallet="e", kind="escrow", payee_wallet_id="system"),
        "malformed",
        "payee_wallet_id",
        "'system' is reserved for system accounts",
    ),
    (
        command("open_sub_wallet", "alice", sub_wallet="e", kind="escrow"),
        "malformed",
        "payee_wallet_id",
        "an escrow names the wallet that it may pay",
    ),
    (
        command("open_sub_wallet", "alice", sub_wallet="s", kind="savings", payee_wallet_id="bob"),
        "malformed",
        "payee_wallet_id",
        "only an escrow names the wallet that it may pay",
    ),
    (
        command("open_sub_wallet", "alice", sub_wallet="s", kind="main"),
        "malformed",
        "kind",
        "only `main` is of the kind main, and it is opened with the wallet",
    ),
    (
        set_state("alice", "locked", sub_wallet="savings"),
        "malformed",
        "sub_wallet",
        "set_wallet_state is of the whole wallet; sub_wallet is `main` or left out",
    ),
    (
        debit("alice", 101, sub_wallet="deal"),
        "illegal_transition",
        "sub_wallet",
        "'deal' is an escrow: money leaves it only as a transfer to the wallet 'bob'",
    ),
    (
        transfer("alice", "carol", 1, sub_wallet="deal"),
        "illegal_transition",
        "to_wallet_id",
        "'deal' is an escrow: money leaves it only as a transfer to the wallet 'bob'",
    ),
    (
        credit("alice", 1, occurred_at="2026-02-30T00:00:00Z"),
        "malformed",
        "occurred_at",
        "There is no such day in the calendar",
    ),
    (transfer("alice", "alice", 1), "malformed", "to_sub_wallet", "payer and payee are the same sub-wallet"),
    (command("fly", "alice"), "malformed", "operation", "`operation` is missing or names no operation of this topic"),
    (command("credit", "alice", amount_minor=1), "malformed", "asset", "Field required"),
    (
        command("batch", "alice", items=[{"operation": "credit", "amount_minor": 0, "asset": "EUR"}]),
        "amount_out_of_range",
        "items.0.amount_minor",
        "an amount is between 1 and 2^63 - 1",
    ),
    (
        operator("adjust", "alice", **{**ADJUSTED, "to_account": "system/fees"}),
        "malformed",
        "to_account",
        "both accounts are the same",
    ),
    (
        operator("adjust", "alice", sub_wallet="deal", **ADJUSTED),
        "malformed",
        "sub_wallet",
        "adjust is of the whole wallet; sub_wallet is `main` or left out",
    ),
]


@pytest.mark.parametrize("case", [pytest.param(case, id=f"{case[1]}: {case[3]}") for case in REJECTIONS])
def test_a_rejection_says_why(world: World, case: tuple[Json, str, str | None, str]) -> None:
    asked, code, field, message = case
    answer = world.submit(asked)
    assert (answer["code"], answer.get("field"), answer["message"]) == (code, field, message)
    assert (answer["idempotency_key"], answer["wallet_id"]) == (asked["idempotency_key"], asked["wallet_id"])


@pytest.mark.parametrize(
    ("case", "message"),
    [
        ((None, TRANSACTION_REQUESTS, b"alice"), "the record has no value; a command is a JSON object"),
        ((encode(GOOD), FRAUD_COMMANDS, b"alice"), "`operation` is missing or names no operation of this topic"),
        ((encode(GOOD), TRANSACTION_REQUESTS, b"bob"), "the record's key is not its wallet_id"),
        ((b"[]", TRANSACTION_REQUESTS, b"alice"), "Input should be an object"),
    ],
)
def test_a_record_that_is_refused_says_why(world: World, case: tuple[bytes | None, str, bytes], message: str) -> None:
    value, topic, key = case
    at = world.append(topic, value, key=key, partition=world.owner("alice"))
    world.settle()
    assert world.answer(at)["message"] == message


@pytest.mark.parametrize("operation", ["refund", "release"])
def test_what_contradicts_the_ledger_says_why(world: World, operation: str) -> None:
    held = command("authorize", "alice", amount_minor=1, asset="EUR", expires_in_s=60)
    of = world.submit(debit("alice", 1) if operation == "refund" else held)["transaction_id"]
    answer = world.submit(command(operation, "alice", transaction_id=of, sub_wallet="savings"))
    said = (answer["code"], answer["field"], answer["message"])
    assert said == ("malformed", "sub_wallet", "the transaction is of another sub-wallet; leave sub_wallet out")


def test_why_a_wallet_is_not_empty(world: World) -> None:
    assert world.submit(command("open_sub_wallet", "alice", **SAVINGS))["code"] == "ok"
    assert world.submit(transfer("alice", "alice", 100, to_sub_wallet="savings"))["code"] == "ok"
    assert world.submit(set_state("alice", "closed"))["message"] == "alice/savings/available EUR holds 100"
    world.put(transfer("alice", "bob", 100, sub_wallet="savings"))
    at = world.put(set_state("alice", "closed"))
    world.decide(world.owner("alice"), 1)
    world.settle()
    assert "transactions" not in world.answer(at)["message"], "operators' commands come first in a batch"
    at = world.put(set_state("bob", "closed"))
    world.settle()
    assert world.answer(at)["message"] == "bob/main/available EUR holds 100"


def test_a_transfer_under_way_is_named(world: World) -> None:
    world.put(transfer("alice", "bob", 100))
    world.decide(world.owner("alice"))
    at = world.put(set_state("alice", "closed"))
    world.decide(world.owner("alice"))
    assert world.answer(at)["message"] == "1 transactions of the wallet are under way"


def test_parked_records_are_named(world: World) -> None:
    if world.owner("ill") == world.owner("alice"):
        payer = "bob"
        assert world.submit(credit("bob", 5))["code"] == "ok"
    else:
        payer = "alice"
    world.submit(transfer(payer, "ill", 5))
    answer = world.submit(set_state("ill", "closed"))
    assert answer["message"] == "1 records wait for the end of its quarantine"


def test_an_operator_command_that_fails(world: World) -> None:
    """It is answered with what can be read of it, and quarantines as any other."""
    world.machine.fails = lambda record, _context: record.key == b"locked"
    answer = world.submit(operator("set_wallet_state", "locked", state="active", request_id="r-1"))
    assert answer["message"] == "the ledger failed on this record (InjectedFault)"
    assert (answer["request_id"], answer["operation"]) == ("r-1", "set_wallet_state")
    world.machine.fails = lambda _record, _context: False
    assert world.submit(credit("locked", 1))["code"] == "wallet_quarantined"


@pytest.mark.parametrize(
    ("value", "field", "message"),
    [
        (encode({**LEG, "amount_minor": 0}), "amount_minor", "an amount is between 1 and 2^63 - 1"),
        (encode({**FORWARD, "source": {**FORWARD["source"], "offset": -1}}), "source", "no record can be there"),
        (b'{"operation":"fly"}', None, "Invalid value 'fly' - at `$.operation`"),
    ],
)
def test_why_an_internal_command_is_unreadable(value: bytes, field: str | None, message: str) -> None:
    world = opened()
    (event,) = world.events_of(tell(world, value))
    assert (event.get("field"), event["message"]) == (field, message)
    read = json.loads(value)
    assert event["operation"] == read["operation"]
    assert event.get("wallet_id") == read.get("wallet_id")


TICK = b'{"operation":"tick","due_at_ms":1}'


@pytest.mark.parametrize(
    "value", [encode(FORWARD), encode({**ANSWER, "wallet_id": "x"}), b'{"operation":"tick"}', TICK]
)
def test_an_internal_command_that_fails_names_the_error(value: bytes) -> None:
    world = opened()
    world.machine.fails = lambda _record, context: context.topic == INTERNAL_COMMANDS
    (event,) = world.events_of(tell(world, value))
    assert event["message"] == "the ledger failed on this record (InjectedFault)"
    expected = json.loads(FORWARD["value"]) if value == encode(FORWARD) else json.loads(value)
    assert event.get("wallet_id") == expected.get("wallet_id")
    assert event["operation"] == expected["operation"]
    assert event["cause"].get("origin") == (FORWARD["source"] if value == encode(FORWARD) else None)
