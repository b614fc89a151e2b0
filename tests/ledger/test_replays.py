"""Every command on a transaction asked for again: the same one is answered as before, another one moves nothing."""

from __future__ import annotations

from typing import Any

import pytest

from schemas.commands import REQUESTS
from schemas.lifecycle import TRANSITIONS, State, Verb
from tests.ledger.audit import audit, audit_fold
from tests.ledger.commands import Json, command, operator
from tests.ledger.lifecycle.stage import Seen, Stage
from tests.ledger.lifecycle.verbs import FIELDS, asked
from tests.ledger.lifecycle.ways import NOT_TRIED_YET, WAYS
from tests.ledger.test_bad_input import money_of
from tests.ledger.world import TOPIC_OF

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
}
OTHER_ID = "f" * 32
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
    stage, money = Stage(), Json(amount_minor=60, asset="EUR")
    if operation == "authorize":
        return stage, command("authorize", stage.alice, **money, expires_in_s=9)
    accounts = {"from_account": "system/suspense", "to_account": "system/writeoffs"}
    return stage, operator("adjust", stage.alice, **money, **accounts)


def test_every_command_on_money_is_asked_again() -> None:
    assert DONE_TO.keys() == FIELDS.keys()
    before = {"credit", "debit", "transfer", *NOT_TRIED_YET}
    assert OTHERS.keys() == (TRANSITIONS.keys() - before) | {verb.value for verb in FIELDS}


@pytest.mark.parametrize("operation", OTHERS)
def test_every_field_of_its_own_is_tried(operation: str) -> None:
    (model,) = [m for m in REQUESTS[TOPIC_OF[operation]] if m.__name__.lower() == operation.replace("_", "")]
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
