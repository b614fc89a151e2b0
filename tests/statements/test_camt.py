"""camt.052, .053 and .054 of all versions: signs, reversals, batches, charges, references, pages, totals."""

from __future__ import annotations

import pytest

from tests.statements.files import amounts, balance, camt, entry, lines_of, part, read, refused, whole


def detail(amount: str = "", *, refs: str = "", more: str = "", mark: str = "") -> str:
    said = f'<Amt Ccy="EUR">{amount}</Amt>' if amount else ""
    signed = f"<CdtDbtInd>{mark}</CdtDbtInd>" if mark else ""
    return f"<TxDtls><Refs>{refs}</Refs>{said}{signed}{more}</TxDtls>"


@pytest.mark.parametrize("version", [f"{number:02}" for number in range(2, 14)])
def test_every_version_of_a_statement_is_read(version: str) -> None:
    file = read(camt(whole(entry("10.50"), closing="110.50"), version=version))
    assert file.source.format == f"camt.053.001.{version}"
    assert amounts(file) == [1050]


@pytest.mark.parametrize("namespace", ["camt.053.001.01", "camt.060.001.05", "pain.001.001.09"])
def test_other_messages_are_refused(namespace: str) -> None:
    data = camt(whole(closing="100.00")).replace(b"camt.053.001.08", namespace.encode())
    assert refused(data).reason == "version_unknown"


def test_a_line_says_all_that_its_entry_does() -> None:
    refs = "<EndToEndId>E2E</EndToEndId><InstrId>I</InstrId><TxId>T</TxId><MndtId>M</MndtId><PmtInfId>B</PmtInfId>"
    more = (
        "<RltdPties><Dbtr><Pty><Nm>Ada</Nm></Pty></Dbtr></RltdPties><RmtInf><Ustrd>a</Ustrd><Ustrd>b</Ustrd>"
        "<Strd><CdtrRefInf><Ref>RF18</Ref></CdtrRefInf></Strd></RmtInf><RtrInf><Rsn><Cd>AC04</Cd></Rsn></RtrInf>"
    )
    file = read(
        camt(
            whole(
                entry(
                    "10.5",
                    details=detail(refs=refs, more=more),
                    status="<Sts><Cd>BOOK</Cd></Sts>",
                    more="<AcctSvcrRef>BANK-1</AcctSvcrRef>",
                ),
                closing="110.50",
            )
        )
    )
    (line,) = lines_of(file)
    assert line.references == {
        "end_to_end_id": "E2E",
        "instruction_id": "I",
        "clearing_reference": "T",
        "mandate_id": "M",
        "batch_id": "B",
        "creditor_reference": "RF18",
        "bank_reference": "BANK-1",
    }
    assert (line.counterparty, line.remittance, line.return_code, line.code) == ("Ada", "a b", "AC04", "PMNT/RCDT/ESCT")
    assert (line.booking_date, line.value_date) == ("2026-11-27", "2026-11-28")
    (statement, _), *_ = file.statements
    assert (statement.sequence_number, statement.opening_minor, statement.closing_minor) == (7, 10_000, 11_050)
    assert (statement.proof, statement.basis, statement.credit_minor, statement.debit_minor) == (
        "balances",
        "booked",
        1050,
        0,
    )


def test_what_is_not_provided_is_no_reference() -> None:
    refs = "<EndToEndId>NOTPROVIDED</EndToEndId>"
    (line,) = lines_of(read(camt(whole(entry("1", details=detail(refs=refs)), closing="101.00"))))
    assert line.references == {}


@pytest.mark.parametrize(("mark", "amount"), [("CRDT", 1000), ("DBIT", -1000)])
def test_the_sign_of_a_reversal_is_that_of_its_mark(mark: str, amount: int) -> None:
    closing = "110.00" if amount > 0 else "90.00"
    file = read(camt(whole(entry("10.00", mark, more="<RvslInd>true</RvslInd>"), closing=closing)))
    (line,) = lines_of(file)
    assert (line.amount_minor, line.reversal) == (amount, True)


