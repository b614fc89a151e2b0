"""What only one side has at the end of a day: with the lines themselves the equation of a position holds always."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from agents.reconciliation.proofs.balances import OpenLine, Tolerated
from agents.reconciliation.proofs.open_items import ItemsOfDay, OpenItems

RAIL, ACCOUNT = "system/rail:cards", "cards-report"
DAY, NEXT = "2026-11-20", "2026-11-21"


def finish(found: OpenItems) -> ItemsOfDay:
    (of_day,) = found.of([DAY])
    return of_day


def items() -> OpenItems:
    found = OpenItems({RAIL: ACCOUNT})
    found.take_ledger_line("l1", RAIL, "EUR", 100, DAY)
    found.take_ledger_line("l2", RAIL, "EUR", 200, DAY)
    found.take_ledger_line("other", "system/rail:sepa", "EUR", 999, DAY)
    found.take_statement_line("s1", ACCOUNT, "EUR", 100, DAY)
    found.take_statement_line("s2", ACCOUNT, "EUR", 198, DAY)
    return found


def test_matches_that_are_whole_are_not_open() -> None:
    found = items()
    found.take_match("m1", ("l1", "s1"))
    assert finish(found) == (
        [OpenLine(ACCOUNT, "EUR", 200, "with_us", False), OpenLine(ACCOUNT, "EUR", 198, "in_file", False)],
        [],
    )


def test_what_a_match_differs_by_is_told() -> None:
    found = items()
    found.take_match("m1", ("l1", "s1"))
    found.take_match("m2", ("l2", "s2"))
    assert finish(found) == ([], [Tolerated(ACCOUNT, "EUR", -2)])


def test_what_was_matched_with_a_later_line_was_open() -> None:
    found = items()
    found.take_match("m1", ("l1", "s1"))
    found.take_match("m2", ("l2", "line of tomorrow"))
    assert finish(found)[0][0] == OpenLine(ACCOUNT, "EUR", 200, "with_us", False)


def test_a_match_that_was_undone_leaves_its_lines_open() -> None:
    found = items()
    found.take_match("m1", ("l1", "s1"))
    found.undo_match("m1")
    found.undo_match("never was")
    found.take_book(ACCOUNT)
    assert len(finish(found)[0]) == 4


def test_exceptions_as_they_were_told_last() -> None:
    found = items()
    found.take_match("m1", ("l1", "s1"))
    found.take_exception("x1", ("l2", "s2"), is_open=True)
    assert [one.is_exception for one in finish(found)[0]] == [True, True]
    found.take_exception("x1", ("l2", "s2"), is_open=False)
    assert [one.is_exception for one in finish(found)[0]] == [False, False]


def test_of_an_account_that_nobody_has_looked_at_nothing_is_expected() -> None:
    assert finish(items()) == ([], [])


ids = st.sampled_from([f"{side}{n}" for side in "ls" for n in range(6)])
lines = st.dictionaries(ids, st.tuples(st.sampled_from(["EUR"]), st.integers(-(10**6), 10**6)))
#: Every line is in one match at most, as the matcher has it.
matches = st.permutations([f"{side}{n}" for side in "ls" for n in range(6)]).flatmap(
    lambda order: st.lists(st.integers(1, 3), max_size=4).map(
        lambda sizes: [tuple(order[sum(sizes[:n]) : sum(sizes[: n + 1])]) for n in range(len(sizes))]
    )
)


@given(lines, matches)
def test_open_lines_and_differences_explain_the_whole_difference(
    drawn: dict[str, tuple[str, int]], matched: list[tuple[str, ...]]
) -> None:
    found = OpenItems({RAIL: ACCOUNT})
    found.take_book(ACCOUNT)
    ledger = statement = 0
    for line_id, (asset, minor) in drawn.items():
        if line_id.startswith("l"):
            found.take_ledger_line(line_id, RAIL, asset, minor, DAY)
            ledger += minor
        else:
            found.take_statement_line(line_id, ACCOUNT, asset, minor, DAY)
            statement += minor
    for number, line_ids in enumerate(matched):
        if line_ids:
            found.take_match(f"m{number}", line_ids)
    open_lines, tolerated = finish(found)
    signed = sum(one.amount_minor if one.side == "in_file" else -one.amount_minor for one in open_lines)
    assert statement - ledger == signed + sum(one.difference_minor for one in tolerated)


@given(st.dictionaries(ids, st.tuples(st.sampled_from([DAY, NEXT, "2026-11-22"]), st.integers(1, 9))), matches)
def test_days_one_after_the_other_are_what_each_is_alone(
    drawn: dict[str, tuple[str, int]], matched: list[tuple[str, ...]]
) -> None:
    def of(until: str) -> OpenItems:
        """What is known at the end of a day."""
        found = OpenItems({RAIL: ACCOUNT})
        for line_id, (day, minor) in drawn.items():
            take = found.take_ledger_line if line_id.startswith("l") else found.take_statement_line
            if day <= until:
                take(line_id, RAIL if line_id.startswith("l") else ACCOUNT, "EUR", minor, day)
        for number, line_ids in enumerate(matched):
            found.take_match(f"m{number}", line_ids)
        return found

    days = [DAY, NEXT, "2026-11-22"]
    alone = [one for day in days for one in of(day).of([day])]
    assert list(of(days[-1]).of(days)) == alone
