"""Each reason, and what is no reason to match."""

from __future__ import annotations

import pytest

from agents.reconciliation.matching.lines import Line, LineKind, Statement
from agents.reconciliation.matching.match import match
from schemas.reconciliation_reasons import MEANINGS, REASONS
from tests.reconciliation.matching.lines import candidates, check_accounts, line, matched, reasons, rules

BY_REF = {"keys": ["ref"], "date_window_days": [-1, 3]}


def test_every_reason_is_explained() -> None:
    assert tuple(MEANINGS) == REASONS


def test_what_one_side_alone_has_is_missing_on_the_other() -> None:
    left, right = [line("1", 100, ref="A")], [line("a", 300, ref="B")]
    found = match(rules(BY_REF), left, right)
    assert reasons(found) == {"left 1": "missing_right", "right a": "missing_left"}
    check_accounts(found, left, right)


@pytest.mark.parametrize(
    ("ours", "theirs", "reason", "difference"),
    [
        (100, 101, "amount_over", 1),
        (100, 60, "amount_under", -40),
        (-100, -120, "amount_over", -20),
        (-100, -90, "amount_under", 10),
        (100, -100, "amount_under", -200),
        (0, 1, "amount_over", 1),
    ],
)
def test_another_amount_under_one_reference(ours: int, theirs: int, reason: str, difference: int) -> None:
    found = match(rules(BY_REF), [line("1", ours, ref="A")], [line("a", theirs, ref="A")])
    assert reasons(found) == {"left 1": reason, "right a": reason}
    assert {each.difference_minor for each in found.exceptions} == {difference}
    assert candidates(found) == {"left 1": ("a",), "right a": ("1",)}


def test_another_asset_under_one_reference() -> None:
    found = match(rules(BY_REF), [line("1", 100, ref="A")], [line("a", 117, asset="USD", ref="A")])
    assert reasons(found) == {"left 1": "currency", "right a": "currency"}


@pytest.mark.parametrize("day", [8, 14, 300])
def test_a_day_outside_the_window(day: int) -> None:
    found = match(rules(BY_REF), [line("1", 100, ref="A")], [line("a", 100, day, ref="A")])
    assert reasons(found) == {"left 1": "date", "right a": "date"}


@pytest.mark.parametrize("day", [9, 13])
def test_the_ends_of_the_window_belong_to_it(day: int) -> None:
    found = match(rules(BY_REF), [line("1", 100, ref="A")], [line("a", 100, day, ref="A")])
    assert matched(found) == [("p0", "1", "a")]


def test_one_reference_once_more() -> None:
    found = match(rules(BY_REF), [line("1", 100, ref="A")], [line("a", 100, ref="A"), line("b", 100, ref="A")])
    assert (matched(found), reasons(found)) == ([("p0", "1", "a")], {"right b": "duplicate"})
    assert candidates(found) == {"right b": ("1",)}


def test_one_reference_once_more_beside_a_wrong_amount() -> None:
    right = [line("a", 90, ref="A"), line("b", 90, ref="A")]
    found = match(rules(BY_REF), [line("1", 100, ref="A")], right)
    assert reasons(found) == {"left 1": "amount_under", "right a": "amount_under", "right b": "duplicate"}


def test_two_equal_lines_are_two() -> None:
    left = [line("1", 100, ref="A"), line("2", 100, ref="A")]
    right = [line("a", 100, ref="A"), line("b", 100, ref="A")]
    assert matched(match(rules(BY_REF), left, right)) == [("p0", "1", "a"), ("p0", "2", "b")]


def test_the_first_with_the_first_of_what_comes_again_every_week() -> None:
    left = [line("1", 100, 10, ref="A"), line("2", 100, 17, ref="A"), line("3", 100, 24, ref="A")]
    right = [line("c", 100, 26, ref="A"), line("a", 100, 11, ref="A"), line("b", 100, 18, ref="A")]
    by_ref = {"keys": ["ref"], "date_window_days": [-10, 10]}
    assert matched(match(rules(by_ref), left, right)) == [("p0", "1", "a"), ("p0", "2", "b"), ("p0", "3", "c")]


def test_one_amount_under_two_references() -> None:
    found = match(rules(BY_REF), [line("1", 100, ref="A")], [line("a", 100, 11, ref="B")])
    assert reasons(found) == {"left 1": "reference", "right a": "reference"}