def test_a_batch_is_a_line_for_each_transaction_where_they_add_up() -> None:
    details = "<Btch><PmtInfId>B-1</PmtInfId><NbOfTxs>2</NbOfTxs></Btch>" + "".join(
        detail(amount, refs=f"<EndToEndId>{name}</EndToEndId>") for amount, name in (("4.00", "a"), ("6.00", "b"))
    )
    lines = lines_of(read(camt(whole(entry("10.00", "DBIT", details=details), closing="90.00"))))
    assert [line.amount_minor for line in lines] == [-400, -600]
    assert [line.references["end_to_end_id"] for line in lines] == ["a", "b"]
    assert {line.references["batch_id"] for line in lines} == {"B-1"}


def test_a_batch_in_amount_details_of_version_2() -> None:
    details = "".join(
        f'<TxDtls><AmtDtls><TxAmt><Amt Ccy="EUR">{amount}</Amt></TxAmt></AmtDtls></TxDtls>'
        for amount in ("4.00", "6.00")
    )
    assert amounts(read(camt(whole(entry("10.00", details=details), closing="110.00"), version="02"))) == [400, 600]


def test_a_batch_that_does_not_add_up_is_refused() -> None:
    details = detail("4.00") + detail("6.01")
    found = refused(camt(whole(entry("10.00", details=details), closing="110.00")))
    assert (found.reason, found.statement_index) == ("unbalanced", 0)
    assert "2 transactions of 1001 together" in found.detail


@pytest.mark.parametrize(
    "details", [detail() + detail(), "<Btch><NbOfTxs>3</NbOfTxs></Btch>" + detail("1") + detail("2")]
)
def test_a_batch_whose_transactions_are_not_all_there_stays_one_line(details: str) -> None:
    assert amounts(read(camt(whole(entry("10.00", details=details), closing="110.00")))) == [1000]


@pytest.mark.parametrize(
    ("batch", "parts"),
    [
        ("<NbOfTxs>3</NbOfTxs>", ("4.00", "6.00")),
        ("<NbOfTxs>1</NbOfTxs>", ("4.00", "6.00")),
        ("<NbOfTxs>1</NbOfTxs>", ("", "")),
        ('<TtlAmt Ccy="EUR">10.01</TtlAmt>', ("4.00", "6.00")),
        ('<NbOfTxs>20</NbOfTxs><TtlAmt Ccy="EUR">9.99</TtlAmt>', ()),
    ],
)
def test_a_batch_that_says_something_else_than_its_entry_is_refused(batch: str, parts: tuple[str, ...]) -> None:
    details = f"<Btch>{batch}</Btch>" + "".join(detail(*([one] if one else [])) for one in parts)
    found = refused(camt(whole(entry("10.00", details=details), closing="110.00")))
    assert (found.reason, "Btch/" in found.detail) == ("totals", True)


@pytest.mark.parametrize("total", ["9.00", "10.00"])
def test_the_total_of_a_batch_is_before_or_after_its_charges(total: str) -> None:
    charges = '<Chrgs><Rcrd><Amt Ccy="EUR">1.00</Amt><CdtDbtInd>DBIT</CdtDbtInd></Rcrd></Chrgs>'
    details = f'<Btch><NbOfTxs>20</NbOfTxs><TtlAmt Ccy="EUR">{total}</TtlAmt></Btch>'
    file = read(camt(whole(entry("9.00", more=charges, details=details), closing="109.00")))
    assert amounts(file) == [900]


def test_references_that_all_transactions_of_one_line_share_are_kept() -> None:
    details = "".join(detail(refs=f"<MsgId>M</MsgId><EndToEndId>{name}</EndToEndId>") for name in "ab")
    (line,) = lines_of(read(camt(whole(entry("10.00", details=details), closing="110.00"))))
    assert line.references == {"batch_id": "M"}


def test_charges_within_the_amount_are_the_fee_of_the_line() -> None:
    charges = '<Chrgs><Rcrd><Amt Ccy="EUR">0.35</Amt><CdtDbtInd>DBIT</CdtDbtInd></Rcrd></Chrgs>'
    (line,) = lines_of(read(camt(whole(entry("9.65", more=charges), closing="109.65"))))
    assert (line.amount_minor, line.fee_minor) == (965, 35)


