"""What others say of a day: files that pass every gate of the importer, and are wrong where they are meant to be."""

from __future__ import annotations

import json

from agents.statements.mapping import read_mapping
from agents.statements.reading import ReadFile, Reading
from ops.demo.day.papers import FEE_MINOR, MAPPING, SHORT_MINOR, Moved, camt053, mt940, partner_report, report_says
from schemas.external_statements import ExternalLine
from tests.statements.files import lines_of, read_with

DAY = "2026-11-29"
FUNDED = Moved("sepa", "f" * 32, 1_000_000, "fund-sepa")
PAID = [Moved("sepa", f"{number:032x}", -10_000 - number, f"sim-{number:016x}") for number in range(6)]


def read(data: str | bytes, reading: Reading) -> list[ExternalLine]:
    file = read_with(data.encode() if isinstance(data, str) else data, reading)
    assert isinstance(file, ReadFile), file
    (statement,) = file.statements
    assert statement.statement.proof == ("none" if reading.mapping else "balances")
    return lines_of(file)


def test_a_report_in_which_four_payouts_are_wrong() -> None:
    reading = Reading("sepa", side="partner", mapping=read_mapping(json.dumps(MAPPING).encode()))
    lines = read(partner_report(DAY, FUNDED, PAID), reading)
    by_reference: dict[str, list[tuple[int, int]]] = {}
    for line in lines:
        by_reference.setdefault(line.references["provider_reference"], []).append((line.amount_minor, line.fee_minor))
    missing, doubled, short, laden, *rest = PAID
    assert missing.reference not in by_reference
    assert by_reference == {
        FUNDED.reference: [(FUNDED.amount_minor, 0)],
        doubled.reference: [(doubled.amount_minor, 0)] * 2,
        short.reference: [(short.amount_minor + SHORT_MINOR, 0)],
        laden.reference: [(laden.amount_minor - FEE_MINOR, FEE_MINOR)],
        **{one.reference: [(one.amount_minor, 0)] for one in rest},
    }


def test_what_is_said_of_the_report() -> None:
    assert report_says() == "one payout is not there, one is twice, one 25.00 short, and one has a fee of 0.35"


def test_a_camt053_that_repeats_our_references() -> None:
    lines = read(camt053(DAY, [FUNDED, *PAID]), Reading("sepa"))
    assert [line.references["end_to_end_id"] for line in lines] == [one.transaction_id for one in (FUNDED, *PAID)]
    assert [line.amount_minor for line in lines] == [one.amount_minor for one in (FUNDED, *PAID)]


def test_an_mt940_without_them() -> None:
    lines = read(mt940(DAY, [FUNDED, *PAID]), Reading("ach"))
    assert [line.amount_minor for line in lines] == [one.amount_minor for one in (FUNDED, *PAID)]
    assert not any(one.transaction_id in line.references.values() for line in lines for one in PAID)


def test_overdrawn() -> None:
    for data in (camt053(DAY, PAID), mt940(DAY, PAID)):
        assert sum(line.amount_minor for line in read(data, Reading("ach"))) == sum(one.amount_minor for one in PAID)
