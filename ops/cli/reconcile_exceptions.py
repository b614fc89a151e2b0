"""`walletstream reconcile status|exceptions|show`: where books stand, and what does not match."""

from __future__ import annotations

from typing import Any, get_args

import click
import msgspec

from ops.amounts import Amounts
from ops.cli.fraud_rules import as_json_option, with_reader
from ops.cli.running import print_json, print_line
from ops.reading import TopicReader
from ops.reconcile.deciding import can_be_done
from ops.reconcile.live_books import read_books
from ops.reconcile.live_exceptions import (
    Standing,
    Wanted,
    exception_of,
    read_exceptions,
    read_standing,
    sorted_by_urgency,
)
from ops.reconcile.standing import BookStanding, standing_of
from ops.reference_records import read_amounts
from schemas.reconciliation_exceptions import OPEN_STATES, SEVERITIES, ExceptionState, ReconciliationException
from schemas.reconciliation_lines import RELATION_SIDES, BookLine
from schemas.reconciliation_reasons import MEANINGS, REASONS
from streams.settings import Settings


async def _book_of(reader: TopicReader, account: str | None) -> str | None:
    """The book that an account of statements belongs to; itself where it is the name of one, or of a ledger account."""
    if account is None or "/" in account:
        return account
    try:
        return (await read_books(reader)).followed.book_of_account(account) or account
    except ValueError:
        return account


@click.command("status")
@click.option("--account", help="Only the book of this account.")
@as_json_option
def status(account: str | None, as_json: bool) -> None:
    """Show where each account's book stands: matched, expected, open exceptions, cash at risk, last statement.

    Matched and expected are as the role told them last; exceptions are each as it was told last. Matches that were
    made long ago are not kept and not counted.
    """

    async def read(reader: TopicReader, _settings: Settings) -> tuple[list[BookStanding], Amounts]:
        book = await _book_of(reader, account)
        exceptions = (await read_exceptions(reader)).values()
        found = standing_of(await read_standing(reader), exceptions)
        return [one for one in found if book in (None, one.book)], await read_amounts(reader)

    found, amounts = with_reader(read)
    if as_json:
        print_json([one.as_json() for one in found])
        return
    for one in found:
        _print_standing(one, amounts)
    if not found:
        what = "nothing was matched yet" if account is None else f"nothing is known of {account!r}"
        print_line(f"{what}: is `worker reconciliation` running, and was a statement imported?", err=True)


def _print_standing(one: BookStanding, amounts: Amounts) -> None:
    print_line(one.book)
    if one.summary is not None:
        for total in one.summary.totals:
            matched = f"{total.matched} matched ({amounts.amount(total.matched_minor, total.asset)})"
            expected = f"{total.expected} expected ({amounts.amount(total.expected_minor, total.asset)})"
            print_line(f"    {total.relation:<15} {total.side:<8} {matched}, {expected}")
        for side, day in sorted(one.summary.statements.items()):
            print_line(f"    last statement  {side:<8} {day}")
        for relation in one.summary.waiting:
            print_line(f"    {relation:<15} waits for its first statement")
        if one.summary.partial:
            print_line("    there was more to match than fits at once; the rest follows")
    for count in one.open:
        late = f", {count.overdue} overdue" if count.overdue else ""
        at_risk = amounts.amount(count.amount_minor, count.asset)
        print_line(f"    {count.reason:<20} {count.severity:<9} {count.count} open{late}, {at_risk} at risk")
    for asset, minor in sorted(one.at_risk_minor.items()):
        print_line(f"    cash at risk: {amounts.amount(minor, asset)}")


@click.command("exceptions")
@click.option("--account", help="Only those of the book of this account, or of this account of the ledger.")
@click.option("--reason", type=click.Choice(REASONS), help="Only those with this reason.")
@click.option("--state", type=click.Choice(get_args(ExceptionState)), help="Only those in this state.")
@click.option("--severity", type=click.Choice(SEVERITIES), help="Only those that are as severe.")
@click.option("--assignee", help="Only those that this person takes care of.")
@click.option("--overdue", is_flag=True, help="Only those that should be resolved by now.")
@click.option("--all", "ended", is_flag=True, help="Those too that are resolved or closed.")
@click.option("--last", type=click.IntRange(min=1), help="Only so many, the most urgent.")
@as_json_option
def exceptions(account: str | None, last: int | None, as_json: bool, **wanted: Any) -> None:
    """List exceptions, the most severe first, of these those due first; each as it was told last."""

    async def read(reader: TopicReader, _settings: Settings) -> tuple[list[ReconciliationException], Amounts]:
        asked = Wanted(account=await _book_of(reader, account), **wanted)
        found = sorted_by_urgency(one for one in (await read_exceptions(reader)).values() if asked.takes(one))
        return found[:last], await read_amounts(reader)

    found, amounts = with_reader(read)
    if as_json:
        print_json([msgspec.to_builtins(one) for one in found])
        return
    for one in found:
        whose = f", {one.assignee}" if one.assignee else ""
        print_line(
            f"{one.exception_id[:12]} {one.severity:<9} {due_of(one)} {one.book} {one.relation} {one.reason}: "
            f"{amounts.amount(one.amount_minor, one.asset)}, {one.state}{whose}"
        )
        print_line(f"    {one.sentence}")
    print_line(f"{len(found)} exceptions", err=True)


