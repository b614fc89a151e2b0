"""MT940 and MT942: signs and reversals, dialects, sub-fields, pages; with mt-940 as a witness."""

from __future__ import annotations

from decimal import Decimal

import mt940 as witness
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.statements.files import SOUND, amounts, lines_of, mt940, read, refused


@pytest.mark.parametrize(
    ("mark", "amount", "reversal"), [("C", 1000, False), ("D", -1000, False), ("RC", -1000, True), ("RD", 1000, True)]
)
@pytest.mark.parametrize("funds", ["", "R"])
def test_marks(mark: str, amount: int, reversal: bool, funds: str) -> None:
    closing = f"62F:C261127EUR{(10_000 + amount) // 100},"
    (line,) = lines_of(read(mt940(f":61:2611271127{mark}{funds}10,NMSCNONREF", closing=closing)))
    assert (line.amount_minor, line.reversal, line.references) == (amount, reversal, {})


@pytest.mark.parametrize("mark", ["NONREF", "EREF", "KREF+", "EREF+", "kref+"])
def test_a_mark_that_the_reference_stands_elsewhere_is_none(mark: str) -> None:
    (line,) = lines_of(read(mt940(f":61:261127C10,NTRF{mark}//B-1", closing="62F:C261127EUR110,")))
    assert line.references == {"bank_reference": "B-1"}


def test_the_other_sign_of_a_reversal_does_not_balance() -> None:
    """What a parser would give that takes RC for a credit."""
    assert refused(mt940(":61:261127RC10,NMSCNONREF", closing="62F:C261127EUR110,")).reason == "unbalanced"


@given(st.lists(st.tuples(st.sampled_from(["C", "D", "RC", "RD"]), st.integers(1, 10**8)), max_size=8))
def test_amounts_agree_with_a_parser_of_others(moves: list[tuple[str, int]]) -> None:
    signs = {"C": 1, "RD": 1, "D": -1, "RC": -1}
    net = 10_000 + sum(signs[mark] * minor for mark, minor in moves)
    lines = [f":61:2611271127{mark}{minor // 100},{minor % 100:02}NMSCREF{n}" for n, (mark, minor) in enumerate(moves)]
    data = mt940(*lines, closing=f"62F:{'C' if net >= 0 else 'D'}261127EUR{abs(net) // 100},{abs(net) % 100:02}")
    found = witness.parse(data)
    told = [one.data for one in found.transactions if "amount" in one.data]
    assert len(told) == len(moves)
    for line, other, (mark, _) in zip(lines_of(read(data)), told, moves, strict=True):
        # It takes the reversal of a credit for a credit.
        amount = -abs(other["amount"].amount) if mark == "RC" else other["amount"].amount
        assert Decimal(line.amount_minor) == amount * 100
        assert line.references["customer_reference"] == other["customer_reference"]
        assert line.value_date == other["date"].isoformat()


@pytest.mark.parametrize(
    ("details", "references", "counterparty", "remittance"),
    [
        (":86:/EREF/E-1/BENM//NAME/ADA/REMI/rent nov", {"end_to_end_id": "E-1"}, "ADA", "rent nov"),
        (
            ":86:166?00GUTSCHRIFT?109310?20EREF+E-1?21MREF+M-9?22SVWZ+Miete?23 Nov?30BIC?31IBAN?32ADA?33 LOVELACE",
            {"end_to_end_id": "E-1", "mandate_id": "M-9"},
            "ADA LOVELACE",
            "Miete Nov",
        ),
        (":86:000>100987>20RENT>21 NOV>310390", {}, None, "RENT NOV"),
        (":86:free text\r\nin two lines", {}, None, "free text in two lines"),
        (":86:/EREF/NOTPROVIDED/REMI/x", {}, None, "x"),
        (":86:a long text that was cut EREF+E-1 SVWZ+x", {"end_to_end_id": "E-1"}, None, None),
    ],
)
def test_details_in_the_dialects_of_banks(
    details: str, references: dict[str, str], counterparty: str | None, remittance: str | None
) -> None:
    (line,) = lines_of(read(mt940(":61:261127C10,NTRFNONREF", details, closing="62F:C261127EUR110,")))
    if references == {"end_to_end_id": "E-1"} and remittance is None:
        assert line.references["end_to_end_id"].startswith("E-1")
        return
    assert (line.references, line.counterparty, line.remittance) == (references, counterparty, remittance)


def test_the_return_code_of_slashed_details() -> None:
    (line,) = lines_of(read(mt940(":61:261127C10,NRTI", ":86:/RTRN/MS03/REMI/x", closing="62F:C261127EUR110,")))
    assert line.return_code == "MS03"


def test_references_and_supplementary_details() -> None:
    line61 = ":61:2611271127D10,35NTRFOURS//THEIRS\r\n/OCMT/USD11,00/CHGS/EUR0,35/"
    (line,) = lines_of(read(mt940(line61, closing="62F:C261127EUR89,65")))
    assert line.references == {"customer_reference": "OURS", "bank_reference": "THEIRS"}
    assert (line.amount_minor, line.fee_minor, line.code) == (-1035, 35, "NTRF")


@pytest.mark.parametrize(
    ("value", "entry", "booked"),
    [("261231", "0102", "2027-01-02"), ("270102", "1231", "2026-12-31"), ("280228", "0229", "2028-02-29")],
)
def test_an_entry_date_is_of_the_nearest_year(value: str, entry: str, booked: str) -> None:
    (line,) = lines_of(read(mt940(f":61:{value}{entry}C10,NTRFX", closing="62F:C280301EUR110,")))
    assert line.booking_date == booked


