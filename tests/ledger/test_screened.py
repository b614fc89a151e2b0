"""What is written of a payment that waits for its verdict: when it comes, and when nobody says anything in time."""

from __future__ import annotations

import json
from typing import Any

import pytest

from schemas.clock import rfc3339
from schemas.topics import RAILS
from tests.ledger.bank import Bank
from tests.ledger.commands import command, debit, fraud
from tests.ledger.world import Json


def waiting(bank: Bank, silence: str = "fail") -> str:
    """A payment of 50 that waits for a minute."""
    rail: Json = {"name": "slow", "settlement": "deferred", "screening": True, "screening_deadline_s": 60}
    bank.world.machine.refer(RAILS, "slow", json.dumps({**rail, "screening_silence": silence}).encode())
    return bank.ask(debit(bank.anna, 50, rail="slow"))


def events_of(bank: Bank, transaction_id: str) -> list[Json]:
    return [event for event in bank.world.events if event.get("transaction_id") == transaction_id]


def wait(bank: Bank) -> None:
    """The minute is over, and the wallet asks for something."""
    bank.world.wait(60_000)
    bank.ask(command("require_step_up", bank.anna, rule_ids=["r"]))


def said(event: Json, **expected: Any) -> None:
    assert {name: event.get(name) for name in expected} == expected


def test_one_that_nobody_has_spoken_of_in_time_has_failed() -> None:
    bank = Bank()
    paid = waiting(bank)
    wait(bank)
    money: Json = {"amount_minor": 50, "asset": "EUR", "remaining_minor": 0}
    moved: Json = {"from_state": "initiated", "to_state": "failed", "path": ["initiated", "failed"]}
    why: Json = {"code": "screening_denied", "message": "no verdict of screening came in time"}
    ended = events_of(bank, paid)[-1]
    said(ended, type="transaction.failed", command="expire", _key=bank.anna.encode(), **money, **moved, **why)
    (update,) = bank.world.updates(paid)
    said(update, state="failed", status="rejected", wallet_id=bank.anna, **why)
    assert (bank.has(), bank.has("held")) == (10_000, 0)
    bank.audit()


def test_one_that_is_left_to_a_person_is_overdue_and_waits_on() -> None:
    bank = Bank()
    paid = waiting(bank, silence="review")
    wait(bank)
    overdue = events_of(bank, paid)[-1]
    stays: Json = {"from_state": None, "to_state": "initiated", "path": None, "remaining_minor": 50}
    said(overdue, type="transaction.overdue", command="expire", code="ok", _key=bank.anna.encode(), **stays)
    assert bank.world.updates(paid) == []
    assert (bank.has(), bank.has("held")) == (9_950, 50)
    bank.ask(fraud("screening_verdict", bank.anna, transaction_id=paid, verdict="allow"))
    assert (bank.has(), bank.has("held"), bank.has("outgoing")) == (9_950, 0, 50)


@pytest.mark.parametrize(
    ("rule_ids", "by"),
    [
        ([], ""),
        (["velocity-out"], " by velocity-out"),
        (["one", "two"], " by one, two"),
        ([f"rule-{number:020d}" for number in range(9)], None),
    ],
)
@pytest.mark.parametrize(
    ("verdict", "word", "becomes"), [("allow", "allowed", "processed"), ("deny", "denied", "failed")]
)
def test_a_verdict_names_the_rules_that_it_goes_by(
    rule_ids: list[str], by: str | None, verdict: str, word: str, becomes: str
) -> None:
    bank = Bank()
    paid = waiting(bank)
    bank.ask(fraud("screening_verdict", bank.anna, transaction_id=paid, verdict=verdict, rule_ids=rule_ids))
    message = f"{word} by {', '.join(rule_ids)}"[:200] if by is None else f"{word}{by}"
    _, screened, ended = events_of(bank, paid)
    said(screened, type="transaction.screened", message=message, remaining_minor=0)
    said(ended, type=f"transaction.{becomes}", message=message if verdict == "deny" else None)
    assert len(message) <= 200
    assert bank.has("held") == 0


def test_what_waits_for_its_time_waits_for_no_verdict() -> None:
    bank = Bank()
    later = bank.ask(debit(bank.anna, 50, execute_at=rfc3339(bank.world.now_ms + 9_000)))
    answer = bank.world.submit(fraud("screening_verdict", bank.anna, transaction_id=later, verdict="allow"))
    why = "screening_verdict is not possible: the debit waits for its time, not for a verdict"
    said(answer, code="illegal_transition", field="transaction_id", message=why)


def test_what_is_done_later_does_not_go_over_a_rail_that_is_screened() -> None:
    bank = Bank()
    answer = bank.world.submit(debit(bank.anna, 50, rail="wire", execute_at=rfc3339(bank.world.now_ms + 9_000)))
    why = "payments over the rail wire are screened when they are asked for: ask for it as a debit, at once"
    said(answer, code="illegal_transition", field="rail", message=why)
