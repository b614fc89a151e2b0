"""Every command on a transaction asked for again: the same one is answered as before, another one moves nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest

from schemas.clock import rfc3339
from schemas.commands import OPERATIONS
from schemas.lifecycle import TRANSITIONS, State, Verb
from schemas.topics import FX_RATES, TIERS
from tests.ledger.audit import audit, audit_fold
from tests.ledger.commands import Json, command, credit, operator
from tests.ledger.lifecycle.stage import RATE, Seen, Stage
from tests.ledger.lifecycle.verbs import FIELDS, asked
from tests.ledger.lifecycle.ways import WAYS
from tests.ledger.test_bad_input import money_of
from tests.ledger.world import DAY_MS, OPERATORS, START_MS

#: Verb -> operation, variant and state of what it is done to.
DONE_TO: dict[Verb, tuple[str, str, State]] = {
    Verb.CAPTURE: ("authorize", "held", State.PROCESSED),
    Verb.RELEASE: ("authorize", "held", State.PROCESSED),
    Verb.CANCEL: ("debit", "deferred", State.PROCESSED),
    Verb.SUBMIT: ("credit", "deferred", State.PROCESSED),
    Verb.SETTLE: ("credit", "deferred", State.PROCESSED),
    Verb.FAIL: ("debit", "deferred", State.PROCESSED),
    Verb.RETURN: ("credit", "instant", State.SETTLED),
    Verb.REFUND: ("transfer", "away", State.SETTLED),
    Verb.DISPUTE: ("debit", "instant", State.SETTLED),
    Verb.RESOLVE: ("dispute", "of a credit", State.DISPUTED),
    Verb.REVERSE: ("transfer", "away", State.SETTLED),
    Verb.SCREEN: ("debit", "screened", State.INITIATED),
}
OTHER_ID = "f" * 32
LATER = rfc3339(START_MS + DAY_MS)
ITEMS: list[Json] = [
    {"operation": "credit", "amount_minor": 5, "asset": "EUR"},
    {"operation": "convert", "amount_minor": 5, "asset": "EUR", "to_asset": "USD"},
]
ENABLE: Json = {"operation": "enable_asset", "asset": "JPY"}
MORE: Json = {"operation": "credit", "amount_minor": 5_000, "asset": "EUR"}
_MONEY: Json = {"amount_minor": 60, "asset": "EUR"}
#: What begins a transaction, or changes a wallet.
FIRST: dict[str, Json] = {
    "authorize": {**_MONEY, "expires_in_s": 9},
    "adjust": {**_MONEY, "from_account": "system/suspense", "to_account": "system/writeoffs"},
    "credit": _MONEY,
    "debit": _MONEY,
    "transfer": {**_MONEY, "to_asset": "USD", "rate_id": "r-1", "min_to_amount_minor": 66},
    "convert": {**_MONEY, "to_asset": "USD", "rate_id": "r-1", "min_to_amount_minor": 66},
    "fee": {**_MONEY, "code": "monthly"},
    "reward": {**_MONEY, "code": "welcome", "expires_in_s": 60},
    "batch": {"items": ITEMS},
    "set_limits": {"limits": {"EUR": {"day": {"count": 5, "sum_minor": 5}}}},
    "set_tier": {"tier": "basic"},
}
BASIC: Json = {"name": "basic", "version": 1, "limits": {}}
#: Every field that a command may have beside those of all commands, and another value of it.
OTHERS: dict[str, dict[str, Any]] = {
    "capture": {"transaction_id": OTHER_ID, "amount_minor": 3, "final": True, "rail": "sepa", "to_wallet_id": "bob"},
    "release": {"transaction_id": OTHER_ID, "sub_wallet": "main"},
    "cancel": {"transaction_id": OTHER_ID, "sub_wallet": "savings"},
    "submit": {"transaction_id": OTHER_ID, "batch_id": "b-2"},
    "settle": {
        "transaction_id": OTHER_ID,
        "rail_reference": "other",
        "settled_minor": 1,
        "rail_fee_minor": 0,
        "value_date": "2026-01-05",
    },
    "fail": {"transaction_id": OTHER_ID, "code": "AC01"},
    "return": {"transaction_id": OTHER_ID, "amount_minor": 1, "rail_reference": "other", "code": "AC01"},
    "refund": {"transaction_id": OTHER_ID, "amount_minor": 11},
    "dispute": {"transaction_id": OTHER_ID, "amount_minor": 11, "reason": "other"},
    "resolve_dispute": {"transaction_id": OTHER_ID, "won": False, "evidence_ref": "case"},
    "screening_verdict": {"transaction_id": OTHER_ID, "verdict": "deny", "rule_ids": ["other"], "alert_id": "a-2"},
    "reverse": {"transaction_id": OTHER_ID, "rail_reference": "other", "reason_code": "other"},
    "authorize": {"amount_minor": 1, "asset": "USD", "expires_in_s": 2, "sub_wallet": "savings"},
    "adjust": {
        "amount_minor": 1,
        "asset": "USD",
        "from_account": "system/fees",
        "to_account": "system/fx",
        "exception_id": "e-2",
        "approved_by": "vera",
    },
    "credit": {"amount_minor": 1, "asset": "USD", "rail": "sepa", "instrument_ref": "card", "execute_at": LATER},
    "debit": {"amount_minor": 1, "asset": "USD", "rail": "sepa", "instrument_ref": "card", "execute_at": LATER},
    "transfer": {
        "amount_minor": 1,
        "asset": "JPY",
        "to_wallet_id": "bob",
        "to_sub_wallet": "savings",
        "to_asset": "JPY",
        "rate_id": "r-2",
        "min_to_amount_minor": 2,
        "execute_at": LATER,
    },
    "convert": {
        "amount_minor": 1,
        "asset": "JPY",
        "to_asset": "JPY",
        "rate_id": "r-2",
        "min_to_amount_minor": 2,
        "execute_at": LATER,
    },
    "fee": {"amount_minor": 1, "asset": "USD", "code": "other", "execute_at": LATER},
    "reward": {"amount_minor": 1, "asset": "USD", "code": "other", "expires_in_s": 61},
    "batch": {"items": [*ITEMS, ITEMS[0]]},
    "set_limits": {
        "limits": {"EUR": {"day": {"count": 5, "sum_minor": 6}}},
        "over_capture_bps": 1,
        "refunds_below_zero": True,
        "evidence_ref": "case",
    },
    "set_tier": {"tier": "gold"},
}
#: Rejections that are not of a transaction: what is asked for, its code and field, and what makes it possible.
REJECTED: dict[str, tuple[Json, str, str, Json]] = {
    "credit": ({"asset": "JPY"}, "asset_not_enabled", "asset", ENABLE),
    "debit": ({"amount_minor": 2_000}, "insufficient_funds", "amount_minor", MORE),
    "transfer": ({"amount_minor": 2_000}, "insufficient_funds", "amount_minor", MORE),
    "convert": ({"min_to_amount_minor": 1_000}, "rate_moved", "min_to_amount_minor", MORE),
    "fee": ({"amount_minor": 2_000}, "insufficient_funds", "amount_minor", MORE),
    "reward": ({"asset": "JPY"}, "asset_not_enabled", "asset", ENABLE),
    "batch": (
        {"items": [{"operation": "credit", "amount_minor": 1, "asset": "JPY"}]},
        *("asset_not_enabled", "items.0.asset", ENABLE),
    ),
    "set_limits": ({"approved_by": "olga"}, "four_eyes", "approved_by", MORE),
    "set_tier": ({"tier": "gold"}, "illegal_transition", "tier", MORE),
}


def done(operation: str) -> tuple[Stage, Json]:
    """A ledger, and a command of this operation that it will accept."""
    if operation in FIELDS:
        of, variant, state = DONE_TO[Verb(operation)]
        way, stage = WAYS[of][variant], Stage()
        seen: Seen = way.begin(stage)
        for step in way.steps[state]:
            step(stage, seen)
        return stage, asked(Verb(operation), seen)
    stage = Stage()
    stage.world.machine.refer(TIERS, "basic", json.dumps(BASIC).encode())
    make = operator if operation in OPERATORS else command
    fields = {**FIRST[operation]}
    if operation == "transfer":
        fields["to_wallet_id"] = stage.bert
    return stage, make(operation, stage.alice, **fields)


def test_every_command_on_money_is_asked_again() -> None:
    assert DONE_TO.keys() == FIELDS.keys()
    assert OTHERS.keys() == TRANSITIONS.keys() | {verb.value for verb in FIELDS} | {"set_limits", "set_tier"}
    assert OTHERS.keys() == FIRST.keys() | {verb.value for verb in FIELDS}


@pytest.mark.parametrize("operation", OTHERS)
def test_every_field_of_its_own_is_tried(operation: str) -> None:
    _, model = OPERATIONS[operation]
    common = {"operation", "idempotency_key", "wallet_id", "sub_wallet", "request_id", "occurred_at", "partner_id"}
    common |= {"metadata", "references", "device", "requested_by", "approved_by", "reason_code", "evidence_ref"}
    assert model.model_fields.keys() - common - {"to_sub_wallet"} <= OTHERS[operation].keys()


@pytest.mark.parametrize("operation", OTHERS)
def test_the_same_command_again_is_answered_again(operation: str) -> None:
    stage, again = done(operation)
    first = stage.do(again)
    before, events = money_of(stage.world), len(stage.world.events)
    for extra in ({}, {"request_id": "r-2"}, {"occurred_at": "2026-01-01T00:00:00Z", "device": {"ip": "192.0.2.1"}}):
        answer = stage.world.submit({**again, **extra})
        assert answer["replayed"] is True
        for field in ("transaction_id", "code", "state", "balances", "status", "operation"):
            assert answer.get(field) == first.get(field), field
    kinds = {event["type"] for event in stage.world.events[events:]}
    assert kinds == {"request.replayed", "batch.sealed"}
    assert money_of(stage.world) == before
    audit(stage.world)
    audit_fold(stage.world)


@pytest.mark.parametrize(
    ("operation", "field"), [(operation, field) for operation, others in OTHERS.items() for field in others]
)
def test_another_command_under_the_key_moves_nothing(operation: str, field: str) -> None:
    stage, first = done(operation)
    stage.do(first)
    before = money_of(stage.world)
    answer = stage.world.submit({**first, field: OTHERS[operation][field]})
    assert (answer["code"], answer["field"]) == ("idempotency_mismatch", field)
    assert money_of(stage.world) == before
    audit(stage.world)


@pytest.mark.parametrize("operation", sorted(verb.value for verb in FIELDS))
def test_a_rejection_is_answered_again_though_it_would_be_possible_now(operation: str) -> None:
    stage, possible = done(operation)
    lacking = {**possible, "transaction_id": OTHER_ID}
    first = stage.world.submit(lacking)
    assert (first["code"], first["field"]) == ("transaction_not_found", "transaction_id")
    again = stage.world.submit(lacking)
    assert (again["code"], again["replayed"], again["current_code"]) == (first["code"], True, first["code"])
    assert stage.world.submit(possible)["code"] == "idempotency_mismatch"
    stage.do({**possible, "idempotency_key": "another"})


@pytest.mark.parametrize("operation", REJECTED)
def test_any_rejection_is_answered_again_though_it_would_be_possible_now(operation: str) -> None:
    fields, code, field, then = REJECTED[operation]
    stage, possible = done(operation)
    refused = {**possible, **fields}
    first = stage.world.submit(refused)
    assert (first["code"], first["field"]) == (code, field)
    stage.do(command(wallet_id=stage.alice, **then))
    before = money_of(stage.world)
    again = stage.world.submit(refused)
    assert (again["code"], again["field"], again["replayed"]) == (code, field, True)
    assert (again["message"], again["current_code"]) == (first["message"], code)
    assert stage.world.submit(possible)["code"] == "idempotency_mismatch"
    assert money_of(stage.world) == before
    stage.do({**possible, "idempotency_key": "another"})
    audit(stage.world)
    audit_fold(stage.world)


@pytest.mark.parametrize("operation", ["convert", "transfer", "batch"])
def test_what_had_no_rate_may_be_tried_again(operation: str) -> None:
    stage, possible = done(operation)
    stage.world.machine.refer(FX_RATES, "r-1", None)
    first = stage.world.submit(possible)
    assert first["code"] == "rate_unavailable"
    stage.world.machine.refer(FX_RATES, "r-1", json.dumps(RATE).encode())
    answer = stage.world.submit(possible)
    assert (answer["code"], answer.get("replayed", False)) == ("ok", False)
    audit(stage.world)


@pytest.mark.parametrize("operation", ["credit", "debit", "transfer", "convert", "fee"])
def test_what_was_scheduled_is_asked_for_again(operation: str) -> None:
    """Before its time and after it: the first answer, and how far it has come since."""
    stage, now = done(operation)
    later = {**now, "execute_at": LATER}
    first = stage.do(later)
    assert first["state"] == "initiated"
    again = stage.world.submit(later)
    assert (again["replayed"], again["state"], again["current_state"]) == (True, "initiated", "initiated")
    assert stage.world.submit(now)["field"] == "execute_at"
    stage.world.wait(DAY_MS)
    again = stage.world.submit(later)
    assert (again["transaction_id"], again["state"]) == (first["transaction_id"], "initiated")
    # What is asked again is answered from what is remembered; another command of the wallet does what is due.
    stage.do(credit(stage.alice, 1))
    assert stage.world.submit(later)["current_state"] == "settled"
    audit(stage.world)
    audit_fold(stage.world)


@pytest.mark.parametrize(
    ("first", "again"),
    [
        ({"execute_at": "2026-01-02T00:00:00Z"}, {"execute_at": "2026-01-02T00:00:00.000Z"}),
        ({"items": ITEMS}, {"items": [{**item, "sub_wallet": "main"} for item in ITEMS]}),
        ({"items": [ITEMS[0]]}, {"items": [{**ITEMS[0], "rail": "instant", "instrument_ref": None}]}),
        ({"limits": {"EUR": {"day": {"count": 5}}}}, {"limits": {"EUR": {"day": {"sum_minor": None, "count": 5}}}}),
    ],
    ids=str,
)
def test_the_same_in_other_words_is_the_same_command(first: Json, again: Json) -> None:
    operation = {"execute_at": "fee", "items": "batch", "limits": "set_limits"}[next(iter(first))]
    stage, asked_for = done(operation)
    stage.do({**asked_for, **first})
    assert stage.world.submit({**asked_for, **again})["replayed"] is True
