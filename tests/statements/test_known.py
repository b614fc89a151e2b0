"""What an account has had before: files and statements seen, copies, gaps, other accounts."""

from __future__ import annotations

from typing import Any

import pytest

from agents.statements.known import Decision, Known
from agents.statements.reading import Reading
from schemas.external_statements import ExternalLine, ExternalStatement
from tests.statements.files import camt, entry, mapping, mt940, part, read_with, whole

SIX = camt(whole(entry("0.00"), opening="100.00", closing="100.00", number="6", name="S-6"))
SEVEN = camt(whole(entry("10.00"), closing="110.00", name="S-7"))
EIGHT = camt(whole(entry("5.00"), opening="110.00", closing="115.00", number="8", name="S-8"))
NINE = camt(whole(entry("1.00"), opening="115.00", closing="116.00", number="9", name="S-9"))


class Account:
    """Imports files one after the other, as the command does."""

    def __init__(self, **reading: Any):
        self.reading = Reading("acquirer", **reading)
        self.known = Known("acquirer", self.reading.side)

    def take(self, data: bytes, **reading: Any) -> Decision:
        using = Reading("acquirer", **reading) if reading else self.reading
        decision = self.known.decide(read_with(data, using), using)
        for record in decision.records:
            self.known.take(record)
        return decision

    def reason(self, data: bytes, **reading: Any) -> str:
        refusal = self.take(data, **reading).refusal
        assert refusal is not None
        return refusal.reason


def test_the_lines_of_a_statement_come_before_it() -> None:
    decision = Account().take(SEVEN)
    assert [type(record) for record in decision.records] == [ExternalLine, ExternalStatement]
    assert {record.account for record in decision.records} == {"acquirer"}


def test_the_same_file_twice_is_one() -> None:
    account = Account()
    assert account.take(SEVEN).outcome == "imported"
    again = account.take(SEVEN)
    assert (again.outcome, again.records) == ("seen", ())


def test_reading_a_file_again_gives_the_same_records() -> None:
    assert Account().take(SEVEN).records == Account().take(SEVEN).records


def test_a_copy_in_another_file_is_passed_over_and_what_is_new_in_it_is_not() -> None:
    account = Account()
    first = account.take(SEVEN)
    copy = camt(whole(entry("10.00"), closing="110.00", name="S-7"), header="<AddtlInf>again</AddtlInf>")
    again = account.take(copy)
    assert (again.outcome, again.records) == ("seen", ())
    assert [one.original for one in again.copies] == [first.records[-1]]
    both = camt(
        whole(entry("10.00"), closing="110.00", name="S-7"),
        whole(entry("5.00"), opening="110.00", closing="115.00", number="8", name="S-8"),
    )
    decision = account.take(both)
    assert [record.statement_index for record in decision.records] == [1, 1]
    assert len(decision.copies) == 1


def test_another_word_under_the_same_id_is_refused() -> None:
    account = Account()
    account.take(camt(whole(entry("10.00"), closing="110.00", number="")))
    assert account.reason(camt(whole(entry("11.00"), closing="111.00", number=""))) == "copy_differs"


def test_another_word_under_the_same_id_is_refused_also_after_a_report_of_that_id() -> None:
    """A bank numbers each kind of message by itself: the report of the day may have the id of its statement."""
    account = Account()
    account.take(camt(whole(entry("10.00"), entry("10.00", "DBIT"), closing="100.00", number="")))
    assert account.take(camt(part(entry("10.00"), kind="052", number=""), kind="052")).outcome == "imported"
    corrected = camt(whole(entry("20.00"), entry("20.00", "DBIT"), closing="100.00", number=""))
    assert account.reason(corrected) == "copy_differs"


