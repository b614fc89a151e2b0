"""int64: whatever comes in leaves room for all that may come back - what is held, announced, on its way or disputed."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from schemas.lifecycle import Verb
from schemas.money import INT64_MAX
from tests.ledger.audit import audit, audit_fold
from tests.ledger.bank import FEE, Bank
from tests.ledger.commands import Json, command, credit, debit, operator, transfer
from tests.ledger.lifecycle.stage import AMOUNT_MINOR, Seen, Stage
from tests.ledger.lifecycle.verbs import Step, accept, asked, by, refuse

#: alice has 60 set aside in each of these, or 60 that may come to her.
SET_ASIDE: dict[str, Callable[[Stage], Seen]] = {
    "held": lambda stage: stage.authorize(),
    "incoming": lambda stage: stage.begin(credit(stage.alice, AMOUNT_MINOR, rail="sepa")),
    "outgoing": lambda stage: stage.begin(debit(stage.alice, AMOUNT_MINOR, rail="sepa")),
    "in transit": lambda stage: stage.begin(transfer(stage.alice, stage.bob, AMOUNT_MINOR), stage.bob, deliver=False),
    "disputed, of a credit": lambda stage: disputed(stage, stage.begin(credit(stage.alice, AMOUNT_MINOR))),
    "disputed, of a debit": lambda stage: disputed(stage, stage.begin(debit(stage.alice, AMOUNT_MINOR))),
    "incoming, of a refund": lambda stage: announced_back(stage),
    "captured, outgoing": lambda stage: stage.begin(asked(Verb.CAPTURE, stage.authorize(), rail="sepa")),
}
#: What lets it come back, or come, to what is available.
COMES: dict[str, Step] = {
    "held": by(Verb.RELEASE),
    "incoming": by(Verb.SETTLE),
    "outgoing": by(Verb.FAIL),
    "in transit": refuse,
    "disputed, of a credit": by(Verb.RESOLVE, won=True),
    "disputed, of a debit": by(Verb.RESOLVE, won=True),
    "incoming, of a refund": by(Verb.SETTLE),
    "captured, outgoing": by(Verb.CANCEL),
}


def disputed(stage: Stage, of: Seen) -> Seen:
    """The dispute of all of it."""
    by(Verb.DISPUTE, amount_minor=AMOUNT_MINOR)(stage, of)
    return stage.disputes[of.transaction_id]


def announced_back(stage: Stage) -> Seen:
    """A refund over a rail that settles later."""
    of = stage.begin(debit(stage.alice, AMOUNT_MINOR, rail="sepa"))
    by(Verb.SETTLE)(stage, of)
    return stage.begin(asked(Verb.REFUND, of, amount_minor=AMOUNT_MINOR))


def available(stage: Stage) -> int:
    return stage.world.balance(f"{stage.alice}/main/available", "EUR")


def given(stage: Stage, amount_minor: int) -> Json:
    """Money for alice that does not come over a rail, whose own account would be full too."""
    fields: Json = {"from_account": "system/suspense", "to_account": f"{stage.alice}/main/available", "asset": "EUR"}
    return operator("adjust", stage.alice, amount_minor=amount_minor, **fields)


def fill(stage: Stage, left_minor: int) -> None:
    """Leave so much room in alice's wallet."""
    stage.do(given(stage, INT64_MAX - left_minor - available(stage)), deliver=False)


@pytest.mark.parametrize("name", SET_ASIDE)
def test_room_is_kept_to_the_last_minor_unit(name: str) -> None:
    stage = Stage()
    seen = SET_ASIDE[name](stage)
    fill(stage, AMOUNT_MINOR + 1)
    full = [credit(stage.alice, 2), given(stage, 2), credit(stage.alice, 2, rail="sepa")]
    assert [stage.world.answer(stage.put(one, deliver=False))["code"] for one in full] == ["amount_out_of_range"] * 3
    stage.do(credit(stage.alice, 1), deliver=False)
    assert stage.world.answer(stage.put(credit(stage.alice, 1), deliver=False))["code"] == "amount_out_of_range"
    COMES[name](stage, seen)
    assert available(stage) == INT64_MAX
    audit(stage.world)
    audit_fold(stage.world)


@pytest.mark.parametrize("name", SET_ASIDE)
def test_room_is_kept_from_payers_too(name: str) -> None:
    stage = Stage()
    seen = SET_ASIDE[name](stage)
    fill(stage, AMOUNT_MINOR)
    for payer_id in (stage.bert, stage.bob):
        stage.do(credit(payer_id, 5), deliver=False)
    here = stage.world.answer(stage.put(transfer(stage.bert, stage.alice, 1), deliver=False))
    assert (here["code"], here["state"]) == ("payee_refused", "failed")
    held: Json = {"amount_minor": 1, "asset": "EUR", "expires_in_s": 60}
    hold = stage.begin(command("authorize", stage.bert, **held), deliver=False)
    captured = asked(Verb.CAPTURE, hold, to_wallet_id=stage.alice)
    here = stage.world.answer(stage.put(captured, deliver=False))
    assert (here["code"], here["state"]) == ("payee_refused", "failed")
    COMES[name](stage, seen)
    away = stage.begin(transfer(stage.bob, stage.alice, 1))
    assert stage.state_of(away, stage.bob) == "failed"
    assert available(stage) == INT64_MAX
    audit(stage.world)


