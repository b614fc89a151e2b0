"""How far ahead something may be scheduled."""

from __future__ import annotations

from schemas.clock import rfc3339
from tests.ledger.bank import Bank
from tests.ledger.commands import debit
from tests.ledger.world import DAY_MS


def test_it_is_executed_a_year_ahead_at_most() -> None:
    bank = Bank()
    latest_ms = bank.world.now_ms + 365 * DAY_MS
    bank.ask(debit(bank.anna, 1, execute_at=rfc3339(latest_ms)))
    answer = bank.world.submit(debit(bank.anna, 1, execute_at=rfc3339(latest_ms + 1)))
    assert answer["message"] == "execute_at is at most 365 days ahead"
    bank.world.wait(365 * DAY_MS)
    bank.ask(debit(bank.anna, 1))
    assert bank.has() == 10_000 - 2