def test_two_that_could_be_it_are_no_reference_but_missing_with_candidates() -> None:
    found = match(rules(BY_REF), [line("1", 100, ref="A")], [line("a", 100, ref="B"), line("b", 100, ref="C")])
    assert reasons(found) == {"left 1": "missing_right", "right a": "missing_left", "right b": "missing_left"}
    assert candidates(found) == {"left 1": ("a", "b"), "right a": ("1",), "right b": ("1",)}


FEES = {**BY_REF, "fee_tolerance_minor": 30, "fee_tolerance_bp": 200}


@pytest.mark.parametrize(
    ("theirs", "reason"),
    [
        (9_970, "fee_variance"),
        (9_800, "fee_variance"),
        (9_799, "amount_under"),
        (10_001, "amount_over"),
    ],
)
def test_what_a_fee_may_be_is_short_by_a_fee(theirs: int, reason: str) -> None:
    found = match(rules(FEES), [line("1", 10_000, ref="A")], [line("a", theirs, ref="A")])
    assert reasons(found) == {"left 1": reason, "right a": reason}


def test_a_known_fee_is_taken_off() -> None:
    found = match(rules(BY_REF), [line("1", 100, ref="A", fee=3)], [line("a", 97, ref="A")])
    assert [(each.fee_minor, each.difference_minor) for each in found.matches] == [(3, 0)]
    for theirs, reason in ((95, "fee_variance"), (100, "fee_variance"), (90, "amount_under"), (101, "amount_over")):
        found = match(rules(BY_REF), [line("1", 100, ref="A", fee=3)], [line("a", theirs, ref="A")])
        assert reasons(found) == {"left 1": reason, "right a": reason}


def test_fees_count_on_the_side_that_the_pass_names() -> None:
    ours, theirs = [line("1", 100, ref="A", fee=3)], [line("a", 100, ref="A", fee=3)]
    assert matched(match(rules({**BY_REF, "fees": "none"}), ours, theirs)) == [("p0", "1", "a")]
    assert reasons(match(rules({**BY_REF, "fees": "right"}), ours, theirs))["left 1"] == "fee_variance"


PARTS = {"keys": ["ref"], "cardinality": "1:n", "date_window_days": [0, 5]}


def test_parts_that_come_to_less() -> None:
    right = [line("a", 60, ref="A"), line("b", 30, ref="A")]
    found = match(rules(BY_REF, PARTS), [line("1", 100, ref="A")], right)
    assert set(reasons(found).values()) == {"split_incomplete"}
    assert candidates(found)["left 1"] == ("b", "a")


def test_parts_that_come_to_more() -> None:
    right = [line("a", 60, ref="A"), line("b", 70, ref="A")]
    found = match(rules(BY_REF, PARTS), [line("1", 100, ref="A")], right)
    assert set(reasons(found).values()) == {"amount_over"}


def test_a_part_once_more() -> None:
    right = [line("a", 60, ref="A"), line("b", 40, ref="A"), line("c", 40, ref="A")]
    found = match(rules(BY_REF, PARTS), [line("1", 100, ref="A")], right)
    assert (matched(found), reasons(found)) == ([("p1", "1", "a+b")], {"right c": "duplicate"})


def test_a_part_that_comes_too_late() -> None:
    right = [line("a", 60, ref="A"), line("b", 40, 30, ref="A")]
    found = match(rules(BY_REF, PARTS), [line("1", 100, ref="A")], right)
    assert set(reasons(found).values()) == {"date"}


PAYOUT = {"keys": ["payout"], "cardinality": "n:1", "date_window_days": [0, 5]}


def test_a_payout_is_the_sum_of_amounts_less_fees() -> None:
    left = [line("1", 100, payout="P", fee=2), line("2", 50, payout="P", fee=1)]
    found = match(rules(PAYOUT), left, [line("a", 147, payout="P")])
    assert [(each.fee_minor, each.difference_minor) for each in found.matches] == [(3, 0)]
    found = match(rules(PAYOUT), left, [line("a", 145, payout="P")])
    assert set(reasons(found).values()) == {"fee_variance"}
    found = match(rules(PAYOUT), left, [line("a", 120, payout="P")])
    assert set(reasons(found).values()) == {"amount_under"}
    found = match(rules(PAYOUT), left, [line("a", 200, payout="P")])
    assert set(reasons(found).values()) == {"split_incomplete"}


