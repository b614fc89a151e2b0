"""What is left of an original: settled - refunded - openly disputed - charged back - reversed, and no more."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from schemas.lifecycle import Verb
from tests.ledger.audit import audit, audit_fold
from tests.ledger.commands import Json, command, transfer
from tests.ledger.lifecycle.stage import AMOUNT_MINOR, Seen, Stage
from tests.ledger.lifecycle.verbs import Step, asked, by, refuse

Begin = Callable[[Stage], Seen]


def paid(rail: str = "instant", operation: str = "debit") -> Begin:
    """Money out, or in, over a rail."""
    fields: Json = {"amount_minor": AMOUNT_MINOR, "asset": "EUR", "rail": rail}
    return lambda stage: stage.begin(command(operation, stage.alice, **fields))


def captured(stage: Stage) -> Seen:
    """A capture over the instant rail."""
    return stage.begin(asked(Verb.CAPTURE, stage.authorize()))


def to(name: str) -> Begin:
    """A transfer of alice's."""
    return lambda stage: stage.begin(transfer(stage.alice, getattr(stage, name), AMOUNT_MINOR), getattr(stage, name))


def refunded(minor: int, *steps: Step, refused: bool = False) -> Step:
    """A refund of so much, and what becomes of it."""

    def step(stage: Stage, of: Seen) -> None:
        back_to = of.wallet_id if of.has_payee else None
        refund = stage.begin(asked(Verb.REFUND, of, amount_minor=minor), back_to, deliver=not refused)
        for following in (*steps, *([refuse] if refused else [])):
            following(stage, refund)

    return step


def disputed(minor: int, won: bool | None = None) -> Step:
    """A dispute of so much, open or decided."""

    def step(stage: Stage, of: Seen) -> None:
        by(Verb.DISPUTE, amount_minor=minor)(stage, of)
        if won is not None:
            by(Verb.RESOLVE, won=won)(stage, stage.disputes[of.transaction_id])

    return step


def returned(minor: int) -> Step:
    """The rail takes so much back."""
    return by(Verb.RETURN, amount_minor=minor, rail_reference=f"returned {minor}")


SETTLE_PART = by(Verb.SETTLE, settled_minor=12)
CASES: list[tuple[str, Begin, list[Step], int]] = [
    ("nothing yet", paid(), [], 60),
    ("refunded in part", paid(), [refunded(10), refunded(20)], 30),
    ("refunded but for 1", paid(), [refunded(59)], 1),
    ("openly disputed", paid(), [disputed(10)], 50),
    ("two disputes", paid(), [disputed(10), disputed(20)], 30),
    ("dispute of a debit lost", paid(), [disputed(10, won=False)], 60),
    ("dispute of a debit won", paid(), [disputed(10, won=True)], 50),
    ("returned in part", paid(), [returned(15)], 45),
    ("all of it", paid(), [refunded(10), disputed(5), disputed(7, won=True), returned(8)], 30),
    ("a return above what is left", paid(), [refunded(40), disputed(5, won=False), returned(19)], 1),
    ("a debit that settled in part", paid("sepa"), [by(Verb.SETTLE, settled_minor=33)], 33),
    ("a refund under way", paid("sepa"), [by(Verb.SETTLE), refunded(20)], 40),
    ("a refund that failed", paid("sepa"), [by(Verb.SETTLE), refunded(20, by(Verb.FAIL))], 60),
    ("a refund that was canceled", paid("sepa"), [by(Verb.SETTLE), refunded(20, by(Verb.CANCEL))], 60),
    ("a refund that settled in part", paid("sepa"), [by(Verb.SETTLE), refunded(20, SETTLE_PART)], 48),
    ("a refund that was returned", paid(), [refunded(20, returned(7))], 47),
    ("a capture", captured, [refunded(10), disputed(20, won=True)], 30),
    ("a transfer here", to("bert"), [refunded(25)], 35),
    ("a transfer away", to("bob"), [refunded(25)], 35),
    ("a refund that the payer refused", to("bob"), [refunded(25, refused=True)], 60),
    ("a refund after one that was refused", to("bob"), [refunded(25, refused=True), refunded(5)], 55),
]


