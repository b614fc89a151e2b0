"""BAI2: signs by type codes, continuations, funds types, control totals and counts; with bai2 as a witness."""

from __future__ import annotations

import pytest
from bai2 import bai2 as witness

from tests.statements.files import amounts, bai2, lines_of, read, refused

DETAILS = ["165,1050,0,BR1,CR1,rent", "475,325,Z,,CR2,"]


def test_credits_and_debits() -> None:
    file = read(bai2(DETAILS))
    assert amounts(file) == [1050, -325]
    statement, lines = file.statements[0]
    assert (statement.opening_minor, statement.closing_minor, statement.proof) == (10_000, 10_725, "balances")
    assert (statement.account_id, statement.asset, statement.opening_date) == ("987", "USD", "2026-11-27")
    assert lines[0].references == {"bank_reference": "BR1", "customer_reference": "CR1"}
    assert (lines[0].code, lines[0].remittance, lines[0].booking_date) == ("165", "rent", "2026-11-27")


def test_a_parser_of_others_agrees() -> None:
    found = witness.parse_from_string(bai2(DETAILS), check_integrity=True)
    told = [one for group in found.children for account in group.children for one in account.children]
    lines = lines_of(read(bai2(DETAILS)))
    assert [(one.type_code.code, one.amount) for one in told] == [(line.code, abs(line.amount_minor)) for line in lines]


@pytest.mark.parametrize(("code", "amount"), [("252", 5), ("258", 5), ("552", -5), ("558", -5)])
def test_reversals(code: str, amount: int) -> None:
    (line,) = lines_of(read(bai2([f"{code},5,Z,,,"])))
    assert (line.amount_minor, line.reversal) == (amount, True)


@pytest.mark.parametrize("code", ["010", "700", "899"])
def test_a_code_that_is_neither_credit_nor_debit(code: str) -> None:
    assert refused(bai2([f"{code},5,Z,,,"])).reason == "sign"


@pytest.mark.parametrize(
    ("funds", "value_date"),
    [
        ("0", "2026-11-27"),
        ("S,1,2,3", "2026-11-27"),
        ("D,2,0,3,1,2", "2026-11-27"),
        ("V,261130,", "2026-11-30"),
        ("", "2026-11-27"),
    ],
)
def test_funds_types_take_their_fields(funds: str, value_date: str) -> None:
    (line,) = lines_of(read(bai2([f"165,5,{funds},BR,CR,text, with commas"])))
    assert line.references == {"bank_reference": "BR", "customer_reference": "CR"}
    assert (line.remittance, line.value_date) == ("text, with commas", value_date)


def test_continuations_go_on_with_fields_or_text() -> None:
    lines = lines_of(read(bai2(["165,5,Z,BR,CR,one\n88,two\n88,three/", "165,6,Z/\n88,BR,CR,four/"])))
    assert [line.remittance for line in lines] == ["one two three", "four"]
    assert lines[1].references == {"bank_reference": "BR", "customer_reference": "CR"}
    assert [line.line_number for line in lines] == [4, 7]


def test_a_summary_that_is_continued() -> None:
    data = bai2(DETAILS).replace("015,10725,,/", "015,10725,,/\n88,100,1050,1,Z,400,325,1,Z/")
    data = data.replace("49,22100,4", "49,23475,5").replace("98,22100,1,6", "98,23475,1,7")
    assert amounts(read(data.replace("99,22100,1,8", "99,23475,1,9"))) == [1050, -325]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("49,22100", "49,22101"),
        ("49,22100,4", "49,22100,5"),
        ("98,22100", "98,1"),
        ("98,22100,1,6", "98,22100,2,6"),
        ("99,22100,1,8", "99,22100,1,9"),
        ("99,22100,1,8", "99,22100,2,8"),
        ("16,165,1050", "16,165,1051"),
    ],
)
def test_control_totals_and_counts(old: str, new: str) -> None:
    data = bai2(DETAILS)
    assert old in data
    assert refused(data.replace(old, new)).reason == "totals"


def test_ledger_balances_are_what_the_details_lead_from_and_to() -> None:
    assert refused(bai2(DETAILS, closing=10_000)).reason == "unbalanced"


def test_totals_of_the_summary_are_those_of_the_details() -> None:
    data = bai2(["165,1050,0,,,"], summary=",100,1051,1,Z")
    data = data.replace("49,22100,3", "49,23151,3").replace("98,22100,1,5", "98,23151,1,5")
    assert refused(data.replace("99,22100,1,7", "99,23151,1,7")).reason == "totals"


def test_a_file_cut_short_anywhere_is_refused() -> None:
    data = bai2(DETAILS).rstrip("/\n")
    for end in range(len(data)):
        assert refused(data[:end], format="bai2").reason in {
            "malformed",
            "totals",
            "version_unknown",
            "amount",
            "date",
        } | {
            "sign",
            "account",
            "currency",
        }


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (",2/\n02", ",3/\n02", "version_unknown"),
        (",2000,1,", ",2000,-1,", "malformed"),
        ("BANK,1,", "BANK,2,", "version_unknown"),
        ("BANK,1,", "BANK,4,", "version_unknown"),
        ("1050", "10.50", "amount"),
        ("1050", "-1050", "sign"),
        ("987,USD", "987,US", "currency"),
        ("261127,2400", "261327,2400", "date"),
        ("03,987", "03,", "account"),
        ("16,165", "17,165", "malformed"),
        ("16,165", "88,165", "malformed"),
        ("1050,0,", "1050,Q,", "malformed"),
    ],
)
def test_what_breaks_the_format(old: str, new: str, reason: str) -> None:
    assert refused(bai2(DETAILS).replace(old, new, 1)).reason == reason


def test_reports_of_the_same_day_are_interim() -> None:
    file = read(bai2(DETAILS).replace("2400,USD,2/", "2400,USD,3/"))
    assert {line.basis for line in lines_of(file)} == {"interim"}
