"""What a campaign over reconciliation has found: what was planted, against lines, exceptions, postings and proofs."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import orjson
from click.testing import CliRunner

from agents.reconciliation.machine import ReconciliationMachine
from agents.reconciliation.own_lines import idempotency_key_of
from agents.reconciliation.state import HeldLine, ReconciliationState
from ops.cli import main
from schemas.reconciliation_events import decode_reconciliation_event
from schemas.reconciliation_exceptions import OPEN_STATES, ReconciliationException
from schemas.reconciliation_lines import BookLine, sides_of
from schemas.topics import LEDGER_EVENTS, OPERATOR_COMMANDS, RECONCILIATION_EVENTS
from streams.overlay import Overlay
from streams.seal import is_seal
from tests.ledger.store import DictStore
from tests.reconciliation.cluster import Json
from tests.reconciliation.fates import wrong_fates
from tests.reconciliation.said import ACH, SEPA, Line, StatementFile, Statements
from tests.settlement.cluster import Cluster
from tests.settlement.witness import Found

_RELATIONS = {SEPA: ("ledger-partner", "partner-bank"), ACH: ("ledger-bank",)}
_SIDES = ("ledger", "partner", "bank")


class Said(NamedTuple):
    """A line by what it says."""

    book: str
    side: str
    amount_minor: int
    reference: str


@dataclass
class Report:
    """What a campaign has found; `wrong` is empty where all holds."""

    settlement: Found
    kills: Counter[str] = field(default_factory=Counter)
    imports_killed: int = 0
    imports: Counter[str] = field(default_factory=Counter)
    files: int = 0
    lines: Counter[str] = field(default_factory=Counter)
    matched: int = 0
    expected: int = 0
    planted: Counter[str] = field(default_factory=Counter)
    passing: int = 0
    refusals: Counter[str] = field(default_factory=Counter)
    posted: int = 0
    posted_minor: int = 0
    surplus_minor: int | None = None
    took_s: float = 0.0
    wrong: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        kills = ", ".join(f"{count} {role}" for role, count in sorted(self.kills.items()))
        return "\n".join(
            [
                f"{self.kills.total()} kills ({kills}), {self.imports_killed} imports killed in the middle, "
                f"{self.took_s:.0f} s",
                f"settlement: {self.settlement}",
                f"{self.files} files ({dict(self.imports)}), lines {dict(self.lines)}: {self.matched} times in a match,"
                f" {self.expected} times expected",
                f"breaks planted, found and resolved by two people: {dict(self.planted)}; {self.passing} exceptions "
                f"that went away by themselves; decisions refused: {dict(self.refusals)}",
                f"{self.posted} postings of {self.posted_minor} minor units, once each; safeguarding: surplus of "
                f"{self.surplus_minor}",
            ]
        )


class Books:
    """State of the role as its log tells it, partition by partition."""

    def __init__(self, values: Sequence[Sequence[bytes]]):
        self.states: list[ReconciliationState] = []
        self.refusals: Counter[str] = Counter()
        for part in values:
            machine = ReconciliationMachine()
            overlay = Overlay(machine.tables, DictStore())
            for value in part:
                if not is_seal(value):
                    machine.fold(overlay, value)
                    event = decode_reconciliation_event(value)
                    if event.type == "decision.refused":
                        self.refusals[event.code or ""] += 1
            self.states.append(machine._turn(overlay).state)

    def lines(self) -> Iterator[tuple[str, HeldLine]]:
        """Book and line, of the two rails; what is on its way or in suspense left out."""
        for state in self.states:
            for book in (SEPA, ACH):
                yield from ((book, held) for held in state.lines_of(book) if held.line.side in _SIDES)

    def due_ms(self) -> int:
        """When the first book is matched next; 0 where none is due."""
        return min((due for state in self.states if (due := state.next_due_ms() or 0)), default=0)


def said_by(book: str, line: BookLine) -> Said:
    """A line of a book by what it says."""
    return Said(book, line.side, line.amount_minor, _reference(line))


def _reference(line: BookLine) -> str:
    names = line.references
    return names.get("provider_reference") or names.get("end_to_end_id") or ""


async def read_books(cluster: Cluster) -> Books:
    """The role's state, from its log."""
    return Books(await cluster.values_by_partition(RECONCILIATION_EVENTS))


async def wanted_lines(cluster: Cluster, files: Sequence[StatementFile]) -> Counter[Said]:
    """Every line that has to be in the books once: of each file once, and what the ledger has posted on rails."""
    wanted: Counter[Said] = Counter()
    for file in files:
        book = ACH if file.account == "ach-bank" else SEPA
        wanted.update(Said(book, file.side, line.amount_minor, _named(line)) for line in file.lines)
    for value in await cluster.values(LEDGER_EVENTS):
        if is_seal(value):
            continue
        event = orjson.loads(value)
        sums: dict[str, int] = defaultdict(int)
        for each in event.get("entries", ()):
            if each["account"].startswith("system/rail:"):
                sums[each["account"]] += each.get("debit_minor", 0) - each.get("credit_minor", 0)
        reference = event.get("rail_facts", {}).get("rail_reference", "")
        for account, minor in sums.items():
            book = account.partition(":")[2]
            if minor and book in (SEPA, ACH):
                wanted[Said(book, "ledger", minor, reference)] += 1
    return wanted