def due_of(one: ReconciliationException) -> str:
    """Until when it should be resolved, for people."""
    # A hold ends by itself, and nothing but that it is overdue says so.
    if one.held_until is not None and not one.overdue:
        return f"held until {one.held_until}"
    return f"due {one.due_date}{' OVERDUE' if one.overdue else ''}"


@click.command("show")
@click.argument("exception_id", metavar="EXCEPTION")
@as_json_option
def show(exception_id: str, as_json: bool) -> None:
    """Show EXCEPTION: the lines of both sides, what could match them, who did what, and what can be done next.

    The beginning of its id will do.
    """

    async def read(
        reader: TopicReader, _settings: Settings
    ) -> tuple[ReconciliationException, dict[str, BookLine], Standing, Amounts]:
        known = await read_exceptions(reader)
        lines = {line.line_id: line for each in known.values() for line in each.lines}
        return exception_of(known, exception_id), lines, await read_standing(reader), await read_amounts(reader)

    one, lines, standing, amounts = with_reader(read)
    matches = [each for each in standing.matches.values() if each.exception_id == one.exception_id]
    if as_json:
        shown = msgspec.to_builtins(one)
        print_json({**shown, "can_be_done": can_be_done(one), "matches": msgspec.to_builtins(matches)})
        return
    print_line(one.sentence)
    for name, value in _facts(one, amounts):
        if value is not None:
            print_line(f"  {name:<12} {value}")
    for side in dict.fromkeys((*RELATION_SIDES.get(one.relation, ()), *(line.side for line in one.lines))):
        own = [line for line in one.lines if line.side == side]
        print_line(f"  {side}: {'no line' if not own else ''}".rstrip())
        for line in own:
            print_line(f"    {_line(line, amounts)}")
    if one.candidates:
        print_line("  candidates:")
    for line_id in one.candidates:
        candidate = lines.get(line_id)
        print_line(f"    {line_id if candidate is None else f'{candidate.side} {_line(candidate, amounts)}'}")
    for match in matches:
        print_line(f"  matched as {match.match_id} by {match.proposed_by} and {match.approved_by}")
    print_line("  history:")
    for entry in one.history:
        evidence = "" if entry.evidence_ref is None else f" [{entry.evidence_ref}]"
        said = "" if entry.text is None else f": {entry.text}"
        print_line(f"    {entry.at} {entry.by or 'the role'} {entry.what}{said}{evidence}")
    print_line(f"  next: {_next(one)}")


def _facts(one: ReconciliationException, amounts: Amounts) -> list[tuple[str, str | None]]:
    proposal = one.proposal
    proposed = None
    if proposal is not None:
        decided = "" if proposal.decided_by is None else f"; decided by {proposal.decided_by}"
        proposed = f"{proposal.number}: {proposal.kind} by {proposal.proposed_by}, {proposal.reason_code}{decided}"
    return [
        ("exception", one.exception_id),
        ("book", f"{one.book}, {one.relation}"),
        ("reason", f"{one.reason}: {MEANINGS.get(one.reason, '')}"),
        ("state", one.state + (", kept from the matcher" if one.pinned else "")),
        ("severity", one.severity),
        ("at risk", amounts.amount(one.amount_minor, one.asset)),
        ("difference", amounts.signed(one.difference_minor, one.asset)),
        ("due", due_of(one)),
        ("assignee", one.assignee),
        ("opened", one.opened_at),
        ("proposal", proposed),
        ("posting", _posting(one, amounts)),
        ("part of", one.merged_into),
    ]


def _posting(one: ReconciliationException, amounts: Amounts) -> str | None:
    posting = None if one.proposal is None else one.proposal.posting
    if posting is None:
        return None
    amount = amounts.amount(posting.amount_minor, posting.asset)
    answer = "" if posting.message is None else f", {posting.message}"
    by_id = "" if posting.transaction_id is None else f" (walletstream tx show {posting.transaction_id})"
    return f"{amount} from {posting.from_account} to {posting.to_account}: {posting.state}{answer}{by_id}"


def _line(line: BookLine, amounts: Amounts) -> str:
    references = ", ".join(f"{name} {value}" for name, value in sorted(line.references.items()))
    rest = (references, line.counterparty, line.remittance, line.transaction_id)
    return " ".join([line.line_id, line.date, amounts.signed(line.amount_minor, line.asset), *filter(None, rest)])


def _next(one: ReconciliationException) -> str:
    if one.state == "approved":
        return "the ledger answers its posting; comment"
    if one.state not in OPEN_STATES:
        return "nothing has to be done; comment"
    proposal = one.proposal
    if one.state == "proposed" and proposal is not None:
        return f"{', '.join(can_be_done(one))} (approve: anybody but {proposal.proposed_by})"
    return ", ".join(can_be_done(one))