@pytest.mark.parametrize("kind", ["reversal", "chargeback"])
def test_what_takes_back_something_that_is_there_is_missing_else_unlinked(kind: str) -> None:
    left, right = [line("1", 100, ref="A")], [line("a", 100, ref="A")]
    by_own = line("b", -100, 12, ref="R1", kind=kind, **{f"{kind}_of": "A"})  # type: ignore[arg-type]
    by_same = line("c", -100, 12, ref="A", kind=kind)  # type: ignore[arg-type]
    of_nothing = line("d", -100, 12, ref="R2", kind=kind, **{f"{kind}_of": "X"})  # type: ignore[arg-type]
    found = match(rules(BY_REF), left, [*right, by_own, by_same, of_nothing])
    unlinked = f"unlinked_{kind}"
    assert reasons(found) == {"right b": "missing_left", "right c": "missing_left", "right d": unlinked}


def test_a_statement_that_does_not_add_up_is_not_matched_at_all() -> None:
    left = [line("1", 100, ref="A"), line("2", 50, ref="B")]
    right = [line("a", 100, ref="A", statement="S"), line("b", 50, ref="B", statement="T")]
    statements = [Statement("S", "right", 1_000, 1_099), Statement("T", "right", 0, 50)]
    found = match(rules(BY_REF), left, right, statements=statements)
    assert matched(found) == [("p0", "2", "b")]
    assert reasons(found) == {"left 1": "missing_right", "right a": "statement_unbalanced"}
    check_accounts(found, left, right)


def test_what_may_still_come_is_expected() -> None:
    # Day 1 of the calendar was a Monday, so 8 is one and 12 a Friday.
    by_ref = rules(BY_REF, expected_lag_business_days=2)
    left = [line("1", 100, 12, ref="A"), line("2", 200, 11, ref="B")]
    assert reasons(match(by_ref, left, [], 16)) == {"left 1": "expected", "left 2": "missing_right"}
    assert reasons(match(by_ref, left, [], 17)) == {"left 1": "missing_right", "left 2": "missing_right"}
    assert reasons(match(by_ref, left, [], 17, holidays={15, 16})) == {"left 1": "expected", "left 2": "expected"}
    assert reasons(match(by_ref, left, [], 1)) == {"left 1": "expected", "left 2": "expected"}
    assert reasons(match(by_ref, left, [])) == {"left 1": "missing_right", "left 2": "missing_right"}


def test_what_is_wrong_is_not_expected() -> None:
    by_ref = rules(BY_REF, expected_lag_business_days=200)
    found = match(by_ref, [line("1", 100, ref="A")], [line("a", 90, ref="A")], 10)
    assert set(reasons(found).values()) == {"amount_under"}


def test_one_part_is_what_passes_of_one_and_one_say_it_is() -> None:
    """Where there are none of the same key, a payout may be of one payment."""
    left, right = [line("1", 100, payout="P", ref="A")], [line("a", 100, 15, payout="P", ref="A")]
    assert matched(match(rules(PAYOUT), left, right)) == [("p0", "1", "a")]
    assert reasons(match(rules(BY_REF, PARTS), left, right)) == {"left 1": "date", "right a": "date"}
    right = [line("a", 100, 15, ref="A"), line("b", 50, 15, ref="A")]
    assert not match(rules(BY_REF, PARTS), left, right).matches


def test_parts_in_another_asset() -> None:
    right = [line("a", 60, asset="USD", ref="A"), line("b", 40, asset="USD", ref="A")]
    found = match(rules(BY_REF, PARTS), [line("1", 100, ref="A")], right)
    assert reasons(found) == {"left 1": "currency", "right a": "currency", "right b": "currency"}
    found = match(rules(BY_REF, PARTS), [line("1", 100, ref="A")], [*right, line("c", 10, ref="A")])
    assert reasons(found) == {
        "left 1": "split_incomplete",
        "right a": "currency",
        "right b": "currency",
        "right c": "split_incomplete",
    }
    assert candidates(found)["right a"] == ("1",)


@pytest.mark.parametrize(("kind", "other"), [("reversal", "chargeback_of"), ("chargeback", "reversal_of")])
def test_what_it_says_that_it_takes_back_counts_before_its_own_references(kind: LineKind, other: str) -> None:
    left, right = [line("1", 100, ref="A")], [line("a", 100, ref="A")]
    said = Line("b", -100, "EUR", 12, {"ref": "A", f"{kind}_of": "X", other: "A"}, kind=kind)
    assert reasons(match(rules(BY_REF), left, [*right, said])) == {"right b": f"unlinked_{kind}"}