@pytest.mark.parametrize(("begin", "steps", "left_minor"), [pytest.param(*rest, id=name) for name, *rest in CASES])
def test_what_is_left_can_be_refunded_and_not_more(begin: Begin, steps: list[Step], left_minor: int) -> None:
    stage = Stage()
    seen = begin(stage)
    for step in steps:
        step(stage, seen)
    above = stage.world.submit(asked(Verb.REFUND, seen, amount_minor=left_minor + 1))
    # A payee has no more than what it got.
    assert above["code"] in ("exceeds_remaining", "insufficient_funds")
    assert (above["code"] == "insufficient_funds") is seen.has_payee
    stage.do(asked(Verb.REFUND, seen, amount_minor=left_minor))
    nothing = stage.world.submit(asked(Verb.REFUND, seen, amount_minor=1))
    assert nothing["code"] == ("insufficient_funds" if seen.has_payee else "exceeds_remaining")
    audit(stage.world)
    audit_fold(stage.world)


@pytest.mark.parametrize(
    ("steps", "left_minor"),
    [
        pytest.param([], 60, id="nothing yet"),
        pytest.param([disputed(10, won=True)], 60, id="won"),
        pytest.param([disputed(10, won=False)], 50, id="lost"),
        pytest.param([disputed(10)], 50, id="open"),
        pytest.param([returned(10), disputed(5, won=False)], 45, id="returned and lost"),
    ],
)
def test_what_is_left_of_a_credit_can_be_disputed_and_not_more(steps: list[Step], left_minor: int) -> None:
    stage = Stage()
    seen = paid(operation="credit")(stage)
    for step in steps:
        step(stage, seen)
    assert stage.world.submit(asked(Verb.DISPUTE, seen, amount_minor=left_minor + 1))["code"] == "exceeds_remaining"
    stage.do(asked(Verb.DISPUTE, seen, amount_minor=left_minor))
    assert stage.world.submit(asked(Verb.DISPUTE, seen, amount_minor=1))["code"] == "exceeds_remaining"
    audit(stage.world)


@pytest.mark.parametrize(
    ("begin", "steps", "state"),
    [
        pytest.param(paid(), [refunded(60)], "settled", id="refunded in full"),
        pytest.param(paid(), [returned(60)], "reversed", id="returned in full"),
        pytest.param(paid(), [returned(40), returned(20)], "reversed", id="returned in two parts"),
        pytest.param(paid(), [refunded(1), returned(60)], "settled", id="refunded, and the rest returned"),
        pytest.param(paid(), [disputed(60, won=True)], "reversed", id="charged back in full"),
        pytest.param(paid(), [disputed(60, won=False)], "settled", id="dispute lost"),
        pytest.param(paid(), [disputed(59, won=True)], "settled", id="charged back but for 1"),
        pytest.param(paid(), [disputed(30, won=True), disputed(30)], "disputed", id="one dispute of two is open"),
        pytest.param(paid(), [refunded(20), by(Verb.REVERSE)], "reversed", id="the rest reversed"),
        pytest.param(paid(operation="credit"), [disputed(60, won=False)], "reversed", id="a credit charged back"),
        pytest.param(to("bert"), [refunded(59), by(Verb.REVERSE)], "reversed", id="the rest of a transfer reversed"),
    ],
)
def test_the_state_of_an_original_says_what_became_of_it(begin: Begin, steps: list[Step], state: str) -> None:
    stage = Stage()
    seen = begin(stage)
    for step in steps:
        step(stage, seen)
    assert stage.state_of(seen, seen.wallet_id) == state
    audit(stage.world)


def test_a_return_beyond_what_is_left_is_kept_in_suspense() -> None:
    stage = Stage()
    seen = paid()(stage)
    refunded(50)(stage, seen)
    before = stage.world.balance(f"{stage.alice}/main/available", "EUR")
    returned(60)(stage, seen)
    assert stage.world.balance(f"{stage.alice}/main/available", "EUR") == before + 10
    assert stage.world.balance("system/suspense", "EUR") == 50
    audit(stage.world)
