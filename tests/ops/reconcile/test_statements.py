"""Statements as proofs read them: whole ones, each once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any, cast

import pytest

from agents.reconciliation.proofs.balances import ClosingBalance
from ops.reading import TopicReader
from ops.reconcile.statements import Statements, read_statements
from schemas.external_statements import encode_external
from tests.ops.reconcile.statements import DAY, line, statement


def test_the_closing_balance_of_a_day() -> None:
    found = Statements()
    for one in (
        statement("before", 1, closing_date="2026-11-19"),
        statement("first", 2),
        statement("last", 3),
        statement("page 1 of 2", 4, complete=False),
        statement("interim", 5, basis="interim"),
        statement("without balance", None),
        statement("dollars", 7, asset="USD"),
        statement("after", 8, closing_date="2026-11-21"),
    ):
        found.take(one)
    assert found.closings(DAY) == [
        ClosingBalance("cards", "EUR", DAY, 3, "last"),
        ClosingBalance("cards", "USD", DAY, 7, "dollars"),
    ]
    assert [one.statement_id for one in found.closings("2026-11-19")] == ["before"]
    assert found.latest == {"cards": "2026-11-21"}


def test_of_several_statements_of_a_day_the_highest_number_closes_it_whichever_came_last() -> None:
    for numbers in ((7, 8), (8, 7)):
        found = Statements()
        for number in numbers:
            found.take(statement(f"s{number}", number, sequence_number=number))
        assert [one.statement_id for one in found.closings(DAY)] == ["s8"]


def test_where_bank_and_partner_state_an_account_the_bank_counts() -> None:
    found = Statements()
    for side in ("partner", "bank"):
        found.take(line(f"of the {side}", side, side=side))
        found.take(statement(side, 5 if side == "bank" else 6, side=side, content_hash="the same"))
        assert [one.line_id for one in found.lines("cards", DAY)] == [f"of the {side}"]
    assert [one.balance_minor for one in found.closings(DAY)] == [5]
    # A bank that is late is so, whatever the partner has stated since.
    found.take(statement("later", 6, side="partner", closing_date="2026-11-29"))
    assert found.latest == {"cards": DAY}


def test_lines_of_whole_statements_each_once() -> None:
    found = Statements()
    for one in (
        line("a", "s1"),
        line("a", "s1"),
        line("tomorrow", "s1", "2026-11-21"),
        line("interim", "s1", basis="interim"),
        statement("s1", 5),
        line("copied", "s2"),
        statement("s2", 5, content_hash="s1"),
        statement("s1", 5),
        line("not whole", "s3"),
        line("other", "s4", account="house"),
        statement("s4", 5, account="house"),
    ):
        found.take(one)
    assert [one.line_id for one in found.lines("cards", DAY)] == ["a"]
    assert [one.line_id for one in found.lines("cards", "2026-11-21")] == ["a", "tomorrow"]
    assert [one.line_id for one in found.lines("house", DAY)] == ["other"]
    assert [one.statement_id for one in found.closings(DAY) if one.statement_account == "cards"] == ["s1"]


@pytest.mark.parametrize(("opening_date", "first_day"), [("2026-11-18", "2026-11-19"), (DAY, DAY)])
def test_a_line_counts_with_the_balance_that_it_is_part_of(opening_date: str, first_day: str) -> None:
    """Of lines that have only a value date that is what they are booked by; the balances say within which days."""
    found = Statements()
    days = {"long ago": "2026-11-02", "before": opening_date, "within": DAY, "next week": "2026-11-27"}
    for number, (name, day) in enumerate(days.items(), 1):
        found.take(line(name, "s1", day, number=number))
    found.take(statement("s1", 20, opening_minor=0, opening_date=opening_date, credit_minor=20, line_count=4))
    day_before = "2026-11-18" if first_day != DAY else "2026-11-19"
    assert [one.line_id for one in found.lines("cards", day_before)] == []
    assert [one.line_id for one in found.lines("cards", first_day)][:2] == ["long ago", "before"]
    assert sum(one.amount_minor for one in found.lines("cards", DAY)) == 20
    assert {one.booking_date for one in found.lines("cards", DAY)} == {first_day, DAY}


def test_what_the_role_does_not_take_for_its_dates_is_passed_over() -> None:
    class Reader:
        async def read(self, _name: str) -> AsyncIterator[list[Any]]:
            records = (statement("hostile", 7, closing_date="soon"), statement("s1", 5))
            yield [SimpleNamespace(value=encode_external(one)) for one in records]

    found = asyncio.run(read_statements(cast(TopicReader, Reader())))
    assert found.latest == {"cards": DAY}
