"""The verdict on a day: each fault alone is enough, and is said."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable

import pytest

from ops.demo.day.page import lines, summary
from ops.demo.day.papers import Moved
from ops.demo.day.placing import Line, Placed, Placing
from ops.demo.day.script import ACH, APPROVER, PROPOSER, SEPA
from ops.demo.day.told import REASONS_DUE, SURPLUS_DUE_MINOR, DayTold, Paper, RailTold
from schemas.reconciliation_exceptions import ExceptionState, Posting, Proposal, ReconciliationException
from schemas.reconciliation_proofs import Amount, BalanceProof, BalanceVerdict, OpenItems, SafeguardingProof

AT = "2026-11-29T00:00:00.000Z"
DAY = AT[:10]
POSTING = Posting(
    idempotency_key="k",
    wallet_id="ada",
    from_account="system/rail:sepa",
    to_account="system/writeoffs",
    amount_minor=2_500,
    asset="EUR",
    state="posted",
)


def exception(
    reason: str, *, state: ExceptionState = "resolved", approver: str = APPROVER, posting: Posting | None = None
) -> ReconciliationException:
    proposal = Proposal(
        number=1,
        kind="write_off",
        reason_code=reason,
        posting=posting,
        proposed_by=PROPOSER,
        proposed_at=AT,
        decided_by=approver,
    )
    return ReconciliationException(
        exception_id=reason,
        book=SEPA,
        relation="ledger-partner",
        reason=reason,
        state=state,
        severity="low",
        amount_minor=2_500,
        asset="EUR",
        difference_minor=2_500,
        sentence="Why.",
        due_date=DAY,
        proposal=proposal,
        rules_version=1,
        opened_at=AT,
        recorded_at=AT,
    )


def safeguarding(surplus_minor: int = SURPLUS_DUE_MINOR) -> SafeguardingProof:
    return SafeguardingProof(
        proof_id="p",
        revision=1,
        day=DAY,
        asset="EUR",
        asset_kind="currency",
        verdict="surplus",
        surplus_minor=surplus_minor,
        cash_minor=10_000 + surplus_minor,
        cash=(),
        owed_minor=10_000,
        owed=(),
        announced_minor=0,
        made_of=(Amount("system/writeoffs", surplus_minor),),
        sum_minor=0,
        cuts=(),
    )


def balance(verdict: BalanceVerdict) -> BalanceProof:
    none = OpenItems(0, 0)
    return BalanceProof(
        proof_id="b",
        revision=1,
        day=DAY,
        asset="EUR",
        ledger_account="system/rail:sepa",
        statement_account=SEPA,
        statement_id="s",
        verdict=verdict,
        ledger_minor=100,
        statement_minor=100,
        difference_minor=0,
        expected_with_us=none,
        excepted_with_us=none,
        expected_in_file=none,
        excepted_in_file=none,
        tolerated=none,
        unexplained_minor=0,
        cuts=(),
    )


def placed(transaction_id: str, by: str | None = "amount_under") -> Placed:
    line = Line(f"of {transaction_id}", "ledger", -12_000, transaction_id)
    return Placed(SEPA, "ledger-partner", line, "exception" if by else "expected", by)


def held() -> DayTold:
    """A small day of which everything holds."""
    return DayTold(
        day=DAY,
        payouts=[Moved(SEPA, "t1", -12_000, "r1"), Moved(ACH, "t2", -13_000, "r2")],
        rails=[RailTold(SEPA, 1, 12_000, 0, 0.0, 1, ()), RailTold(ACH, 1, 13_000, 3, 2.5, 1, ())],
        papers=[Paper("report.csv", SEPA, "CSV", 1, "the partner has one 25.00 short")],
        exceptions=[exception(reason, posting=POSTING) for reason in REASONS_DUE],
        refusals=dict.fromkeys(REASONS_DUE, "ines has proposed it: somebody else approves it"),
        placing=Placing((placed("t1"), placed("t2", None)), ()),
        safeguarding=[safeguarding()],
        balances=[balance("agrees")],
        proofs_hold=True,
        verify_line="verify: OK 9 events",
        verify_holds=True,
    )


def test_it_holds_if_everything_does() -> None:
    told = held()
    assert told.problems == []
    assert told.holds
    assert json.loads(json.dumps(told.as_json()))["transactions"][0]["places"] == ["amount_under"]
    assert summary(told) == (
        "2 payouts: 1 amount_under, 1 expected; 3 of 3 exceptions resolved by two people; surplus of 24.65 EUR; "
        "verify: OK 9 events"
    )


CHANGES: dict[str, Callable[[DayTold], object]] = {
    "nothing was paid out": lambda told: told.payouts.clear(),
    "a rail has paid twice": lambda told: told.rails.__setitem__(0, told.rails[0]._replace(paid_twice=("e1",))),
    "a rail has paid something else": lambda told: told.rails.__setitem__(0, told.rails[0]._replace(settled_minor=1)),
    "a payment is missing": lambda told: told.rails.__setitem__(0, told.rails[0]._replace(paid=0)),
    "nothing was down": lambda told: told.rails.__setitem__(1, told.rails[1]._replace(failed_attempts=0)),
    "a line is in two places": lambda told: setattr(told, "placing", Placing(told.placing.placed, ("two places",))),
    "a payout is nowhere": lambda told: setattr(told, "placing", Placing((placed("t1"),), ())),
    "a payout is in two places": lambda told: setattr(
        told, "placing", Placing((*told.placing.placed, placed("t1", None)), ())
    ),
    "an exception is missing": lambda told: told.exceptions.pop(),
    "an exception is open": lambda told: told.exceptions.__setitem__(0, exception(REASONS_DUE[0], state="open")),
    "one person alone": lambda told: told.exceptions.__setitem__(0, exception(REASONS_DUE[0], approver=PROPOSER)),
    "the own approval was let through": lambda told: told.refusals.popitem(),
    "the proofs do not hold": lambda told: setattr(told, "proofs_hold", False),
    "a position is unexplained": lambda told: told.balances.append(balance("unexplained")),
    "there is another surplus": lambda told: setattr(told, "safeguarding", [safeguarding(-1)]),
    "nothing was proven": lambda told: told.safeguarding.clear(),
    "verify has findings": lambda told: setattr(told, "verify_holds", False),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=list(CHANGES))
def test_each_fault_alone_is_enough_and_is_said(change: Callable[[DayTold], object]) -> None:
    told = dataclasses.replace(held())
    change(told)
    assert len(told.problems) >= 1
    assert told.as_json()["ok"] is False
    page = list(lines(told))
    assert [line for line in page if line.startswith("     WRONG: ")] == [f"     WRONG: {one}" for one in told.problems]


@pytest.mark.parametrize(
    "line",
    [
        "     ach   is down for 2.5 s, in which 3 attempts fail; then",
        "     sepa  1 payouts, 120.00 EUR, in 1 batches; by its own journal none paid twice",
        "     amount_under, 25.00 EUR at risk",
        "        ines approves: refused, ines has proposed it: somebody else approves it",
        "        omar approves: resolved",
        "        Dr rail sepa                         25.00             EUR",
        "          Cr writeoffs                                   25.00 EUR",
        "     sepa  ledger-partner   ledger             0           1           1",
        "     held for us by rails                124.65 EUR",
        "     surplus                              24.65 EUR, which is writeoffs 24.65 EUR",
        "     rail sepa has 1.00 EUR, its bank says 1.00 EUR, agrees",
    ],
)
def test_it_reads_as_what_happened(line: str) -> None:
    assert line in list(lines(held()))