def test_charges_apart_from_the_amount_are_not() -> None:
    charges = '<Chrgs><Rcrd><Amt Ccy="EUR">0.35</Amt><ChrgInclInd>false</ChrgInclInd></Rcrd></Chrgs>'
    (line,) = lines_of(read(camt(whole(entry("9.65", more=charges), closing="109.65"))))
    assert line.fee_minor == 0


def test_charges_of_a_batch_of_gross_transactions_are_a_line_of_their_own() -> None:
    charges = '<Chrgs><Rcrd><Amt Ccy="EUR">0.50</Amt></Rcrd></Chrgs>'
    file = read(camt(whole(entry("9.50", more=charges, details=detail("4.00") + detail("6.00")), closing="109.50")))
    assert amounts(file) == [400, 600, -50]
    assert lines_of(file)[2].code == "CHRG"


def test_charges_of_each_transaction_are_taken_off_it() -> None:
    charges = '<Chrgs><Amt Ccy="EUR">0.25</Amt></Chrgs>'
    details = detail("4.00", more=charges) + detail("6.00", more=charges)
    file = read(camt(whole(entry("9.50", details=details), closing="109.50")))
    assert [(line.amount_minor, line.fee_minor) for line in lines_of(file)] == [(375, 25), (575, 25)]


@pytest.mark.parametrize("status", ["PDNG", "INFO"])
def test_what_is_not_booked_is_no_line(status: str) -> None:
    file = read(camt(whole(entry("10.00"), entry("5.00", status=f"<Sts>{status}</Sts>"), closing="110.00")))
    assert amounts(file) == [1000]
    assert file.statements[0].statement.not_booked_count == 1


def test_several_statements_of_a_file_are_each_proven() -> None:
    first = whole(entry("10.00"), closing="110.00", number="7", name="a")
    second = whole(entry("5.00", "DBIT"), opening="110.00", closing="105.00", number="8", name="b")
    file = read(camt(first, second))
    assert [one.statement.statement_count for one in file.statements] == [2, 2]
    assert amounts(file) == [1000, -500]
    found = refused(camt(first, second.replace("105.00", "105.01")))
    assert (found.reason, found.statement_index) == ("unbalanced", 1)
    assert "opening 110.00 EUR + lines -5.00 EUR = 105.00 EUR, but the closing balance is 105.01 EUR" in found.detail


@pytest.mark.parametrize(
    ("opens", "closes", "header"),
    [
        ("OPBD", "CLBD", ""),
        ("PRCD", "CLBD", ""),
        ("OPBD", "ITBD", "<MsgPgntn><PgNb>1</PgNb><LastPgInd>false</LastPgInd></MsgPgntn>"),
        ("ITBD", "ITBD", "<MsgPgntn><PgNb>2</PgNb><LastPgInd>false</LastPgInd></MsgPgntn>"),
        ("ITBD", "CLBD", "<MsgPgntn><PgNb>3</PgNb><LastPgInd>true</LastPgInd></MsgPgntn>"),
    ],
)
def test_balances_of_every_type_prove_their_page(opens: str, closes: str, header: str) -> None:
    body = balance(opens, "100.00") + balance(closes, "110.00", "2026-11-27")
    file = read(camt(part(body + entry("10.00")), header=header))
    assert file.statements[0].statement.proof == "balances"
    assert refused(camt(part(body + entry("10.01")), header=header)).reason == "unbalanced"


@pytest.mark.parametrize(
    "balances", ["", balance("OPBD", "100.00"), balance("CLBD", "110.00"), balance("CLAV", "110.00")]
)
def test_a_statement_without_both_balances_is_not_proven(balances: str) -> None:
    assert refused(camt(part(balances + entry("10.00")))).reason == "unbalanced"


def test_two_balances_of_a_type_and_day_that_differ() -> None:
    body = balance("OPBD", "100.00") + balance("OPBD", "101.00") + balance("CLBD", "110.00")
    assert refused(camt(part(body + entry("10.00")))).reason == "unbalanced"