@pytest.mark.parametrize(
    "rows",
    [
        "2026-11-02,2.00,EUR,p-1\n2026-11-02,1.50,EUR,p-1",
        "2026-11-02,1.50,EUR,p-1\n2026-11-02,2.00,EUR,p-1\n2026-11-02,9.00,EUR,p-1",
    ],
    ids=["other order", "a row more"],
)
def test_another_word_under_the_id_that_a_mapping_names_is_refused(rows: str) -> None:
    account = Account(mapping=mapping(statement="payout"))
    head, first = "date,amount,currency,payout", "2026-11-02,1.50,EUR,p-1\n2026-11-02,2.00,EUR,p-1"
    account.take(f"{head}\n{first}\n".encode())
    assert account.reason(f"{head}\n{rows}\n".encode()) == "copy_differs"
    assert account.take(f"{head}\n{rows}\n".replace("p-1", "p-2").encode()).outcome == "imported"
    unnamed = Account(mapping=mapping())
    unnamed.take(f"{head}\n{first}\n".encode())
    assert unnamed.take(f"{head}\n{rows}\n".encode()).outcome == "imported"


def test_a_number_that_is_missing_is_refused_and_may_be_allowed() -> None:
    account = Account()
    account.take(SEVEN)
    assert account.reason(NINE) == "sequence_gap"
    assert account.take(EIGHT).outcome == "imported"
    assert account.take(NINE).outcome == "imported"
    other = Account()
    other.take(SEVEN)
    statement = other.take(NINE, allow_gaps=True).records[-1]
    assert isinstance(statement, ExternalStatement)
    assert statement.gap_allowed is not None
    assert "comes statement 9" in statement.gap_allowed
    assert other.take(EIGHT).outcome == "imported", "what was missing still fits in"


def test_an_older_statement_can_come_later() -> None:
    account = Account()
    account.take(SEVEN)
    assert account.take(SIX).outcome == "imported"


def test_a_number_that_was_there_with_other_contents_is_refused_whatever_is_allowed() -> None:
    account = Account()
    account.take(SEVEN)
    other = camt(whole(entry("9.00"), closing="109.00", name="other"))
    assert account.reason(other) == "sequence_repeated"
    assert account.reason(other, allow_gaps=True) == "sequence_repeated"


def test_numbers_begin_again_with_the_year() -> None:
    account = Account()
    account.take(mt940(closing="62F:C261231EUR100,", number="250").encode())
    first = mt940(opening="60F:C261231EUR100,", closing="62F:C270101EUR100,", number="1").encode()
    assert account.take(first).outcome == "imported"
    skipped = mt940(opening="60F:C280101EUR100,", closing="62F:C280101EUR100,", number="3").encode()
    assert account.reason(skipped) == "sequence_gap"


def uncounted(day: int, opening: str, closing: str, *lines: str, number: str = "1/1") -> bytes:
    """A day's statement of a bank that writes the same number on each."""
    begins = f"60F:C2611{day - 1}EUR{opening}"
    return mt940(*lines, opening=begins, closing=f"62F:C2611{day}EUR{closing}", number=number).encode()


def test_a_bank_that_does_not_count_is_followed_by_days_and_balances() -> None:
    account = Account()
    monday = uncounted(23, "100,", "110,", ":61:261123C10,NTRFA")
    tuesday = uncounted(24, "110,", "115,", ":61:261124C5,NTRFB")
    wednesday = uncounted(25, "115,", "112,", ":61:261125D3,NTRFC")
    assert account.take(monday).outcome == "imported"
    assert account.reason(wednesday) == "sequence_gap"
    assert account.take(wednesday, allow_gaps=True).outcome == "imported"
    assert account.take(tuesday).outcome == "imported", "what was missing fits in"
    assert account.take(monday).outcome == "seen"
    other = uncounted(25, "115,", "114,", ":61:261125D1,NTRFD")
    assert account.reason(other, allow_gaps=True) == "sequence_repeated", "the same day says something else"
    assert Account().take(wednesday + tuesday + monday).outcome == "imported", "in whatever order they stand"


def test_a_bank_that_does_not_count_may_have_pages() -> None:
    account = Account()
    account.take(uncounted(23, "100,", "100,"))
    one = uncounted(24, "100,", "110,", ":61:261124C10,NTRFA").replace(b":62F:", b":62M:")
    two = uncounted(24, "110,", "115,", ":61:261124C5,NTRFB", number="1/2").replace(b":60F:C261123", b":60M:C261124")
    assert account.take(one).outcome == "imported"
    assert account.reason(uncounted(25, "110,", "110,")) == "page_gap"
    assert [account.take(data).outcome for data in (two, uncounted(25, "115,", "115,"))] == ["imported"] * 2


