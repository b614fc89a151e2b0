"""How far ahead something may be scheduled."""

from __future__ import annotations

import pytest

from schemas.clock import rfc3339
from schemas.money import INT64_MAX
from tests.ledger.bank import Bank
from tests.ledger.commands import command, debit, transfer
from tests.ledger.world import DAY_MS, Json


def test_it_is_executed_a_year_ahead_at_most() -> None:
    bank = Bank()
    latest_ms = bank.world.now_ms + 365 * DAY_MS
    bank.ask(debit(bank.anna, 1, execute_at=rfc3339(latest_ms)))
    answer = bank.world.submit(debit(bank.anna, 1, execute_at=rfc3339(latest_ms + 1)))
    assert answer["message"] == "execute_at is at most 365 days ahead"
    bank.world.wait(365 * DAY_MS)
    bank.ask(debit(bank.anna, 1))
    assert bank.has() == 10_000 - 2


@pytest.mark.parametrize(("ahead_ms", "state"), [(-1, "settled"), (0, "settled"), (1, "initiated")])
def test_what_is_asked_for_at_its_very_time_waits_no_more(ahead_ms: int, state: str) -> None:
    bank = Bank()
    answer = bank.world.submit(debit(bank.anna, 1, execute_at=rfc3339(bank.world.now_ms + ahead_ms)))
    assert (answer["code"], answer["state"]) == ("ok", state)


@pytest.mark.parametrize("least_minor", [INT64_MAX + 1, 2**64, 10**40])
@pytest.mark.parametrize("said", [{}, {"metadata": {"a": "b"}}])
def test_the_least_to_be_got_is_within_int64_whenever_it_is_exchanged(said: Json, least_minor: int) -> None:
    """What waits is read again at its time, in its canonical form, which has digits in place of such a number."""
    bank = Bank()
    fields: Json = {"to_asset": "USD", "min_to_amount_minor": least_minor, **said}
    later = {"execute_at": rfc3339(bank.world.now_ms + 1_000)}
    item: Json = {"operation": "convert", "amount_minor": 10, "asset": "EUR", **fields}
    asked = [
        *(transfer(bank.anna, bank.bert, 10, **fields, **later), transfer(bank.anna, bank.bert, 10, **fields)),
        command("convert", bank.anna, amount_minor=10, asset="EUR", **fields, **later),
        command("batch", bank.anna, items=[item]),
    ]
    answers = [bank.world.submit(one) for one in asked]
    refused = ("amount_out_of_range", "min_to_amount_minor")
    assert [(answer["code"], answer["field"].rpartition(".")[2]) for answer in answers] == [refused] * len(asked)
    assert answers[-1]["field"] == "items.0.min_to_amount_minor"
    bank.ask(transfer(bank.anna, bank.bert, 10, **{**fields, "min_to_amount_minor": INT64_MAX}), "rate_moved")
    bank.world.wait(2_000)
    bank.ask(debit(bank.anna, 1))
    bank.audit()
