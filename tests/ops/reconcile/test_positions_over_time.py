"""Whatever is matched, decided, taken apart or moved: of what both sides have told, nothing is unexplained."""

from __future__ import annotations

import random
from collections import defaultdict
from datetime import date, timedelta
from typing import Any

import orjson
import pytest

from agents.reconciliation.followed import Followed
from agents.reconciliation.proofs.books import AccountTotal, DayTotals
from agents.reconciliation.proofs.collecting import CompleteDay
from agents.reconciliation.proofs.postings import decode_posting
from agents.reconciliation.turn import Limits
from ops.reconcile.open_items import OwnLine, ToldByRole, own_lines
from ops.reconcile.prove import balances_of
from ops.reconcile.statements import Statements
from schemas.clock import rfc3339
from schemas.external_statements import decode_external
from schemas.partitioning import partition_of
from schemas.reconciliation_books import DEFAULT_BOOK
from schemas.reconciliation_exceptions import ReconciliationException, decode_exception
from schemas.reconciliation_results import MatchRecord, decode_result
from schemas.topics import (
    EXTERNAL_STATEMENTS,
    LEDGER_EVENTS,
    MATCHING_RULES,
    RECONCILIATION_DECISIONS,
    RECONCILIATION_EXCEPTIONS,
    RECONCILIATION_RESULTS,
)
from tests.reconciliation.records import statement_records
from tests.reconciliation.world import World

ACCOUNTS = {"partner": "sepa-report", "bank": "sepa-bank"}
NAMED = {"reason_code": "known", "evidence_ref": "mail-7"}