def test_pages_in_files_of_their_own() -> None:
    account = Account()
    six = mt940(closing="62F:C261126EUR100,", number="6/1").encode()
    one = mt940(":61:261127C10,NTRFA", closing="62M:C261127EUR110,", number="7/1").encode()
    two = mt940(":61:261127C5,NTRFB", opening="60M:C261127EUR110,", closing="62M:C261127EUR115,", number="7/2").encode()
    three = mt940(opening="60M:C261127EUR115,", closing="62F:C261127EUR115,", number="7/3").encode()
    assert account.reason(two) == "page_gap", "page 1 is missing, also where nothing was imported before"
    account.take(one)
    account.take(six)
    assert account.reason(three) == "page_gap"
    assert [account.take(data).outcome for data in (two, three)] == ["imported", "imported"]
    assert account.reason(mt940(opening="60F:C261127EUR9,", closing="62F:C261128EUR9,", number="8/1").encode()) == (
        "sequence_gap"
    )


def test_a_statement_that_begins_with_a_later_page_is_let_pass_on_demand() -> None:
    two = mt940(":61:261127C5,NTRFB", opening="60M:C261127EUR110,", closing="62F:C261127EUR115,", number="7/2").encode()
    account = Account()
    decision = account.take(two, allow_gaps=True)
    assert decision.outcome == "imported"
    assert "begins with page 2" in (decision.statements[0].statement.gap_allowed or "")


def test_a_file_of_another_account_is_a_mistake_unless_it_is_named() -> None:
    account = Account()
    account.take(SEVEN)
    other = EIGHT.replace(b"NL26VAYB8060476890", b"DE02500105170137075030")
    assert account.reason(other) == "account"
    assert account.take(other, account_id="DE02 5001 0517 0137 0750 30").outcome == "imported"


@pytest.mark.parametrize("kind", ["052", "054"])
def test_a_report_of_another_account_is_a_mistake_as_well(kind: str) -> None:
    """A book may count what is not booked, too."""
    account = Account()
    account.take(SEVEN)
    other = camt(part(entry("10.00"), kind=kind, account="DE89370400440532013000"), kind=kind)
    assert account.reason(other) == "account"
    assert account.take(other, account_id="DE89370400440532013000").outcome == "imported"


def test_each_account_of_a_file_is_imported_by_its_id() -> None:
    data = (
        mt940(":61:261127C10,NTRFA", closing="62F:C261127EUR110,", account="A")
        + mt940(":61:261127C5,NTRFB", closing="62F:C261127EUR105,", account="B")
    ).encode()
    account = Account()
    assert account.reason(data) == "account"
    for account_id in ("A", "B"):
        (line, _) = account.take(data, account_id=account_id).records
        assert isinstance(line, ExternalLine)
    assert account.take(data, account_id="A").outcome == "seen"
    assert account.reason(data, account_id="C") == "account"


def test_a_refusal_is_told_once() -> None:
    account = Account()
    bad = SEVEN.replace(b"110.00", b"111.00")
    first, again = account.take(bad), account.take(bad)
    assert (first.outcome, len(first.records)) == ("refused", 1)
    assert (again.outcome, again.records) == ("refused", ())
    assert again.refusal == first.refusal


def test_a_refused_file_can_be_imported_once_the_reason_is_gone() -> None:
    account = Account()
    account.take(SEVEN)
    assert account.reason(NINE) == "sequence_gap"
    account.take(EIGHT)
    assert account.take(NINE).outcome == "imported"


def test_the_currency_of_the_account() -> None:
    assert Account(asset="USD").reason(SEVEN) == "currency"
    assert Account(asset="EUR").take(SEVEN).outcome == "imported"


@pytest.mark.parametrize(("account", "side"), [("other", "bank"), ("acquirer", "partner")])
def test_records_of_others_are_passed_over(account: str, side: Any) -> None:
    decision = Known(account, side).decide(read_with(SEVEN, Reading(account, side)), Reading(account, side))
    known = Known("acquirer", "bank")
    for record in decision.records:
        known.take(record)
    assert known.statements == []
