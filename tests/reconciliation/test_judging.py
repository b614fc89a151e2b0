"""The judgement of the crash campaign can fail: what is lost, doubled or not resolved is told."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import pytest

from tests.reconciliation.judging import Books, Report, Said, judge_exceptions, judge_lines
from tests.reconciliation.said import Break, Statements
from tests.reconciliation.test_role import short_paid
from tests.reconciliation.world import World
from tests.settlement.witness import Found

LINES = {
    Said("sepa", "ledger", 10_000, "R1"): 1,
    Said("sepa", "ledger", 50_000, "R2"): 1,
    Said("sepa", "partner", 10_000, "R1"): 1,
    Said("sepa", "partner", 30_000, "R2"): 1,
}
SHORT = Break("sepa", "ledger-partner", "amount_under", "R2", -20_000)


@pytest.fixture
def statements(tmp_path: Path) -> Statements:
    """Of which R2 was planted short."""
    statements = Statements(tmp_path, random.Random(1), "2026-11-23")
    statements.breaks.append(SHORT)
    return statements


def resolved(world: World) -> World:
    (exception,) = world.open()
    world.decide("propose", "ines", exception, reason_code="short", resolution={"kind": "write_off"})
    world.decide("approve", "omar", exception, number=1)
    world.answer()
    return world


def found(world: World, statements: Statements, wanted: dict[Said, int]) -> list[str]:
    report = Report(Found())
    judge_lines(report, Books([partition.log for partition in world.all]), Counter(wanted), statements)
    judge_exceptions(report, list(world.exceptions().values()), statements)
    return report.wrong


def test_nothing_is_wrong_where_people_have_resolved_what_was_planted(statements: Statements) -> None:
    world = resolved(short_paid())
    posting = {Said("sepa", "ledger", -20_000, ""): 1}
    assert found(world, statements, {**LINES, **posting}) == []
    lost, doubled = found(world, statements, {**LINES, Said("sepa", "bank", 1, "R3"): 1})
    assert "is there 0 times, not 1" in lost
    assert "is there 1 times too often" in doubled


def test_what_nobody_has_resolved_is_told(statements: Statements) -> None:
    wrong = found(short_paid(), statements, LINES)
    assert [each.rpartition(" ")[2] for each in wrong[:2]] == ["ledger-partner", "ledger-partner"]
    assert "(amount_under) is open" in wrong[2]
    assert "was planted, and is no exception that was resolved" in wrong[3]
    assert len(wrong) == 4


def test_what_was_resolved_and_not_planted_is_told(statements: Statements) -> None:
    statements.breaks.clear()
    (wrong,) = found(resolved(short_paid()), statements, {**LINES, Said("sepa", "ledger", -20_000, ""): 1})
    assert "was resolved, and was not planted" in wrong