def _named(line: Line) -> str:
    return line.reference or line.payout


def judge_lines(report: Report, books: Books, wanted: Counter[Said], statements: Statements) -> None:
    """Each line is there once, and in every relation matched, or expected because its other side was withheld."""
    report.wrong += [wrong for state in books.states for wrong in wrong_fates(state)]
    held = Counter(said_by(book, one.line) for book, one in books.lines())
    report.lines = Counter(f"{said.side}" for said in held.elements())
    report.wrong += [f"{said} is there {held[said]} times, not {count}" for said, count in (wanted - held).items()]
    report.wrong += [f"{said} is there {count} times too often" for said, count in (held - wanted).items()]
    paid_out = {line.payout for file in statements.files if file.account == "sepa-bank" for line in file.lines}
    for book, one in books.lines():
        for relation in _RELATIONS.get(book, ()):
            if one.line.side not in sides_of(relation):
                continue
            fate, name = one.fates.get(relation), _reference(one.line)
            payout = one.line.references.get("end_to_end_id")
            may_wait = name in statements.withheld if relation != "partner-bank" else payout not in paid_out
            if fate is None and may_wait:
                report.expected += 1
            elif fate is not None and fate[0] == "M":
                report.matched += 1
            else:
                report.wrong.append(f"{said_by(book, one.line)} is {fate or 'expected'} in {relation}")


def judge_exceptions(report: Report, told: Sequence[ReconciliationException], statements: Statements) -> None:
    """Each planted break is one exception that two people have resolved, and nothing else ever was."""
    report.wrong += [
        f"exception {each.exception_id} ({each.reason}) is {each.state}" for each in told if each.state in OPEN_STATES
    ]
    report.passing = sum(each.state == "closed" for each in told)
    resolved: Counter[tuple[str, ...]] = Counter(
        (each.book, each.relation, each.reason, min(map(_reference, each.lines)))
        for each in told
        if each.state == "resolved"
    )
    planted: Counter[tuple[str, ...]] = Counter(
        (each.book, each.relation, each.reason, each.reference) for each in statements.breaks
    )
    report.planted = Counter(each.reason for each in statements.breaks)
    report.wrong += [f"{each} was planted, and is no exception that was resolved" for each in planted - resolved]
    report.wrong += [f"{each} was resolved, and was not planted" for each in resolved - planted]
    for each in told:
        proposal = each.proposal
        if each.state == "resolved" and (proposal is None or (proposal.proposed_by, proposal.decided_by) != _PEOPLE):
            report.wrong.append(f"exception {each.exception_id} was resolved by {proposal}")


_PEOPLE = ("ines", "omar")


async def judge_postings(
    report: Report, cluster: Cluster, told: Sequence[ReconciliationException], statements: Statements
) -> None:
    """Each approved resolution that posts has one command and one journal in the ledger, of the whole difference."""
    wanted = Counter(
        idempotency_key_of(each.book, each.exception_id, each.proposal.number)
        for each in told
        if each.state == "resolved" and each.proposal is not None and each.proposal.posting is not None
    )
    commands = [orjson.loads(value) for value in await cluster.values(OPERATOR_COMMANDS)]
    ordered = Counter(one["idempotency_key"] for one in commands if one["operation"] == "adjust")
    events: list[Json] = [orjson.loads(value) for value in await cluster.values(LEDGER_EVENTS) if not is_seal(value)]
    journals = [one for one in events if one.get("operation") == "adjust" and one.get("entries")]
    posted = Counter(one["cause"]["idempotency_key"] for one in journals)
    for what, found in (("ordered", ordered), ("posted", posted)):
        if found != wanted:
            report.wrong.append(f"{what} {found}, wanted {wanted}")
    report.posted = posted.total()
    moved = Counter(
        sum(
            each.get("debit_minor", 0) - each.get("credit_minor", 0)
            for each in one["entries"]
            if each["account"].startswith("system/rail:")
        )
        for one in journals
    )
    planted = Counter(each.difference_minor for each in statements.breaks if each.difference_minor)
    report.posted_minor = sum(minor * count for minor, count in moved.items())
    if moved != planted:
        report.wrong.append(f"differences of {planted} were planted, {moved} was posted")


def judge_proofs(report: Report, cluster: Cluster, statements: Statements, day: str) -> None:
    """`verify` finds nothing, and the surplus is what was planted less what the rails have charged."""
    verified = CliRunner().invoke(main, ["verify"], env=cluster.environ)
    if verified.exit_code or "0 findings" not in verified.output:
        report.wrong.append(f"verify: {verified.output}")
    proven = CliRunner().invoke(main, ["reconcile", "prove", "--day", day, "--json"], env=cluster.environ)
    proofs: list[Json] = json.loads(proven.output)["proofs"]
    (euro,) = [one for one in proofs if one["proof_id"].startswith("safeguarding/EUR/")]
    report.surplus_minor = euro["surplus_minor"]
    wanted = sum(each.difference_minor for each in statements.breaks) - statements.fees_minor
    if report.surplus_minor != wanted:
        report.wrong.append(f"the surplus is {report.surplus_minor}, {wanted} was planted")
