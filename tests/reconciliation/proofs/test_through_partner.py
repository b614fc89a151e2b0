"""Lines of ledger and bank that belong together by way of the partner's report."""

from __future__ import annotations

from agents.reconciliation.proofs.through_partner import Sides, through_partner


def test_a_payout_is_as_many_payments_as_the_report_has_in_it() -> None:
    ledger = [Sides(("l1",), ("p1",)), Sides(("l2",), ("p2",)), Sides(("l3",), ("p3",))]
    bank = [Sides(("p1", "p2"), ("b1",))]
    assert list(through_partner(ledger, bank)) == [("l1", "l2", "b1")]


def test_one_line_of_the_report_that_only_the_bank_has_leaves_all_of_the_payout_open() -> None:
    bank = [Sides(("p1", "p2"), ("b1",))]
    assert list(through_partner([Sides(("l1",), ("p1",))], bank)) == []
    assert list(through_partner([], bank)) == []


def test_groups_that_share_a_line_of_the_report_are_one() -> None:
    ledger = [Sides(("l1",), ("p1", "p2")), Sides(("l2", "l3"), ("p3",))]
    bank = [Sides(("p1",), ("b1",)), Sides(("p2", "p3"), ("b2", "b3"))]
    (found,) = through_partner(ledger, bank)
    assert sorted(found) == ["b1", "b2", "b3", "l1", "l2", "l3"]
    assert list(through_partner(ledger, bank[:1])) == []


def test_what_was_settled_without_the_report_is_settled() -> None:
    assert list(through_partner([Sides(("l1", "l2"), ())], [Sides((), ("b1", "b2"))])) == [("l1", "l2"), ("b1", "b2")]
