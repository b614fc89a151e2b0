"""A side whose first statement comes late still finds what it concerns, in whatever order statements come."""

from __future__ import annotations

import pytest

from agents.reconciliation.aside import KEPT_DAYS
from agents.reconciliation.turn import Limits
from schemas.clock import rfc3339
from tests.reconciliation.resolving import restart_all
from tests.reconciliation.world import World


def reported(limits: Limits | None = None) -> tuple[World, str]:
    """Two payments that the partner has reported, long ago enough not to be kept beside the others; and their day."""
    world = World() if limits is None else World(limits=limits)
    day = rfc3339(world.now_ms)[:10]
    world.settled("w1", 10_000, "R1")
    world.settled("w2", 7_000, "R2")
    world.run()
    world.statement((10_000, "R1"), (7_000, "R2"))
    wait(world, 12)
    assert [len(event.line_ids) for event in world.events("lines.set_aside")] == [2]
    assert [len(event.line_ids) for event in world.events("lines.archived")] == [2]
    return world, day


def wait(world: World, days: int) -> None:
    for _ in range(days):
        world.later(days=1)


def relations(world: World) -> list[str]:
    """Of all matches that were made, in order."""
    return [event.match.relation for event in world.events("match.made") if event.match is not None]


def test_a_banks_first_statement_finds_what_the_partner_reported_weeks_ago() -> None:
    world, day = reported()
    world.statement((17_000, "PAYOUT-1"), side="bank", day=day)
    world.run()
    wait(world, 1)
    assert relations(world) == ["ledger-partner", "ledger-partner", "partner-bank"]
    wait(world, 12)
    assert world.open() == []
    # Once all relations are matched for long, they are gone for good.
    assert [state_rows(world, table) for table in ("lines", "aside")] == [0, 0]
    restart_all(world)


def state_rows(world: World, table: str) -> int:
    return sum(len(list(getattr(p.machine._turn(p.overlay).state, table).scan())) for p in world.all)


def test_statements_of_the_bank_that_come_in_the_wrong_order_find_their_lines_all_the_same() -> None:
    world, day = reported()
    world.settled("w3", 500, "R3")
    world.run()
    world.statement((500, "R3"))
    world.statement((500, "PAYOUT-2"), side="bank")
    wait(world, 1)
    assert relations(world)[2:] == ["ledger-partner", "partner-bank"]
    assert state_rows(world, "aside") == 2, "the bank has stated nothing of their time"
    world.statement((17_000, "PAYOUT-1"), side="bank", day=day)
    wait(world, 9)
    assert relations(world)[4:] == ["partner-bank"]
    assert world.open() == []
    restart_all(world)


def test_a_partners_first_report_finds_what_only_the_bank_has_told() -> None:
    world = World()
    day = rfc3339(world.now_ms)[:10]
    world.settled("w1", 10_000, "R1")
    world.run()
    world.statement((10_000, "R1"), side="bank")
    wait(world, 12)
    assert relations(world) == ["ledger-bank"]
    assert state_rows(world, "aside") == 2
    world.statement((10_000, "R1"), day=day)
    wait(world, 12)
    assert sorted(relations(world)[1:]) == ["ledger-partner", "partner-bank"]
    assert world.open() == []
    restart_all(world)


def test_many_lines_come_back_with_as_many_ticks_as_they_need() -> None:
    world, day = reported(Limits(changes_at_once=1))
    world.statement((17_000, "PAYOUT-1"), side="bank", day=day)
    wait(world, 1)
    assert relations(world)[2:] == ["partner-bank"]
    # The first is the partner's, for whom there was nothing.
    assert [len(event.line_ids) for event in world.events("lines.recalled")] == [0, 1, 1, 0]
    restart_all(world)


def test_what_is_not_kept_any_more_is_said_so() -> None:
    world, day = reported()
    wait(world, KEPT_DAYS)
    # A book in which nothing is open is looked at when something comes.
    world.settled("w3", 500, "R3")
    wait(world, 1)
    assert state_rows(world, "aside") == 0
    world.statement((17_000, "PAYOUT-1"), side="bank", day=day)
    wait(world, 3)
    (missing,) = [each for each in world.open() if each.relation == "partner-bank"]
    assert missing.reason == "missing_left"
    assert f"Lines of the partner's report up to {day} are not kept any more" in missing.sentence
    restart_all(world)


@pytest.mark.parametrize("first", ["partner", "bank"])
def test_what_no_statement_ever_asks_for_is_no_break(first: str) -> None:
    world = World()
    world.settled("w1", 10_000, "R1")
    world.run()
    world.statement((10_000, "R1"), side=first)
    wait(world, 20)
    # The other side begins much later: what was before it is none of its business.
    world.settled("w2", 300, "R2")
    world.run()
    world.statement((300, "R2"), side=first)
    world.statement((300, "R2"), side="bank" if first == "partner" else "partner")
    wait(world, 12)
    assert world.open() == []


def test_a_line_that_is_valued_long_before_its_statement_calls_nobody_of_that_time_back() -> None:
    world, day = reported()
    opened = rfc3339(world.now_ms)[:10]
    # A bank's first statement begins today, with a correction of weeks ago among its lines.
    world.statement((-1, "CORRECTION"), side="bank", day=day, opening_date=opened, closing_date=opened)
    wait(world, 12)
    assert state_rows(world, "aside") == 2
    assert [each.reason for each in world.open()] == ["missing_left"]
    restart_all(world)


def test_what_is_forgotten_is_not_said_of_a_relation_in_which_it_was_matched() -> None:
    world, _ = reported()
    world.settled("w3", 300, "R3")
    world.run()
    wait(world, KEPT_DAYS)
    assert state_rows(world, "aside") == 0
    (missing,) = world.open()
    assert (missing.relation, missing.reason) == ("ledger-partner", "missing_right")
    # It is older than what is not kept any more, once that goes on.
    world.settled("w4", 400, "R4")
    world.statement((400, "R4"))
    wait(world, KEPT_DAYS + 9)
    assert "are not kept any more" not in world.exceptions()[missing.exception_id].sentence


@pytest.mark.parametrize("field", ["opening_date", "closing_date"])
@pytest.mark.parametrize("date", ["soon", "0001-01-03", "2026-11-31", "9999-12-31", "2026-W48-1"])
def test_a_date_that_is_none_is_a_dead_letter_and_holds_up_no_book(field: str, date: str) -> None:
    world = World()
    day = rfc3339(world.now_ms)[:10]
    world.statement(side="bank", **{"opening_date": day, "closing_date": day, field: date})
    with pytest.raises(AssertionError, match="is no day between 1970 and 2199"):
        world.run()
    world.bugs.clear()
    assert len(world.records("dead-letters")) == 1
    world.settled("w1", 10_000, "R1")
    world.statement((10_000, "R1"), side="bank", opening_date=day)
    world.later(days=1)
    assert relations(world) == ["ledger-bank"]
