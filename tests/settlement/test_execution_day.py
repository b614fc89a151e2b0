"""On which day a batch is to be executed: that of the cut-off at which it closes."""

from __future__ import annotations

import pytest

from schemas.clock import unix_ms
from tests.settlement.world import SEPA, World


@pytest.mark.parametrize(
    ("opened", "handed_over", "day"),
    [
        # The last one of a Friday, and that before Easter: not the next business day.
        ("2026-11-27T10:00:00.000Z", "2026-11-27T14:30:00.000Z", "2026-11-27"),
        ("2026-04-02T12:00:00.000Z", "2026-04-02T13:30:00.000Z", "2026-04-02"),
        ("2026-04-02T12:00:00.000Z", "2026-04-02T20:00:00.000Z", "2026-04-02"),
        ("2026-11-27T08:00:00.000Z", "2026-11-27T09:00:00.000Z", "2026-11-27"),
        # The role was away: that day is over in Berlin, and the next one is no business day.
        ("2026-04-02T12:00:00.000Z", "2026-04-02T22:00:00.000Z", "2026-04-07"),
        # After the last cut-off, or on a Saturday: it waits for the next one.
        ("2026-11-27T14:30:00.000Z", "2026-11-30T09:00:00.000Z", "2026-11-30"),
        ("2026-11-28T10:00:00.000Z", "2026-11-30T09:00:00.000Z", "2026-11-30"),
    ],
)
def test_a_batch_is_executed_on_the_day_of_the_cut_off_at_which_it_closes(
    opened: str, handed_over: str, day: str
) -> None:
    cut_offs = {"time_zone": "Europe/Berlin", "times": ["10:00", "15:30"]}
    world = World({**SEPA, "prefunded": False, "calendar": "TARGET2", "cut_offs": cut_offs, "batches": {}})
    world.now_ms = unix_ms(opened)
    world.open_wallet("w1", 100)
    world.payout("w1", 60)
    world.run()
    assert not world.to_send()
    world.now_ms = unix_ms(handed_over)
    world.run()
    (batch,) = world.to_send()
    assert batch.execution_date == day


def test_a_batch_that_is_full_before_its_cut_off_is_executed_on_that_day() -> None:
    cut_offs = {"times": ["15:30"]}
    world = World({**SEPA, "prefunded": False, "cut_offs": cut_offs, "batches": {"max_transactions": 1}})
    world.now_ms = unix_ms("2026-11-27T15:29:59.999Z")
    world.open_wallet("w1", 100)
    world.payout("w1", 60)
    world.run()
    (batch,) = world.to_send()
    assert batch.execution_date == "2026-11-27"


def test_what_comes_at_the_very_moment_of_a_cut_off_is_executed_on_the_day_of_the_next() -> None:
    world = World({**SEPA, "prefunded": False, "cut_offs": {"times": ["15:30"]}, "batches": {"max_transactions": 1}})
    world.now_ms = unix_ms("2026-11-27T15:30:00.000Z")
    world.open_wallet("w1", 100)
    world.payout("w1", 60)
    world.run()
    (batch,) = world.to_send()
    assert batch.execution_date == "2026-11-28"