ONE = mt940(":61:261127C10,NTRFA", closing="62M:C261127EUR110,", number="7/1")
TWO = mt940(":61:261127C5,NTRFB", opening="60M:C261127EUR110,", closing="62F:C261127EUR115,", number="7/2")
FIRST = mt940(closing="62F:C261126EUR100,", number="6/1")


def test_pages_of_a_statement_are_one() -> None:
    file = read(FIRST + ONE + TWO)
    (_, (statement, lines)) = file.statements
    assert [line.amount_minor for line in lines] == [1000, 500]
    assert (statement.first_page, statement.last_page, statement.complete) == (1, 2, True)
    assert (statement.opening_minor, statement.closing_minor) == (10_000, 11_500)


def test_a_page_that_comes_alone_is_a_statement_that_is_not_complete() -> None:
    assert not read(ONE).statements[0].statement.complete
    assert read(TWO).statements[0].statement.first_page == 2


@pytest.mark.parametrize(
    "data",
    [
        ONE + TWO.replace("7/2", "7/3"),
        ONE + TWO.replace("7/2", "8/1").replace("60M", "60F"),
        ONE + TWO.replace("60M:C261127EUR110,", "60M:C261127EUR111,").replace("115,", "116,"),
        TWO.replace("7/2", "7/1"),
        TWO.replace("60M", "60F"),
    ],
)
def test_a_gap_between_pages_is_refused(data: str) -> None:
    assert refused(data).reason == "page_gap"


@pytest.mark.parametrize(
    ("second", "reason"),
    [("8/1", None), ("9/1", "sequence_gap"), ("7/1", "sequence_repeated")],
)
def test_numbers_of_statements_follow_each_other(second: str, reason: str | None) -> None:
    data = mt940(":61:261127C10,NTRFA", closing="62F:C261127EUR110,") + mt940(
        ":61:261128C5,NTRFB", opening="60F:C261127EUR110,", closing="62F:C261128EUR115,", number=second
    )
    if reason is None:
        assert amounts(read(data)) == [1000, 500]
    else:
        assert refused(data).reason == reason


def test_a_statement_opens_as_the_one_before_closed() -> None:
    data = mt940(closing="62F:C261126EUR100,") + mt940(
        opening="60F:C261127EUR110,", closing="62F:C261127EUR110,", number="8/1"
    )
    found = refused(data)
    assert found.reason == "sequence_gap"
    assert "opens with 110.00 EUR, but statement 7 closed with 100.00 EUR" in found.detail
    assert len(read(data, allow_gaps=True).statements) == 2


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (":61:261127X10,NTRFA", "sign"),
        (":61:261127C-10,NTRFA", "sign"),
        (":61:261127C10.00NTRFA", "malformed"),
        (":61:261127C10,001NTRFA", "amount"),
        (":61:261327C10,NTRFA", "date"),
        (":61:261127CX10,NTRFA", "currency"),
        (":61:C10,NTRFA", "sign"),
        (":99:x", "malformed"),
        (":60F:C261126EUR100,", "malformed"),
    ],
)
def test_what_breaks_a_line_refuses_the_file(line: str, reason: str) -> None:
    found = refused(mt940(line, closing="62F:C261127EUR110,"))
    assert (found.reason, found.line_number) == (reason, 5)


@pytest.mark.parametrize("gone", [":25:", ":28C:", ":60F:", ":62F:"])
def test_a_field_that_is_missing(gone: str) -> None:
    data = mt940(":61:261127C10,NTRFA", closing="62F:C261127EUR110,")
    kept = "\n".join(line for line in data.splitlines() if not line.startswith(gone))
    assert refused(kept).reason == "malformed"


def test_an_interim_report_is_proven_by_its_totals() -> None:
    data = SOUND["MT942"][0].decode()
    file = read(data)
    assert (file.source.format, file.statements[0].statement.proof) == ("MT942", "totals")
    assert {line.basis for line in lines_of(file)} == {"interim"}
    assert refused(data.replace(":90C:1EUR10,50", ":90C:1EUR10,51")).reason == "totals"
    assert refused(data.replace(":90C:1EUR", ":90C:2EUR")).reason == "totals"


def test_what_is_expected_is_no_line() -> None:
    data = SOUND["MT942"][0].decode().replace(":61:2611271127C", ":61:2611271127EC")
    assert amounts(read(data)) == []
    assert read(data).statements[0].statement.not_booked_count == 1


@pytest.mark.parametrize("rest", ["", ":64:C261127EUR110,\r\n", "{1:F01X}{2:I940Y}{4:\r\n"])
def test_a_block_of_swift_that_does_not_end_is_cut_short(rest: str) -> None:
    body = mt940(":61:261127C10,NTRFA", closing="62F:C261127EUR110,").replace("-\r\n", "")
    found = refused("{1:F01X}{2:I940Y}{4:\r\n" + body + rest)
    assert (found.reason, found.line_number, "cut short" in found.detail) == ("malformed", 1, True)


def test_envelopes_are_passed_over() -> None:
    body = mt940(":61:261127C10,NTRFA", closing="62F:C261127EUR110,")
    for data in (
        "{1:F01X}{2:I940Y}{4:\r\n" + body.replace("\r\n-\r\n", "\r\n-}\r\n"),
        "ABNANL2A\n940\nABNANL2A\n" + body,
    ):
        assert amounts(read(data)) == [1000]
    assert refused("?? lost line\n" + body, format="mt940").reason == "malformed"
