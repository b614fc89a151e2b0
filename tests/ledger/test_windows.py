"""Limits of a calendar hour, day and month: when one is over, and that what has left before counts until then."""

from __future__ import annotations

import pytest

from schemas.clock import unix_ms
from tests.ledger.bank import Bank, limits
from tests.ledger.commands import debit, operator

WINDOWS = [
    ("hour", "2026-01-01T00:00:00.000Z", "2026-01-01T01:00:00.000Z"),
    ("hour", "2026-01-01T10:59:59.999Z", "2026-01-01T11:00:00.000Z"),
    ("hour", "2026-01-31T23:00:00.001Z", "2026-02-01T00:00:00.000Z"),
    ("day", "2026-01-01T00:00:00.000Z", "2026-01-02T00:00:00.000Z"),
    ("day", "2026-02-28T23:59:59.999Z", "2026-03-01T00:00:00.000Z"),
    ("day", "2026-12-31T12:00:00.000Z", "2027-01-01T00:00:00.000Z"),
    ("month", "2026-01-01T00:00:00.000Z", "2026-02-01T00:00:00.000Z"),
    ("month", "2026-09-30T23:59:59.999Z", "2026-10-01T00:00:00.000Z"),
    ("month", "2026-11-15T12:00:00.000Z", "2026-12-01T00:00:00.000Z"),
    ("month", "2026-12-31T23:59:59.999Z", "2027-01-01T00:00:00.000Z"),
    ("month", "2028-02-29T00:00:00.000Z", "2028-03-01T00:00:00.000Z"),
]


def wait_until(bank: Bank, at: str, ms: int = 0) -> None:
    """Let the time come that is so many milliseconds from this one."""
    bank.world.wait(unix_ms(at) + ms - bank.world.now_ms)


@pytest.mark.parametrize(("window", "at", "end"), WINDOWS)
def test_what_has_left_counts_until_its_window_is_over(window: str, at: str, end: str) -> None:
    bank = Bank()
    bank.ask(limits(bank.anna, **{window: {"sum_minor": 100, "count": 2}}))
    for start, after in ((at, end), (end, None)):
        wait_until(bank, start)
        bank.ask(debit(bank.anna, 100))
        refused = bank.world.submit(debit(bank.anna, 1))
        assert (refused["code"], refused["limit"]["name"]) == ("limit_exceeded", f"{window}.sum_minor")
        assert after is None or refused["limit"]["frees_up_at"] == after
        assert refused["message"].endswith(f"used 100; it frees up at {refused['limit']['frees_up_at']}")
    bank.audit()


@pytest.mark.parametrize(("window", "at", "end"), WINDOWS)
def test_a_millisecond_before_it_is_over_it_counts_still(window: str, at: str, end: str) -> None:
    bank = Bank()
    bank.ask(limits(bank.anna, **{window: {"count": 1}}))
    wait_until(bank, at)
    bank.ask(debit(bank.anna, 1))
    wait_until(bank, end, ms=-1)
    bank.ask(debit(bank.anna, 1), "limit_exceeded")
    wait_until(bank, end)
    bank.ask(debit(bank.anna, 1))
    bank.audit()


def test_what_comes_back_frees_up_the_windows_that_have_counted_it_and_no_others() -> None:
    """A payout of the last hour of a day fails in the first of the next one: of the month alone it is given back."""
    bank = Bank()
    wait_until(bank, "2026-03-30T23:30:00.000Z")
    own = {"hour": {"sum_minor": 100}, "day": {"sum_minor": 100}, "month": {"sum_minor": 150}}
    bank.ask(operator("set_limits", bank.anna, limits={"EUR": own}))
    paid = bank.ask(debit(bank.anna, 100, rail="sepa"))
    wait_until(bank, "2026-03-31T00:00:00.000Z")
    bank.ask(debit(bank.anna, 40))
    refused = bank.world.submit(debit(bank.anna, 11))
    assert (refused["limit"]["name"], refused["limit"]["used"]) == ("month.sum_minor", 140)
    bank.on("fail", paid, code="AC04")
    refused = bank.world.submit(debit(bank.anna, 61))
    assert (refused["limit"]["name"], refused["limit"]["used"]) == ("hour.sum_minor", 40)
    bank.ask(debit(bank.anna, 60))
    bank.audit()
