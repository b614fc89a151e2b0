"""What the ledger has once done wrong, and must never do again."""

from __future__ import annotations

from typing import Any

import pytest

from schemas.internal import LegAnswer, encode_internal
from schemas.lifecycle import Verb
from schemas.money import INT64_MAX
from schemas.topics import INTERNAL_COMMANDS
from tests.ledger.commands import Json, credit, debit, operator, transfer
from tests.ledger.lifecycle.stage import HOLD_S, Seen, Stage
from tests.ledger.lifecycle.verbs import asked, by
from tests.ledger.ward import quarantined

NOBODY = Seen("0" * 32, "alice", "alice")


def adjusted(stage: Stage, amount_minor: int, to: str | None = None, **fields: Any) -> Json:
    """Money for alice out of suspense, or an adjustment that differs from it."""
    accounts = {"from_account": "system/suspense", "to_account": to or f"{stage.alice}/main/available"}
    given: Json = {"amount_minor": amount_minor, "asset": "EUR", **accounts, **fields}
    return operator("adjust", stage.alice, **given)


def available(stage: Stage) -> int:
    return stage.world.balance(f"{stage.alice}/main/available", "EUR")


def test_a_bug_behind_a_tick_lets_the_holds_expire() -> None:
    stage = Stage()
    stage.authorize()
    stage.world.wait(HOLD_S * 1_000 + 1)
    tick = stage.world.machine.tick(stage.world.now_ms, 0)
    answer = encode_internal(LegAnswer(transaction_id="0" * 32, wallet_id=stage.bert, accepted=True))
    for key, value in ((tick.key, tick.value), (stage.bert.encode(), answer)):
        stage.world.append(INTERNAL_COMMANDS, value, key=key, partition=0)
    stage.world.machine.fails = lambda record, _context: record.key == stage.bert.encode()
    stage.world.decide(0)
    assert available(stage) == 1_000


@pytest.mark.parametrize("verb", [Verb.RELEASE, Verb.CANCEL, Verb.DISPUTE])
def test_a_forwarded_request_is_refused_under_quarantine(verb: Verb) -> None:
    stage = Stage()
    paid = stage.begin(credit(stage.alice, 60))
    seen = paid if verb is Verb.DISPUTE else stage.authorize()
    quarantined(stage.world, stage.alice)
    assert stage.world.submit(asked(verb, seen), partition=1)["code"] == "wallet_quarantined"


def test_a_capture_to_the_very_same_sub_wallet_is_malformed() -> None:
    stage = Stage()
    captured = asked(Verb.CAPTURE, stage.authorize(), to_wallet_id=stage.alice)
    assert stage.world.submit(captured)["code"] == "malformed"


@pytest.mark.parametrize("fields", [{"settled_minor": 0}, {"rail_fee_minor": -1}, {"settled_minor": 2**63}])
def test_an_amount_of_a_settlement_that_is_out_of_range_comes_first(fields: Json) -> None:
    stage = Stage()
    answer = stage.world.submit(asked(Verb.SETTLE, NOBODY._replace(wallet_id=stage.alice), **fields))
    assert (answer["code"], answer["field"]) == ("amount_out_of_range", next(iter(fields)))


@pytest.mark.parametrize(("to", "code"), [("nobody/main", "wallet_not_found"), ("alice/gone", "sub_wallet_not_found")])
def test_an_adjustment_names_the_account_before_the_asset(to: str, code: str) -> None:
    stage = Stage()
    to = to.replace("alice", stage.alice).replace("nobody", stage.world.name_in(0, "nobody"))
    assert stage.world.submit(adjusted(stage, 1, f"{to}/available", asset="DUCATS"))["code"] == code


def test_a_refund_of_what_is_refunded_exceeds_what_remains() -> None:
    stage = Stage()
    paid = stage.begin(transfer(stage.alice, stage.bert, 60), stage.bert)
    charged = stage.begin(credit(stage.bert, 60))
    for step in (by(Verb.REFUND, amount_minor=60),):
        step(stage, paid)
    stage.do(debit(stage.bert, 60))
    stage.do(asked(Verb.DISPUTE, charged))
    refund = asked(Verb.REFUND, paid)
    del refund["amount_minor"]
    assert stage.world.submit(refund)["code"] == "exceeds_remaining"


def test_a_return_leaves_room_for_what_is_held() -> None:
    stage = Stage()
    paid = stage.begin(debit(stage.alice, 60))
    held = stage.authorize()
    # As much as comes in at all, with 60 held.
    stage.do(adjusted(stage, INT64_MAX - 60 - available(stage)))
    stage.world.submit(asked(Verb.RETURN, paid))
    assert stage.world.submit(asked(Verb.RELEASE, held))["code"] == "ok"


def test_a_reversal_that_is_refused_can_be_tried_again() -> None:
    stage = Stage()
    paid = stage.begin(transfer(stage.alice, stage.bob, 60), stage.bob)
    stage.do(adjusted(stage, INT64_MAX - available(stage)))
    refused = stage.do(asked(Verb.REVERSE, paid))
    assert stage.world.updates(refused["transaction_id"])[-1]["state"] == "failed"
    stage.do(debit(stage.alice, 60))
    assert stage.world.submit(asked(Verb.REVERSE, paid))["code"] == "ok"


def test_a_capture_after_expiry_is_refused_however_much_is_due(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agents.ledger.due.COMMAND_PORTION", 1)
    stage = Stage()
    holds = sorted(stage.authorize() for _ in range(2))
    stage.world.wait(HOLD_S * 1_000)
    # Of the same millisecond they end in the order of their ids, one before each command.
    answer = stage.world.submit(asked(Verb.CAPTURE, holds[1]))
    assert (answer["code"], answer["field"]) == ("hold_expired", "transaction_id")
    assert answer["message"] == "the authorization has expired"


def test_the_fee_of_a_settlement_that_contradicts_the_ledger_is_booked() -> None:
    stage = Stage()
    failed = stage.begin(credit(stage.alice, 60, rail="sepa"))
    by(Verb.FAIL)(stage, failed)
    stage.do(asked(Verb.SETTLE, failed, rail_fee_minor=2))
    assert stage.world.balance("system/fees", "EUR") == -2


def test_an_adjustment_names_no_sub_wallet_but_main() -> None:
    stage = Stage()
    assert stage.world.submit({**adjusted(stage, 1), "sub_wallet": "gone"})["code"] == "malformed"
