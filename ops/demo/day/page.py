"""A day on paper: payouts, what others say of them, what does not match and who puts it right, the proof. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Final

from ops.amounts import Amounts
from ops.demo.day.placing import PLACES
from ops.demo.day.script import ACH, ASSET, PROPOSER, RAILS
from ops.demo.day.told import DayTold, RailTold
from ops.demo.story.page import account_name
from schemas.assets import AssetRegistry
from schemas.reconciliation_exceptions import ReconciliationException
from schemas.reconciliation_proofs import BalanceProof, SafeguardingProof

_AMOUNTS: Final = Amounts(AssetRegistry())
_ACCOUNT: Final = 30
_AMOUNT: Final = 12


def lines(told: DayTold) -> Iterator[str]:
    """All of it."""
    yield ""
    yield f"     A day of settlement and reconciliation, {told.day}"
    yield ""
    yield f"  1. Customers pay out over two rails, and {ACH} is down. Payouts wait until {PROPOSER} funds the rails."
    for rail in told.rails:
        yield from _rail(rail)
    yield ""
    yield "  2. What others say of it:"
    for paper in told.papers:
        yield f"     {paper.account:<5} {paper.name:<11} {paper.format:<16} {paper.lines} lines; {paper.says}"
    yield ""
    yield "  3. What does not match, and who puts it right:"
    for one in told.exceptions:
        yield from _exception(one, told.refusals.get(one.exception_id))
    yield ""
    yield "  4. Where every line is in the end, and every payout:"
    yield from _places(told)
    yield ""
    yield "  5. Is the money there?"
    for safeguarding in told.safeguarding:
        yield from _safeguarding(safeguarding)
    # Of the instant rail nobody has sent a statement.
    yield from (f"     {_balance(one)}" for one in told.balances if one.statement_account in RAILS)
    yield f"     {told.verify_line}"
    yield from (f"     WRONG: {problem}" for problem in told.problems)
    yield ""


def summary(told: DayTold) -> str:
    """What came of it, in a line."""
    by = ", ".join(f"{count} {place}" for place, count in _payouts(told).items())
    surplus = ", ".join(f"{one.verdict} of {_amount(one.surplus_minor)}" for one in told.safeguarding)
    resolved = sum(one.state == "resolved" for one in told.exceptions)
    return (
        f"{len(told.payouts)} payouts: {by}; {resolved} of {len(told.exceptions)} exceptions resolved by two people; "
        f"{surplus or 'nothing proven'}; {told.verify_line}"
    )


def _rail(rail: RailTold) -> Iterator[str]:
    if rail.down_s:
        yield f"     {rail.name:<5} is down for {rail.down_s} s, in which {rail.failed_attempts} attempts fail; then"
    paid = f"{rail.paid} payouts, {_amount(rail.settled_minor)}, in {rail.batches} batches"
    twice = f"{len(rail.paid_twice)} PAID TWICE" if rail.paid_twice else "none paid twice"
    yield f"     {rail.name:<5} {paid}; by its own journal {twice}"


def _exception(one: ReconciliationException, refusal: str | None) -> Iterator[str]:
    yield f"     {one.reason}, {_amount(one.amount_minor)} at risk"
    yield f"        {one.sentence}"
    proposal = one.proposal
    if proposal is None:
        return
    evidence = f", evidence {proposal.evidence_ref}" if proposal.evidence_ref else ""
    yield f"        {proposal.proposed_by} proposes {proposal.kind.replace('_', ' ')}{evidence}"
    yield f"        {proposal.proposed_by} approves: {f'refused, {refusal}' if refusal else 'NOT REFUSED'}"
    yield f"        {proposal.decided_by or 'nobody'} approves: {one.state}"
    posting = proposal.posting
    if posting is not None:
        number = _AMOUNTS.number(posting.amount_minor, posting.asset).rjust(_AMOUNT)
        yield f"        {f'Dr {account_name(posting.from_account)}':<{_ACCOUNT}}{number}{'':>{_AMOUNT}} {posting.asset}"
        yield f"        {f'  Cr {account_name(posting.to_account)}':<{_ACCOUNT}}{'':>{_AMOUNT}}{number} {posting.asset}"


def _places(told: DayTold) -> Iterator[str]:
    yield f"     {'':<31}" + "".join(f"{place:>{_AMOUNT}}" for place in PLACES)
    for (book, relation, side), counts in sorted(told.placing.counts().items()):
        yield f"     {book:<6}{relation:<17}{side:<8}" + "".join(f"{counts[place]:>{_AMOUNT}}" for place in PLACES)
    by = ", ".join(f"{count} {place}" for place, count in _payouts(told).items())
    yield f"     {len(told.payouts)} payouts: {by}"


def _payouts(told: DayTold) -> Counter[str]:
    """How many payouts have ended where."""
    return Counter(place for one in told.payouts for place in told.places_of(one))


def _safeguarding(one: SafeguardingProof) -> Iterator[str]:
    made_of = ", ".join(f"{account_name(each.account)} {_amount(each.amount_minor)}" for each in one.made_of)
    for title, minor in (("held for us by rails", one.cash_minor), ("owed to customers", one.owed_minor)):
        yield f"     {title:<{_ACCOUNT}}{_AMOUNTS.number(minor, one.asset):>{_AMOUNT}} {one.asset}"
    number = _AMOUNTS.number(one.surplus_minor, one.asset)
    yield f"     {one.verdict:<{_ACCOUNT}}{number:>{_AMOUNT}} {one.asset}, which is {made_of or 'nothing'}"


def _balance(one: BalanceProof) -> str:
    name, minor = account_name(one.ledger_account), one.statement_minor
    said = "says nothing" if minor is None else f"says {_amount(minor)}"
    of_us = one.expected_with_us
    expected = f": {of_us.count} lines, {_amount(of_us.amount_minor)}, may still come" if of_us.count else ""
    return f"{name} has {_amount(one.ledger_minor)}, its bank {said}, {one.verdict.replace('_', ' ')}{expected}"


def _amount(minor: int) -> str:
    return _AMOUNTS.amount(minor, ASSET)
