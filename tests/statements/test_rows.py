"""CSV and JSON by mapping: signs, units, fees, dates, balances, and amounts that never were a float."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from agents.statements.mapping import read_mapping
from tests.statements.files import CSV, JSON, amounts, lines_of, mapping, read, refused


def test_csv_and_json_give_the_same() -> None:
    by = mapping(references={"provider_reference": "id"})
    for data in (CSV, JSON):
        lines = lines_of(read(data, mapping=by))
        assert [line.amount_minor for line in lines] == [1050, -325]
        assert [line.references for line in lines] == [{"provider_reference": "a"}, {"provider_reference": "b"}]
    assert [line.line_number for line in lines_of(read(CSV, mapping=by))] == [2, 3]


@pytest.mark.parametrize(
    ("text", "fields", "minor"),
    [
        ("0.29", {}, 29),
        ("1234567890123456.78", {}, 123456789012345678),
        ("-0.1", {}, -10),
        ("+5", {}, 500),
        ("1.234,5", {"decimal_mark": ",", "thousands_mark": "."}, 123450),
        ("1'234", {"thousands_mark": "'"}, 123400),
        ("1234", {"amount_unit": "minor"}, 1234),
        ("12.34", {"sign": -1}, -1234),
    ],
)
def test_amounts(text: str, fields: dict[str, Any], minor: int) -> None:
    data = f'date;amount;currency\n2026-11-27;"{text}";EUR\n'
    assert amounts(read(data, mapping=mapping(delimiter=";", **fields))) == [minor]


@pytest.mark.parametrize(
    ("text", "fields", "reason"),
    [
        ("1.005", {}, "amount"),
        ("1e3", {}, "amount"),
        ("NaN", {}, "amount"),
        ("", {}, "amount"),
        ("0x10", {}, "amount"),
        ("１２", {}, "amount"),
        ("--1", {}, "sign"),
        ("12,34", {}, "amount"),
        ("1,2345", {"thousands_mark": ","}, "amount"),
        ("12.34", {"amount_unit": "minor"}, "amount"),
        ("99999999999999999999", {}, "amount"),
    ],
)
def test_what_is_no_amount(text: str, fields: dict[str, Any], reason: str) -> None:
    data = f'date;amount;currency\n2026-11-27;"{text}";EUR\n'
    found = refused(data, mapping=mapping(delimiter=";", **fields))
    assert (found.reason, found.line_number) == (reason, 2)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e2", "1E400", "9" * 5_000])
def test_numbers_of_json_that_are_no_amounts(number: str) -> None:
    data = f'[{{"date":"2026-11-27","amount":{number},"currency":"EUR"}}]'
    assert refused(data, mapping=mapping()).reason == "amount"


def test_a_column_of_marks() -> None:
    by = mapping(sign={"column": "mark", "credit": ["C"], "debit": ["D"]})
    data = "date,amount,currency,mark\n2026-11-27,1,EUR,C\n2026-11-27,2,EUR,D\n"
    assert amounts(read(data, mapping=by)) == [100, -200]
    assert refused(data.replace("EUR,D", "EUR,X"), mapping=by).reason == "sign"
    assert refused(data.replace("27,2", "27,-2"), mapping=by).reason == "sign"


def test_a_column_for_each_side() -> None:
    by = mapping(amount=None, credit_amount="in", debit_amount="out")
    data = "date,in,out,currency\n2026-11-27,1,,EUR\n2026-11-27,0,2,EUR\n"
    assert amounts(read(data, mapping=by)) == [100, -200]
    assert refused(data.replace("27,1,,", "27,1,1,"), mapping=by).reason == "sign"
    assert refused(data.replace("27,1,,", "27,,,"), mapping=by).reason == "sign"


def test_a_gross_amount_loses_its_fee() -> None:
    data = "date,amount,currency,fee\n2026-11-27,100.00,EUR,2.50\n"
    for kind, amount in (("net", 10_000), ("gross", 9_750)):
        (line,) = lines_of(read(data, mapping=mapping(fee="fee", amount_is=kind)))
        assert (line.amount_minor, line.fee_minor) == (amount, 250)


def test_balances_are_proven() -> None:
    data = "date,amount,currency,balance\n2026-11-27,10,EUR,110\n2026-11-27,-5,EUR,105\n"
    by = mapping(balance="balance")
    statement = read(data, mapping=by).statements[0].statement
    assert (statement.opening_minor, statement.closing_minor, statement.proof) == (10_000, 10_500, "balances")
    assert refused(data.replace("105", "106"), mapping=by).reason == "unbalanced"
    assert refused(data, mapping=mapping(opening={"const": "100"}, closing={"const": "106"})).reason == "unbalanced"
    assert amounts(read(data, mapping=mapping(opening={"const": "100"}, closing="balance"))) == [1000, -500]


def test_balances_from_the_newest_row_down() -> None:
    data = "date,amount,currency,balance\n2026-11-28,-5,EUR,105\n2026-11-27,10,EUR,110\n"
    assert amounts(read(data, mapping=mapping(balance="balance"))) == [1000, -500]


@pytest.mark.parametrize("amount", ["10", "0"])
def test_balances_that_fit_both_ways_go_by_the_days(amount: str) -> None:
    data = f"date,amount,currency,balance\n2026-11-28,{amount},EUR,{amount}\n2026-11-27,-{amount},EUR,0\n"
    (found,) = read(data, mapping=mapping(balance="balance")).statements
    assert [line.value_date for line in found.lines] == ["2026-11-27", "2026-11-28"]
    assert (found.statement.opening_minor, found.statement.closing_minor) == (int(amount) * 100, int(amount) * 100)


def test_statements_that_follow_each_other_may_stand_newest_first() -> None:
    head, first, second = (
        "date,amount,currency,payout,from,to",
        "2026-11-27,5,EUR,p1,0,5",
        "2026-11-28,10,EUR,p2,5,15",
    )
    by = mapping(statement="payout", opening="from", closing="to")
    for rows in ((first, second), (second, first)):
        assert sorted(amounts(read("\n".join((head, *rows)), mapping=by))) == [500, 1000]
    assert refused("\n".join((head, second.replace("5,15", "6,16"), first)), mapping=by).reason == "sequence_gap"


def test_rows_that_are_not_booked_are_no_lines() -> None:
    by = mapping(booked={"column": "status", "values": ["done"]})
    file = read("date,amount,currency,status\n2026-11-27,1,EUR,done\n2026-11-27,x,EUR,open\n", mapping=by)
    assert amounts(file) == [100]
    assert file.statements[0].statement.not_booked_count == 1


def test_a_statement_of_which_nothing_is_booked_yet_is_none_and_holds_up_no_other() -> None:
    """Were it one without lines, its id would be taken once they are booked."""
    fields = {"booked": {"column": "state", "values": ["paid"]}, "statement": "payout"}
    data = "date,amount,currency,state,payout\n2026-11-27,1.00,EUR,open,p-1\n2026-11-27,2.00,EUR,paid,p-2\n"
    file = read(data, mapping=mapping(**fields))
    assert [(one.statement.reference, one.statement.line_count) for one in file.statements] == [("p-2", 1)]
    assert read(data, mapping=mapping(**fields), asset="EUR") == file
    nothing = refused(data.replace("paid", "open"), mapping=mapping(**fields))
    assert (nothing.reason, nothing.detail) == ("empty", "none of its rows is booked yet")


def test_rows_of_which_none_is_booked_say_their_currency() -> None:
    fields = {"booked": {"column": "state", "values": ["paid"]}}
    (one,) = read("date,amount,currency,state\n2026-11-27,1.00,EUR,open\n", mapping=mapping(**fields)).statements
    assert (one.statement.asset, one.statement.line_count, one.statement.not_booked_count) == ("EUR", 0, 1)


def test_statements_by_column() -> None:
    data = "date,amount,currency,payout\n2026-11-27,1,EUR,p1\n2026-11-27,2,EUR,p2\n2026-11-27,3,EUR,p1\n"
    file = read(data, mapping=mapping(statement="payout"))
    assert [(one.statement.reference, one.statement.credit_minor) for one in file.statements] == [
        ("p1", 400),
        ("p2", 200),
    ]


def test_a_nested_list_in_json() -> None:
    data = orjson.dumps({"data": {"rows": [{"at": "27.11.2026", "amount": {"value": 5, "currency": "JPY"}}]}})
    by = mapping(rows="data.rows", amount="amount.value", asset="amount.currency", date="at", date_format="%d.%m.%Y")
    (line,) = lines_of(read(data, mapping=by))
    assert (line.amount_minor, line.asset, line.value_date) == (5, "JPY", "2026-11-27")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ("date,amount\n2026-11-27,1\n", "mapping"),
        ("date,amount,currency,amount\n2026-11-27,1,EUR,1\n", "mapping"),
        ("date,amount,currency\n2026-11-27,1\n", "malformed"),
        ('date,amount,currency\n2026-11-27,"1,EUR\n', "malformed"),
        ("date,amount,currency\n", "empty"),
        ("date,amount,currency\n27.11.2026,1,EUR\n", "date"),
        ("date,amount,currency\n2026-11-27,1,EUR\n2026-11-27,1,USD\n", "currency"),
        ("[]", "empty"),
        ("{}", "mapping"),
        ("[1]", "malformed"),
        ("[" * 100_000, "malformed"),
        ('[{"date":"2026-11-27","amount":1,"amount":2,"currency":"EUR"}]', "malformed"),
        ('[{"date":"2026-11-27","amount":{"a":1},"currency":"EUR"}]', "mapping"),
        ('[{"date":"2026-11-27","amount":1', "malformed"),
    ],
)
def test_what_breaks_a_table(data: str, reason: str) -> None:
    assert refused(data, mapping=mapping()).reason == reason


@pytest.mark.parametrize(
    "fields",
    [{"booked": {"column": "statu", "values": ["done"]}}, {"statement": "payouts"}, {"account_id": "account.iban"}],
)
def test_a_column_that_no_row_of_json_has_and_that_says_what_counts(fields: dict[str, Any]) -> None:
    found = refused(JSON, mapping=mapping(**fields), asset="EUR")
    assert found.reason == "mapping"
    assert "no row has" in found.detail
    # One row may be without it.
    (column,) = (one["column"] if isinstance(one, dict) else one for one in fields.values())
    some = orjson.loads(JSON)
    some[0][column] = "done"
    by = mapping(**fields)
    assert 1050 in amounts(read(orjson.dumps(some[:1]), mapping=by))
    if "booked" in fields:
        assert amounts(read(orjson.dumps(some), mapping=by)) == [1050]


def test_without_a_mapping_there_is_nothing_to_go_by() -> None:
    assert refused(CSV).reason == "format_unknown"
    assert refused(CSV, format="csv").reason == "mapping"


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({}, "amount, or credit_amount and debit_amount"),
        ({"amount": "a", "debit_amount": "d"}, "one of the two ways"),
        ({"amount": "a", "amount_is": "gross"}, "gross needs fee"),
        ({"amount": "a", "thousands_mark": "."}, "the same as decimal_mark"),
        ({"amount": "a", "references": {"reference": "x"}}, "references.reference"),
        ({"amount": "a", "colour": "x"}, "colour"),
        ({"amount": "a", "balance": "b", "opening": "o"}, "gives opening and closing"),
    ],
)
def test_a_mapping_that_makes_no_sense_says_what(fields: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        read_mapping(orjson.dumps({"asset": "c", "date": "d", **fields}))