def test_the_balance_of_an_overdrawn_account() -> None:
    body = balance("OPBD", "5.00", mark="DBIT") + balance("CLBD", "5.00", "2026-11-27")
    assert read(camt(part(body + entry("10.00")))).statements[0].statement.opening_minor == -500


def test_totals_are_checked() -> None:
    summary = (
        "<TxsSummry><TtlNtries><NbOfNtries>{count}</NbOfNtries><Sum>15.00</Sum><TtlNetNtry><Amt>5.00</Amt>"
        "<CdtDbtInd>CRDT</CdtDbtInd></TtlNetNtry></TtlNtries><TtlCdtNtries><Sum>{credits}</Sum></TtlCdtNtries></TxsSummry>"
    )
    for kind in ("052", "053", "054"):
        body = entry("10.00") + entry("5.00", "DBIT")
        if kind == "053":
            body = balance("OPBD", "100.00") + balance("CLBD", "105.00") + body
        good = part(summary.format(count=2, credits="10.00") + body, kind=kind)
        assert read(camt(good, kind=kind)).statements[0].statement.proof == ("balances" if kind == "053" else "totals")
        for count, credits_ in ((3, "10.00"), (2, "10.01")):
            bad = part(summary.format(count=count, credits=credits_) + body, kind=kind)
            assert refused(camt(bad, kind=kind)).reason == "totals"


@pytest.mark.parametrize(("kind", "basis"), [("052", "interim"), ("054", "advice")])
def test_reports_and_notifications_are_not_booked_statements(kind: str, basis: str) -> None:
    file = read(camt(part(entry("10.00"), kind=kind), kind=kind))
    assert {line.basis for line in lines_of(file)} == {basis}
    assert file.statements[0].statement.proof == "none"


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        (entry("1.00", "CR"), "sign"),
        (entry("-1.00"), "sign"),
        (entry("1,00"), "amount"),
        (entry("1.001"), "amount"),
        (entry("1e2"), "amount"),
        (entry("NaN"), "amount"),
        (entry("Infinity"), "amount"),
        (entry("9" * 19), "amount"),
        (entry("1.00", asset="USD"), "currency"),
        (entry("1.00", asset="XYZ"), "currency"),
        (entry("1.00", asset="XXX"), "currency"),
        (entry("1.00", status=""), "malformed"),
        (entry("1.00", dates="<BookgDt><Dt>2026-02-30</Dt></BookgDt>"), "date"),
        (entry("1.00", dates="<ValDt><Dt>0001-01-01</Dt></ValDt>"), "date"),
        (entry("1.00", dates="<ValDt><Dt>9999-12-31</Dt></ValDt>"), "date"),
        (entry("1.00", more="<RvslInd>maybe</RvslInd>"), "malformed"),
    ],
)
def test_what_breaks_an_entry_refuses_the_file(broken: str, reason: str) -> None:
    found = refused(camt(whole(entry("10.00"), broken, closing="111.00")))
    assert found.reason == reason
    assert found.detail


def test_more_zeros_than_the_asset_has_do_not_harm() -> None:
    assert amounts(read(camt(whole(entry("8.850000"), closing="108.85")))) == [885]


def test_equal_lines_of_a_statement_are_two() -> None:
    lines = lines_of(read(camt(whole(entry("10.00"), entry("10.00"), closing="120.00"))))
    assert lines[0].fingerprint == lines[1].fingerprint
    assert [line.occurrence for line in lines] == [1, 2]
    assert lines[0].line_id != lines[1].line_id


def test_a_line_knows_where_it_stands_in_the_file() -> None:
    data = camt(whole("\n" + entry("10.00"), "\n\n" + entry("1.00"), closing="111.00"))
    for line in lines_of(read(data)):
        assert b"<Ntry>" in data.splitlines()[line.line_number - 1]


def test_messages_in_an_envelope_are_found() -> None:
    data = camt(whole(entry("10.00"), closing="110.00")).split(b"?>", 1)[1]
    assert amounts(read(b"<Envelope><AppHdr/>" + data + b"</Envelope>")) == [1000]