class Story:
    """Days of payments that a partner and a bank state, mostly as they were, with balances that carry."""

    def __init__(self, seed: int):
        self.rng = rng = random.Random(seed)
        self.world = World(partitions=rng.choice([1, 2]), limits=Limits(changes_at_once=rng.choice([1, 2, 5_000])))
        self.followed = Followed()
        self.sides = rng.choice([["partner"], ["partner", "bank"], ["bank"]])
        self.versions: dict[str, int] = defaultdict(int)
        self.closings: dict[str, int] = defaultdict(int)
        self.last = "2026-11-22"
        self.days: list[str] = []
        #: Side, amount and reference of what is not stated yet.
        self.waiting: list[tuple[str, int, str]] = []
        self.publish("one", ["sepa"], list(ACCOUNTS.values()))

    def publish(self, name: str, rails: list[str], accounts: list[str]) -> None:
        self.versions[name] += 1
        book = DEFAULT_BOOK.model_dump(mode="json")
        book |= {"name": name, "version": self.versions[name], "rails": rails, "accounts": accounts}
        book["matched_kept_business_days"] = self.rng.choice([0, 1, 5])
        record = (MATCHING_RULES, name, orjson.dumps(book))
        self.world.reference.append(record)
        for machine in (self.followed.take, *(partition.machine.refer for partition in self.world.all)):
            machine(*record)

    def move(self) -> None:
        """Everything goes to another book. Of one of which nothing was told yet nobody knows that it was looked at."""
        results = map(decode_result, self.world.records(RECONCILIATION_RESULTS))
        is_told = any(isinstance(each, MatchRecord) and each.relation != "partner-bank" for each in results)
        if not is_told and not any(line.side == "ledger" for each in self.world.open() for line in each.lines):
            return
        was, now = ("one", "two") if self.followed.book_of_rail("sepa") == "one" else ("two", "one")
        self.publish(was, [f"none-{was}"], [f"none-{was}"])
        self.publish(now, ["sepa"], list(ACCOUNTS.values()))

    def pay(self) -> None:
        rng, number = self.rng, self.world.sequence + 1
        minor, reference = rng.choice([100, 200, 300, -100]), f"REF-{number}"
        if rng.random() < 0.9:
            self.world.settled(f"w{number % 7}", minor, reference)
        for side in self.sides:
            for _ in range(rng.choice([0, 1, 1, 1, 1, 1, 1, 2])):
                self.waiting.append((side, minor + rng.choice([0, 0, 0, 50]), reference))

    def state(self) -> None:
        """Each side states some of what waits."""
        self.rng.shuffle(self.waiting)
        stated = [self.waiting.pop() for _ in range(self.rng.randint(0, len(self.waiting)))]
        day = rfc3339(self.world.now_ms)[:10]
        for side in self.sides:
            lines = tuple((minor, reference) for of, minor, reference in stated if of == side)
            self.world.files += 1
            records = statement_records(self.world.files, lines, side, ACCOUNTS[side], day)
            for record in records[:-1]:
                record["value_date"] = str(date.fromisoformat(day) + timedelta(days=self.rng.choice([-1, 0, 0, 2])))
            opening = self.closings[side]
            self.closings[side] += sum(minor for minor, _ in lines)
            records[-1] |= {"opening_minor": opening, "closing_minor": self.closings[side]}
            records[-1] |= {"opening_date": self.last, "closing_date": day, "proof": "balances"}
            for record in records:
                self.world.external(record)
        self.last = day
        self.days.append(day)

    def decide(self) -> None:
        rng, exceptions = self.rng, sorted(self.world.open(), key=lambda each: each.exception_id)
        matches = [
            match for part in self.world.all for _, match in part.machine._turn(part.overlay).state.matches.scan()
        ]
        if matches and rng.random() < 0.3:
            match = rng.choice(sorted(matches, key=lambda each: each.match_id))
            self._send(match.book, "op:ines", kind="unmatch", match_id=match.match_id, reason="mixed up")
        elif exceptions:
            self._resolve(rng.choice(exceptions))

    def _resolve(self, exception: ReconciliationException) -> None:
        kind = self.rng.choice(["no_posting", "write_off", "match", "rematch"])
        resolution: dict[str, Any] = {"kind": kind} | ({"wallet_id": "w1"} if kind == "write_off" else {})
        about = {"exception_id": exception.exception_id}
        self._send(exception.book, "op:ines", kind="propose", **about, resolution=resolution, **NAMED)
        number = self.world.exceptions()[exception.exception_id].proposals or 1
        ordered = len(self.world.commands())
        self._send(exception.book, "op:omar", kind="approve", **about, number=number)
        if len(self.world.commands()) > ordered:
            self.world.answer(self.rng.choice(["ok", "ok", "wallet_closed"]))

    def _send(self, book: str, by: str, **fields: Any) -> None:
        self.world.decisions += 1
        value = orjson.dumps({"book": book, "decision_id": f"d{self.world.decisions}", "by": by, **fields})
        home = partition_of(book, self.world.partitions)
        self.world.send(RECONCILIATION_DECISIONS, home, book.encode(), value)
        self.world.run()

    def unexplained(self) -> list[str]:
        """Proofs of every day, from what stands on the topics, in which something is unexplained."""
        told, statements = ToldByRole(), Statements()
        for value in self.world.records(RECONCILIATION_RESULTS):
            told.take_result(decode_result(value))
        for value in self.world.records(RECONCILIATION_EXCEPTIONS):
            told.take_exception(decode_exception(value))
        for value in self.world.records(EXTERNAL_STATEMENTS):
            statements.take(decode_external(value))
        own, moved = list[OwnLine](), list[tuple[str, str, int]]()
        for partition in range(self.world.partitions):
            for record in self.world.topics[LEDGER_EVENTS, partition]:
                posting = decode_posting(record.value or b"")
                own += own_lines(posting, partition)
                moved += [(posting.day, one.account, one.credit_minor - one.debit_minor) for one in posting.entries]
        days = [CompleteDay(day, (_totals(day, moved),)) for day in self.days]
        proofs = balances_of(days, self.followed, own, statements, told)
        assert {proof.verdict for proof in proofs} - {"no_statement"} or not own
        return [f"{proof.proof_id}: {proof.unexplained_minor}" for proof in proofs if proof.unexplained_minor]


def _totals(day: str, moved: list[tuple[str, str, int]]) -> DayTotals:
    sums: dict[str, int] = defaultdict(int)
    for of, account, minor in moved:
        sums[account] += minor if of <= day else 0
    return DayTotals(
        0, day, tuple(AccountTotal(account, "EUR", minor, 0, 0) for account, minor in sorted(sums.items()))
    )


@pytest.mark.parametrize("seed", range(40))
def test_of_what_both_sides_have_told_nothing_is_ever_unexplained(seed: int) -> None:
    story = Story(seed)
    for _ in range(8):
        for _ in range(story.rng.randint(0, 4)):
            story.pay()
        story.state()
        story.world.run(story.rng)
        for _ in range(story.rng.randint(0, 3)):
            story.decide()
        if story.rng.random() < 0.2 and len(story.days) > 1:
            story.move()
        story.world.later(days=story.rng.choice([1, 1, 1, 3]))
        assert story.unexplained() == []
    for _ in range(3):
        story.world.later(days=3)
    assert story.unexplained() == []
