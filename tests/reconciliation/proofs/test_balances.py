"""Positions against statements: what is open explains the difference, or it is unexplained."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.reconciliation.proofs.balances import ClosingBalance, OpenLine, Pair, balance_proofs
from agents.reconciliation.proofs.books import DayTotals, PartitionBooks
from agents.reconciliation.proofs.postings import Posting
from schemas.reconciliation_proofs import BalanceProof, OpenItems, decode_proof, encode_proof
from tests.reconciliation.proofs.ledgers import journal

DAY = "2026-11-20"
CARDS = Pair(("system/rail:cards",), "cards")


def books(*moves: tuple[str, str, str, int]) -> list[DayTotals]:
    part = PartitionBooks(0)
    part.take(Posting(0, "transaction.settled", f"{DAY}T10:00:00.000Z", "t", "credit", journal(*moves)))
    return [part.totals(DAY)]


HELD_FOR_US = books(("system/rail:cards", "w/main/available", "EUR", 1_000))


def closing(minor: int, asset: str = "EUR", day: str = DAY) -> ClosingBalance:
    return ClosingBalance("cards", asset, day, minor, "s1")


def prove(closings: list[ClosingBalance], *lines: OpenLine) -> BalanceProof:
    (proof,) = balance_proofs(DAY, HELD_FOR_US, [CARDS], closings, lines)
    return proof


def test_both_say_the_same() -> None:
    proof = prove([closing(1_000)])
    assert (proof.verdict, proof.ledger_minor, proof.statement_minor, proof.difference_minor) == (
        "agrees",
        1_000,
        1_000,
        0,
    )
    assert decode_proof(encode_proof(proof)) == proof


@pytest.mark.parametrize(
    ("line", "stated_minor"),
    [
        (OpenLine("cards", "EUR", 300, "with_us", False), 700),
        (OpenLine("cards", "EUR", -300, "with_us", True), 1_300),
        (OpenLine("cards", "EUR", 300, "in_file", False), 1_300),
        (OpenLine("cards", "EUR", -300, "in_file", True), 700),
    ],
)
def test_what_only_one_side_has_explains_it(line: OpenLine, stated_minor: int) -> None:
    proof = prove([closing(stated_minor)], line)
    assert (proof.verdict, proof.unexplained_minor) == ("explained", 0)
    sections = {
        ("with_us", False): proof.expected_with_us,
        ("with_us", True): proof.excepted_with_us,
        ("in_file", False): proof.expected_in_file,
        ("in_file", True): proof.excepted_in_file,
    }
    assert sections.pop((line.side, line.is_exception)) == OpenItems(1, line.amount_minor)
    assert list(sections.values()) == [OpenItems(0, 0)] * 3


def test_what_nothing_explains() -> None:
    proof = prove([closing(990)], OpenLine("cards", "EUR", 3, "with_us", False))
    assert (proof.verdict, proof.difference_minor, proof.unexplained_minor) == ("unexplained", -10, -7)


def test_equal_balances_that_hide_a_break_are_unexplained() -> None:
    """A line only with us, and as much of something else in the balance: netting does not make it right."""
    proof = prove([closing(1_000)], OpenLine("cards", "EUR", 25, "with_us", True))
    assert (proof.verdict, proof.difference_minor, proof.unexplained_minor) == ("unexplained", 0, 25)


@pytest.mark.parametrize(
    "ours", [OpenLine("cards", "EUR", 25, "with_us", True), OpenLine("cards", "EUR", -25, "in_file", True)]
)
def test_equal_balances_whose_open_lines_cancel_out_do_not_agree(ours: OpenLine) -> None:
    proof = prove([closing(1_000)], ours, OpenLine("cards", "EUR", 25, "in_file", False))
    assert (proof.verdict, proof.difference_minor, proof.unexplained_minor) == ("explained", 0, 0)


def test_without_a_statement_of_that_day_nothing_is_said() -> None:
    proof = prove([closing(1_000, day="2026-11-19")])
    assert (proof.verdict, proof.statement_minor, proof.unexplained_minor) == ("no_statement", None, None)


def test_every_asset_of_either_side_has_a_proof() -> None:
    proofs = balance_proofs(DAY, HELD_FOR_US, [CARDS], [closing(5, "USD")])
    assert [(one.asset, one.verdict) for one in proofs] == [("EUR", "no_statement"), ("USD", "unexplained")]


def test_several_rails_may_be_one_account() -> None:
    parts = books(("system/rail:a", "w/m/held", "EUR", 3), ("system/rail:b", "w/m/held", "EUR", 4))
    (proof,) = balance_proofs(DAY, parts, [Pair(("system/rail:a", "system/rail:b"), "cards")], [closing(7)])
    assert (proof.ledger_account, proof.verdict) == ("system/rail:a+system/rail:b", "agrees")
    assert proof.proof_id == f"balance/system/rail:a+system/rail:b/cards/EUR/{DAY}"


lines = st.lists(
    st.builds(
        OpenLine,
        st.sampled_from(["cards", "other"]),
        st.sampled_from(["EUR", "USD"]),
        st.integers(-(2**63), 2**63),
        st.sampled_from(["with_us", "in_file"]),
        st.booleans(),
    ),
    max_size=8,
)


@given(lines, st.integers(-(2**63), 2**63))
def test_the_equation_holds_for_any_lines(open_lines: list[OpenLine], stated_minor: int) -> None:
    proofs = balance_proofs(DAY, HELD_FOR_US, [CARDS], [closing(stated_minor)], open_lines)
    assert {one.asset for one in proofs} == {"EUR", *(o.asset for o in open_lines if o.statement_account == "cards")}
    (proof,) = (one for one in proofs if one.asset == "EUR")
    of = [one for one in open_lines if (one.statement_account, one.asset) == ("cards", "EUR")]
    signed = sum(one.amount_minor if one.side == "in_file" else -one.amount_minor for one in of)
    assert proof.unexplained_minor is not None
    assert stated_minor == proof.ledger_minor + signed + proof.unexplained_minor
    assert (proof.verdict == "unexplained") == (proof.unexplained_minor != 0)
    items = (proof.expected_with_us, proof.excepted_with_us, proof.expected_in_file, proof.excepted_in_file)
    assert sum(one.count for one in items) == len(of)
