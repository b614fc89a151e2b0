"""What came of a day: for scripts, and the verdict. Pure. Amounts in minor units."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import msgspec

from ops.demo.day.papers import FEE_MINOR, SHORT_MINOR, Moved
from ops.demo.day.placing import Placing
from ops.demo.day.script import ACH, APPROVER, PROPOSER
from schemas.reconciliation_exceptions import ReconciliationException
from schemas.reconciliation_proofs import BalanceProof, SafeguardingProof

#: What is found in the partner's report: the reasons of the exceptions that are due.
REASONS_DUE = ("amount_under", "duplicate", "fee_variance")
#: What must be left over: what was paid short stays with us, the partner's fee does not.
SURPLUS_DUE_MINOR = SHORT_MINOR - FEE_MINOR


class RailTold(NamedTuple):
    """What a rail has done, by the settlement role, and by the rail's own journal."""

    name: str
    batches: int
    settled_minor: int
    #: Attempts to hand a batch over that failed, and how long the rail was down.
    failed_attempts: int
    down_s: float
    #: By the rail's journal: payments, and what was paid more than once.
    paid: int
    paid_twice: tuple[str, ...]


class Paper(NamedTuple):
    """A file of a partner or bank that was imported: how many lines it has, and what it says."""

    name: str
    account: str
    format: str
    lines: int
    says: str


@dataclass(kw_only=True)
class DayTold:
    """All that came of a day."""

    day: str
    payouts: list[Moved] = field(default_factory=list)
    rails: list[RailTold] = field(default_factory=list)
    papers: list[Paper] = field(default_factory=list)
    #: As they were told last, and how the proposer's own approval was refused, by id.
    exceptions: list[ReconciliationException] = field(default_factory=list)
    refusals: dict[str, str] = field(default_factory=dict)
    placing: Placing = field(default_factory=lambda: Placing((), ()))
    safeguarding: list[SafeguardingProof] = field(default_factory=list)
    balances: list[BalanceProof] = field(default_factory=list)
    #: Whether the books of the proofs hold together.
    proofs_hold: bool = False
    verify_line: str = ""
    verify_holds: bool = False
    seconds: float = 0.0
    #: The folder that was kept.
    kept: str | None = None

    @property
    def holds(self) -> bool:
        """The verdict: there is no problem."""
        return not self.problems

    @property
    def problems(self) -> list[str]:
        """What does not hold."""
        return [
            *_of_rails(self),
            *_of_lines(self),
            *_of_exceptions(self),
            *_of_proofs(self),
            *([] if self.verify_holds else [self.verify_line or "the ledger was not verified"]),
        ]

    def places_of(self, moved: Moved) -> list[str]:
        """Where the ledger's lines of a payout have ended: `matched`, `expected`, or the reason of their exception."""
        reasons = {one.exception_id: one.reason for one in self.exceptions}
        return [
            reasons.get(one.by or "", one.place) if one.place == "exception" else one.place
            for one in self.placing.of_transaction(moved.transaction_id)
        ]

    def as_json(self) -> dict[str, Any]:
        """For scripts. Amounts in minor units."""
        return {
            "ok": self.holds,
            "problems": self.problems,
            "day": self.day,
            "rails": [one._asdict() for one in self.rails],
            "papers": [one._asdict() for one in self.papers],
            "transactions": [{**one._asdict(), "places": self.places_of(one)} for one in self.payouts],
            "lines": [
                {"book": book, "relation": relation, "side": side, **counts}
                for (book, relation, side), counts in sorted(self.placing.counts().items())
            ],
            "exceptions": [
                {**msgspec.to_builtins(one), "own_approval": self.refusals.get(one.exception_id)}
                for one in self.exceptions
            ],
            "proofs": [msgspec.to_builtins(one) for one in (*self.safeguarding, *self.balances)],
            "verify": {"holds": self.verify_holds, "line": self.verify_line},
            "seconds": round(self.seconds, 1),
            "kept": self.kept,
        }


def _of_rails(told: DayTold) -> Iterator[str]:
    for rail in told.rails:
        out_minor = -sum(one.amount_minor for one in told.payouts if one.rail == rail.name)
        if rail.paid_twice:
            yield f"{rail.name} has paid twice: {', '.join(rail.paid_twice)}"
        if (rail.settled_minor, rail.paid) != (out_minor, sum(one.rail == rail.name for one in told.payouts)):
            yield f"{rail.name} has settled {rail.settled_minor} in {rail.paid} payments, and not {out_minor}"
        if rail.name == ACH and not rail.failed_attempts:
            yield f"{rail.name} was down, and no attempt has failed"


def _of_lines(told: DayTold) -> Iterator[str]:
    yield from told.placing.problems
    for one in told.payouts:
        if len(told.places_of(one)) != 1:
            yield f"payout {one.transaction_id} is in {len(told.places_of(one))} places: {told.places_of(one)}"
    if not told.payouts:
        yield "nothing was paid out"


def _of_exceptions(told: DayTold) -> Iterator[str]:
    reasons = tuple(sorted(one.reason for one in told.exceptions))
    if reasons != REASONS_DUE:
        yield f"exceptions are {', '.join(reasons) or 'none'}, and not {', '.join(REASONS_DUE)}"
    for one in told.exceptions:
        proposal = one.proposal
        if one.state != "resolved" or proposal is None:
            yield f"exception {one.exception_id} is {one.state}"
        elif (proposal.proposed_by, proposal.decided_by) != (PROPOSER, APPROVER):
            who = f"proposed by {proposal.proposed_by}, approved by {proposal.decided_by}"
            yield f"exception {one.exception_id} was {who}"
        if one.exception_id not in told.refusals:
            yield f"exception {one.exception_id}: {PROPOSER}'s approval of the own proposal was not refused"


def _of_proofs(told: DayTold) -> Iterator[str]:
    if not told.proofs_hold:
        yield "the proofs do not hold"
    for balance in told.balances:
        if balance.verdict == "unexplained":
            yield f"{balance.ledger_account}: {balance.unexplained_minor} of its statement are unexplained"
    surplus = {one.asset: one.surplus_minor for one in told.safeguarding}
    if list(surplus.values()) != [SURPLUS_DUE_MINOR]:
        yield f"the surplus is {surplus}, and not {SURPLUS_DUE_MINOR}"