@pytest.mark.parametrize("name", SET_ASIDE)
def test_room_that_is_not_needed_any_more_is_given_free(name: str) -> None:
    stage = Stage()
    seen = SET_ASIDE[name](stage)
    COMES[name](stage, seen)
    fill(stage, 1)
    stage.do(credit(stage.alice, 1))
    assert stage.world.submit(credit(stage.alice, 1))["code"] == "amount_out_of_range"
    audit(stage.world)


@pytest.mark.parametrize(
    ("begin", "verb"),
    [
        pytest.param(lambda stage: stage.begin(debit(stage.alice, AMOUNT_MINOR)), Verb.REFUND, id="refund"),
        pytest.param(lambda stage: stage.begin(debit(stage.alice, AMOUNT_MINOR)), Verb.DISPUTE, id="dispute"),
        pytest.param(lambda stage: stage.begin(debit(stage.alice, AMOUNT_MINOR)), Verb.REVERSE, id="reverse"),
    ],
)
def test_what_would_come_back_to_a_full_wallet_is_out_of_range(begin: Callable[[Stage], Seen], verb: Verb) -> None:
    stage = Stage()
    seen = begin(stage)
    fill(stage, 9)
    assert stage.world.submit(asked(verb, seen))["code"] == "amount_out_of_range"
    stage.do(debit(stage.alice, AMOUNT_MINOR))
    stage.do(asked(verb, seen))
    audit(stage.world)


def test_a_full_wallet_can_be_disputed_and_reversed() -> None:
    """What only leaves needs no room."""
    stage = Stage()
    paid = [stage.begin(credit(stage.alice, AMOUNT_MINOR)) for _ in range(2)]
    fill(stage, 0)
    by(Verb.DISPUTE)(stage, paid[0])
    by(Verb.RESOLVE, won=True)(stage, stage.disputes[paid[0].transaction_id])
    assert available(stage) == INT64_MAX
    by(Verb.REVERSE)(stage, paid[1])
    assert available(stage) == INT64_MAX - AMOUNT_MINOR
    audit(stage.world)


def test_a_refund_to_a_full_payer_fails_and_can_be_tried_again() -> None:
    stage = Stage()
    paid = stage.begin(transfer(stage.alice, stage.bob, AMOUNT_MINOR), stage.bob)
    fill(stage, 9)
    refused = stage.begin(asked(Verb.REFUND, paid), stage.alice, deliver=False)
    accept(stage, refused)
    assert stage.state_of(refused, stage.bob) == "failed"
    stage.do(debit(stage.alice, 1))
    again = stage.begin(asked(Verb.REFUND, paid), stage.alice)
    assert stage.state_of(again, stage.bob) == "settled"
    assert available(stage) == INT64_MAX
    audit(stage.world)


def fill_anna(bank: Bank, left_minor: int) -> None:
    """Hold 50 of anna's, and leave so much room beside that."""
    bank.ask(command("authorize", bank.anna, amount_minor=50, asset="EUR", expires_in_s=60))
    fields: Json = {"from_account": "system/suspense", "to_account": f"{bank.anna}/main/available", "asset": "EUR"}
    bank.ask(operator("adjust", bank.anna, amount_minor=INT64_MAX - 50 - left_minor - bank.has(), **fields))


@pytest.mark.parametrize("rail", ["card", "sepa"])
def test_a_refund_over_a_rail_needs_room_for_what_the_original_cost_too(rail: str) -> None:
    bank = Bank(FEE)
    paid = bank.ask(debit(bank.anna, 100, rail=rail))
    if rail == "sepa":
        bank.on("settle", paid, rail_reference="out")
    fill_anna(bank, 106)
    bank.on("refund", paid, "amount_out_of_range")
    bank.ask(transfer(bank.anna, bank.carl, 1))
    back = bank.on("refund", paid)
    if rail == "sepa":
        bank.on("settle", back, rail_reference="in")
    assert bank.has() == INT64_MAX - 50
    bank.audit()


@pytest.mark.parametrize("payee", ["carl", "bert"])
def test_a_refund_needs_room_for_what_is_held_of_the_payer_s(payee: str) -> None:
    bank = Bank()
    to = getattr(bank, payee)
    paid = bank.ask(transfer(bank.anna, to, 100))
    fill_anna(bank, 99)
    bank.world.submit(command("refund", to, transaction_id=paid))
    assert bank.has(wallet_id=to) == 100
    bank.ask(transfer(bank.anna, to, 1))
    bank.on("refund", paid, wallet_id=to)
    assert bank.has() == INT64_MAX - 50
    bank.audit()


def test_a_reversal_of_what_has_cost_more_than_it_brought_leaves_room_for_what_is_held() -> None:
    costs: Json = {**FEE, "name": "credit-eur", "operation": "credit", "tiers": [{"flat_minor": 5, "basis_points": 0}]}
    bank = Bank(costs)
    paid = bank.ask(credit(bank.anna, 1))
    fill_anna(bank, 3)
    answer = bank.world.submit(operator("reverse", bank.anna, transaction_id=paid))
    assert (answer["code"], answer["field"]) == ("amount_out_of_range", "amount_minor")
    bank.ask(transfer(bank.anna, bank.carl, 1))
    bank.ask(operator("reverse", bank.anna, transaction_id=paid))
    bank.world.wait(60_000)
    bank.ask(transfer(bank.anna, bank.carl, 1))
    assert bank.has() == INT64_MAX - 1
    bank.audit()
