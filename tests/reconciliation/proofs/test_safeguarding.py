"""The safeguarding identity: both sides of it are the same, for any ledger; and what counts as cash, and as owed."""

from __future__ import annotations

from hypothesis import given

from agents.reconciliation.proofs.books import PartitionBooks
from agents.reconciliation.proofs.postings import Posting
from agents.reconciliation.proofs.safeguarding import ANNOUNCED, safeguarding_proofs
from schemas.events import Entry
from schemas.reconciliation_proofs import Amount, SafeguardingProof, decode_proof, encode_proof
from tests.reconciliation.proofs.ledgers import DAYS, journal, ledgers, totals_of

DAY = "2026-11-20"
AT = f"{DAY}T10:00:00.000Z"


def prove(*moves: tuple[str, str, str, int], kind: str = "currency") -> SafeguardingProof:
    """The proof of one journal, in its one asset."""
    books = PartitionBooks(0)
    books.take(Posting(0, "transaction.settled", AT, "t", "credit", journal(*moves)))
    (proof,) = safeguarding_proofs(DAY, [books.totals(DAY)], lambda _asset: kind)
    return proof


@given(ledgers)
def test_what_is_left_of_the_cash_is_what_belongs_to_nobody_else(ledger: list[list[Posting]]) -> None:
    parts = [totals_of(log, p, DAYS[2], DAYS[2]) for p, log in enumerate(ledger)]
    for proof in safeguarding_proofs(DAYS[2], parts):
        assert proof.sum_minor == 0
        assert proof.surplus_minor == proof.cash_minor - proof.owed_minor
        assert proof.surplus_minor == sum(one.amount_minor for one in proof.made_of)
        assert proof.cash_minor == sum(one.amount_minor for one in proof.cash)
        assert proof.owed_minor == sum(one.amount_minor for one in proof.owed)
        assert decode_proof(encode_proof(proof)) == proof
    assert safeguarding_proofs(DAYS[2], parts[::-1]) == safeguarding_proofs(DAYS[2], parts)


def test_money_that_is_here_and_owed_is_even() -> None:
    proof = prove(
        ("system/rail:cards", "w/main/available", "EUR", 700), ("w/main/available", "w/main/held", "EUR", 200)
    )
    assert (proof.verdict, proof.surplus_minor) == ("even", 0)
    assert proof.cash == (Amount("system/rail:cards", 700),)
    assert proof.owed == (Amount("wallets/available", 500), Amount("wallets/held", 200))
    assert (proof.proof_id, proof.revision) == (f"safeguarding/EUR/{DAY}", 1)


def test_fees_are_a_surplus_and_what_was_advanced_a_shortfall() -> None:
    credit = ("system/rail:cards", "w/main/available", "EUR", 700)
    surplus = prove(credit, ("w/main/available", "system/fees", "EUR", 5))
    assert (surplus.verdict, surplus.surplus_minor, surplus.made_of) == ("surplus", 5, (Amount("system/fees", 5),))
    shortfall = prove(credit, ("system/chargebacks", "w/main/disputed", "EUR", 30))
    assert (shortfall.verdict, shortfall.surplus_minor) == ("shortfall", -30)


def test_what_is_only_announced_is_neither_here_nor_owed() -> None:
    proof = prove(("system/rail-pending:sepa", "w/main/incoming", "EUR", 900))
    assert (proof.verdict, proof.surplus_minor, proof.announced_minor) == ("even", 0, 900)
    assert (proof.cash, proof.owed, proof.made_of) == ((), (), ())


def test_announced_money_whose_sides_differ_shows() -> None:
    proof = prove(
        ("system/rail-pending:sepa", "w/main/incoming", "EUR", 900), ("w/a/incoming", "system/fees", "EUR", 9)
    )
    assert proof.made_of == (Amount("system/fees", 9), Amount(ANNOUNCED, -9))
    assert proof.surplus_minor == 0


def test_suspense_is_owed_and_never_cash() -> None:
    owed = prove(("system/rail:cards", "system/suspense", "EUR", 50))
    assert (owed.verdict, owed.owed) == ("even", (Amount("system/suspense", 50),))
    claim = prove(("system/suspense", "w/main/available", "EUR", 50))
    assert (claim.verdict, claim.surplus_minor, claim.owed_minor) == ("shortfall", -50, 50)


def test_what_the_chart_does_not_know_counts_against_us() -> None:
    assert prove(("system/rail:cards", "system/new", "EUR", 50)).verdict == "even"
    assert prove(("system/new", "w/main/available", "EUR", 50)).verdict == "shortfall"


def test_points_are_not_safeguarded() -> None:
    proof = prove(("system/rewards", "w/main/available", "MILES", 50), kind="points")
    assert (proof.verdict, proof.surplus_minor, proof.asset_kind) == ("not_money", -50, "points")


def test_books_that_do_not_balance_prove_nothing() -> None:
    books = PartitionBooks(0)
    books.take(
        Posting(0, "transaction.settled", AT, "t", "credit", (Entry("system/rail:cards", "EUR", debit_minor=9),))
    )
    (proof,) = safeguarding_proofs(DAY, [books.totals(DAY)])
    assert (proof.verdict, proof.sum_minor) == ("unbalanced", -9)


def test_it_names_how_far_each_log_goes() -> None:
    parts = []
    for partition in (1, 0):
        books = PartitionBooks(partition)
        books.take(
            Posting(0, "transaction.settled", AT, "t", "credit", journal(("system/rail:c", "w/m/held", "EUR", 1)))
        )
        books.take(Posting(1, "batch.sealed", AT, hash=f"{partition}" * 64))
        parts.append(books.totals(DAY))
    (proof,) = safeguarding_proofs(DAY, parts)
    assert [(cut.partition, cut.last_sequence, cut.seal_hash) for cut in proof.cuts] == [
        (0, 1, "0" * 64),
        (1, 1, "1" * 64),
    ]
